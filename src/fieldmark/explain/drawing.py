"""Parts on pictures: outlines with numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter, ImageFont

from fieldmark.explain.removal import Mask
from fieldmark.explanations import FOR_A, FOR_B, PART_COLOURS

#: Longer side in px at which a picture is drawn on; smaller ones are enlarged, so that outlines stay fine.
DRAWN = 640

#: Width of an outline and of the dark edge that keeps it visible on any ground, in px; odd.
_LINE, _EDGE = 5, 9

_DARK, _LIGHT = (24, 24, 24), (255, 255, 255)

#: How opaque the colour of the strongest cell is, in 0..255.
_MOST_OPAQUE = 200

#: A colour of this luminance (0..255) or more gets dark letters.
_BRIGHT = 140


def outlined(
    picture: Image.Image,
    masks: Sequence[Mask],
    window: tuple[float, float, float, float],
    corners: Sequence[tuple[float, float] | None],
) -> Image.Image:
    """Return a picture with regions outlined in the colours of their places, and numbered from 1.

    Args:
        picture: the original, whole.
        masks: the regions (R, R) in the network's square, the first one on top.
        window: left, top, width and height of the picture inside the square, in px.
        corners: left and top of each region in shares of the picture (0..1), where its number goes; ``None`` draws
            nothing.

    Returns:
        A new picture whose longer side is ``DRAWN``.
    """
    drawn = _enlarged(picture)
    size = drawn.size
    for place in reversed(range(len(masks))):
        if corners[place] is not None:
            _outline(drawn, _stretched(masks[place], window, size), part_colour(place))
    for place in reversed(range(len(masks))):
        corner = corners[place]
        if corner is not None:
            spot = corner[0] * size[0], corner[1] * size[1]
            badge(ImageDraw.Draw(drawn), spot, str(place + 1), part_colour(place), within=size)
    return drawn


def tinted(picture: Image.Image, cells: NDArray[np.floating], window: tuple[float, float, float, float]) -> Image.Image:
    """Return a picture in grey, coloured by what each cell says: for A, or for B where it is negative.

    Args:
        picture: the original, whole.
        cells: (h, w), what each cell of the network's square adds to the log-odds of A against B.
        window: left, top, width and height of the picture inside the square, in 0..1 of its side.

    Returns:
        A new picture whose longer side is ``DRAWN``; the strongest cell is the most coloured.
    """
    drawn = _enlarged(picture).convert("L").convert("RGB")
    strength = np.abs(cells) / max(float(np.abs(cells).max()), 1e-9)
    height, width = cells.shape
    place = window[0] * width, window[1] * height, window[2] * width, window[3] * height
    for colour, side in ((FOR_A, cells > 0), (FOR_B, cells < 0)):
        opacity = np.where(side, _MOST_OPAQUE * strength, 0).astype(np.uint8)
        mask = _placed(Image.fromarray(opacity), place, drawn.size, Image.Resampling.BILINEAR)
        drawn.paste(colour, mask=mask)
    return drawn


def part_colour(place: int) -> tuple[int, int, int]:
    """Return the colour of the mark at a place, 0 being the first."""
    red, green, blue = ImageColor.getrgb(PART_COLOURS[place % len(PART_COLOURS)])[:3]
    return red, green, blue


def badge(
    draw: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    text: str,
    colour: tuple[int, int, int],
    *,
    within: tuple[int, int],
) -> None:
    """Draw a number on a disc of a colour, its upper left at a corner, wholly inside of the picture."""
    font = ImageFont.load_default(16)
    diameter = max(24, round(font.getlength(text)) + 12)
    x = min(max(0.0, corner[0]), within[0] - diameter - 1)
    y = min(max(0.0, corner[1]), within[1] - diameter - 1)
    draw.ellipse((x, y, x + diameter, y + diameter), fill=colour, outline=_DARK, width=2)
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] >= _BRIGHT
    middle = x + diameter / 2, y + diameter / 2
    draw.text(middle, text, font=font, fill=_DARK if bright else _LIGHT, anchor="mm")


def _enlarged(picture: Image.Image) -> Image.Image:
    scale = DRAWN / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.convert("RGB").resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)


def _stretched(mask: Mask, window: tuple[float, float, float, float], size: tuple[int, int]) -> Image.Image:
    """Return a region of the square as a mask (``L``) of the drawn picture."""
    return _placed(Image.fromarray(mask.astype(np.uint8) * 255), window, size, Image.Resampling.NEAREST)


def _placed(
    square: Image.Image,
    window: tuple[float, float, float, float],
    size: tuple[int, int],
    resampling: Image.Resampling,
) -> Image.Image:
    """Return the part of a square that a window (in its pixels) shows, at the drawn picture's size."""
    left, top, width, height = window
    steps = (width / size[0], 0, left, 0, height / size[1], top)
    return square.transform(size, Image.Transform.AFFINE, steps, resampling)


def _outline(drawn: Image.Image, region: Image.Image, colour: tuple[int, int, int]) -> None:
    inner = region.filter(ImageFilter.MinFilter(_LINE))
    edge = ImageChops.subtract(region.filter(ImageFilter.MaxFilter(_LINE)), inner)
    wide = ImageChops.subtract(region.filter(ImageFilter.MaxFilter(_EDGE)), region.filter(ImageFilter.MinFilter(_EDGE)))
    drawn.paste(_DARK, mask=wide.point(lambda value: value * 150 // 255))
    drawn.paste(colour, mask=edge)
