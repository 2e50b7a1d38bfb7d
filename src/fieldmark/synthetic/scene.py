"""What is around the bird: background, perch, occluders and light.

All species share one distribution of scenes, so that nothing here tells them apart; berries and flowers take
the colours of the marks, so that a colour alone tells little.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from fieldmark.synthetic.species import BLACK, DARK, ORANGE, RED, RUFOUS, WHITE, YELLOW, Colour

#: Pairs of colours that a background runs between, top to bottom.
_SETTINGS: tuple[tuple[Colour, Colour], ...] = (
    ((168, 200, 226), (204, 216, 214)),  # sky
    ((120, 150, 92), (74, 104, 58)),  # foliage
    ((172, 190, 190), (112, 132, 76)),  # field under haze
    ((150, 176, 184), (84, 112, 128)),  # water
    ((156, 140, 112), (112, 92, 70)),  # bare wood
    ((206, 192, 158), (150, 146, 96)),  # dry grass
    ((92, 110, 96), (50, 64, 52)),  # deep shade
    ((214, 210, 204), (170, 168, 162)),  # fog
)
_BLOSSOM: tuple[Colour, ...] = (WHITE, WHITE, ORANGE, RUFOUS, YELLOW, YELLOW, RED, BLACK, DARK)
_LEAF = np.array([(-1.0, 0.0), (-0.45, -0.32), (0.25, -0.36), (1.0, 0.0), (0.25, 0.36), (-0.45, 0.32)])


def varied(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """Return a colour with a random change of brightness and a smaller one of each channel."""
    bright = rng.normal(0.0, spread)
    r, g, b = (int(np.clip(c + bright + rng.normal(0.0, 0.5 * spread), 6, 249)) for c in colour)
    return r, g, b


def leaf(rng: np.random.Generator, centre: tuple[float, float], length: float) -> list[float]:
    """Return the outline of a leaf as flat pixels; ``length`` is half the leaf's."""
    turn = rng.uniform(0, 2 * math.pi)
    c, s = math.cos(turn), math.sin(turn)
    points = _LEAF @ np.array([[c, s], [-s, c]]) * length + np.asarray(centre)
    return list(points.ravel().tolist())


def background(rng: np.random.Generator, size: int) -> Image.Image:
    """Draw a blurred background, (size, size).

    Args:
        rng: draws everything.
        size: side in pixels.
    """
    small = 48
    top, bottom = _SETTINGS[rng.integers(len(_SETTINGS))]
    a = np.array(varied(rng, top, 16), dtype=np.float32)
    b = np.array(varied(rng, bottom, 16), dtype=np.float32)
    middle, steep = rng.uniform(0.2, 0.9), rng.uniform(2.0, 14.0)
    ramp = 1 / (1 + np.exp(-steep * (np.linspace(0, 1, small, dtype=np.float32) - middle)))
    field = a + (b - a) * ramp[:, None, None] + rng.normal(0, 5, (small, small, 1)).astype(np.float32)
    field = np.broadcast_to(field, (small, small, 3))
    image = Image.fromarray(np.clip(field, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    _blurred_clutter(rng, draw, small, (top, bottom))
    image = image.filter(ImageFilter.BoxBlur(rng.uniform(0.4, 1.6)))
    return image.resize((size, size), Image.Resampling.BICUBIC)


def _blurred_clutter(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, small: int, colours: tuple[Colour, Colour]
) -> None:
    for _ in range(rng.integers(6, 26)):
        x, y = rng.uniform(0, small, 2)
        tint = varied(rng, colours[rng.integers(2)], 34)
        kind = rng.integers(3)
        if kind == 0:
            r = rng.uniform(1.0, 6.0)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=tint)
        elif kind == 1:
            dx, dy = rng.normal(0, 14, 2)
            draw.line((x, y, x + dx, y + dy), fill=tint, width=int(rng.integers(1, 4)))
        else:
            draw.polygon(leaf(rng, (x, y), rng.uniform(2, 7)), fill=tint)
    for _ in range(rng.integers(0, 7)):
        x, y = rng.uniform(0, small, 2)
        r = rng.uniform(0.8, 3.2)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=varied(rng, _BLOSSOM[rng.integers(len(_BLOSSOM))], 14))


def foreground(rng: np.random.Generator, image: Image.Image, perch: float) -> None:
    """Draw what stands sharp behind the bird: its perch, grass, twigs and berries.

    Args:
        rng: draws everything.
        image: is drawn on.
        perch: height of the bird's feet in pixels.
    """
    draw = ImageDraw.Draw(image)
    size = image.width
    for _ in range(rng.integers(0, 4)):
        x, y = rng.uniform(0, size, 2)
        dx, dy = rng.normal(0, 0.4 * size, 2)
        twig = varied(rng, (96, 76, 58), 22)
        draw.line((x, y, x + dx, y + dy), fill=twig, width=max(1, round(rng.uniform(0.008, 0.024) * size)))
    for _ in range(rng.integers(0, 6)):
        draw.polygon(leaf(rng, tuple(rng.uniform(0, size, 2)), rng.uniform(0.03, 0.09) * size), fill=_green(rng))
    for _ in range(rng.integers(0, 6)):
        (x, y), r = rng.uniform(0, size, 2), rng.uniform(0.012, 0.035) * size
        berry = varied(rng, _BLOSSOM[rng.integers(len(_BLOSSOM))], 14)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=berry)
    _perch(rng, draw, size, perch)


def _green(rng: np.random.Generator) -> Colour:
    kinds: tuple[Colour, ...] = ((86, 122, 54), (120, 142, 66), (62, 96, 58), (156, 140, 70), (140, 96, 56))
    return varied(rng, kinds[rng.integers(len(kinds))], 14)


def _perch(rng: np.random.Generator, draw: ImageDraw.ImageDraw, size: int, height: float) -> None:
    kind = rng.integers(3)
    bark = varied(rng, ((104, 82, 62), (128, 120, 108), (150, 138, 104))[kind], 18)
    if kind == 2:
        left, right = rng.uniform(-0.04, 0.04, 2) * size
        draw.polygon((0, height + left, size, height + right, size, size, 0, size), fill=bark)
        for x in rng.uniform(0, size, 14):
            dx, dy = rng.normal(0, 0.03) * size, rng.uniform(0.03, 0.10) * size
            blade = varied(rng, (110, 124, 70), 18)
            draw.line((x, height + 0.04 * size, x + dx, height - dy), fill=blade, width=max(1, size // 100))
        return
    left, right = rng.uniform(-0.07, 0.07, 2) * size
    thick = rng.uniform(0.03, 0.07) * size
    y = height + 0.35 * thick
    draw.line((0, y + left, size / 2, y, size, y + right), fill=bark, width=round(thick), joint="curve")
    dark = varied(rng, (70, 58, 48), 10)
    low = y + 0.36 * thick
    draw.line((0, low + left, size / 2, low, size, low + right), fill=dark, width=max(1, round(0.25 * thick)))


def occlude(
    rng: np.random.Generator,
    image: Image.Image,
    labels: Image.Image,
    box: tuple[float, float, float, float],
    share: float,
) -> None:
    """In a share of the pictures, draw a twig or leaves in front of the bird.

    Args:
        rng: draws everything.
        image: is drawn on.
        labels: what is covered becomes 0.
        box: left, top, right, bottom of the bird, pixels; the occluder's middle lies within.
        share: probability of an occluder.
    """
    present, kind = rng.uniform() < share, rng.integers(3)
    if not present:
        return
    pens = ((ImageDraw.Draw(image), None), (ImageDraw.Draw(labels), 0))
    size, (x0, y0, x1, y1) = image.width, box
    if kind == 0:
        colour = varied(rng, (92, 74, 56), 16)
        x, tilt = rng.uniform(x0, x1), rng.uniform(-0.35, 0.35) * size
        width = round(rng.uniform(0.02, 0.05) * size)
        for draw, value in pens:
            draw.line((x - tilt, 0, x + tilt, size), fill=colour if value is None else value, width=width)
        return
    count = int(rng.integers(1, 4)) if kind == 1 else int(rng.integers(4, 8))
    reach = (0.08, 0.14) if kind == 1 else (0.04, 0.07)
    middle = np.array([rng.uniform(x0, x1), rng.uniform(y0, y1)])
    for _ in range(count):
        spot = middle + rng.normal(0, 0.10 * size, 2)
        outline, colour = leaf(rng, (spot[0], spot[1]), rng.uniform(*reach) * size), _green(rng)
        for draw, value in pens:
            draw.polygon(outline, fill=colour if value is None else value)


def cover(rng: np.random.Generator, image: Image.Image, labels: Image.Image, region: Image.Image) -> None:
    """Hide all of a region behind leaves.

    Args:
        rng: draws the leaves.
        image: is drawn on.
        labels: what is covered becomes 0.
        region: ``L``, 255 where nothing may be seen.
    """
    size = image.width
    places = np.argwhere(np.asarray(region) > 0)
    if not len(places):
        return
    # A box blur of a 0/255 mask is above 0 exactly where the mask is within its reach.
    grown = region.filter(ImageFilter.BoxBlur(max(1, round(0.016 * size)))).point([0] + [255] * 255)
    image.paste(_green(rng), mask=grown)
    labels.paste(0, mask=grown)
    draw, hidden = ImageDraw.Draw(image), ImageDraw.Draw(labels)
    for y, x in places[rng.integers(len(places), size=12)]:
        outline = leaf(rng, (float(x), float(y)), rng.uniform(0.025, 0.05) * size)
        draw.polygon(outline, fill=_green(rng))
        hidden.polygon(outline, fill=0)


def shaded(rng: np.random.Generator, pixels: NDArray[np.float32], bird: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Light a picture: a soft shadow from one side, brightness, colour temperature, feather grain and noise.

    Args:
        rng: draws the light.
        pixels: (H, W, 3), 0..255.
        bird: (H, W), where the bird is: it gets the grain.

    Returns:
        (H, W, 3).
    """
    side = pixels.shape[0]
    angle, depth = rng.uniform(0, 2 * math.pi), rng.uniform(0.0, 0.42)
    across = np.linspace(-1, 1, side, dtype=np.float32)
    slope = math.cos(angle) * across[None, :] + math.sin(angle) * across[:, None]
    edge, soft = rng.uniform(-0.6, 0.6), rng.uniform(1.5, 9.0)
    shadow = 1 - depth / (1 + np.exp(-soft * (slope - edge)))
    warmth = rng.normal(0, 0.055)
    gain = np.array([1 + warmth, 1.0, 1 - warmth], dtype=np.float32) * rng.uniform(0.78, 1.16)
    grain = rng.standard_normal((side, side), dtype=np.float32)
    rough = np.where(bird, 0.045, 0.018).astype(np.float32)
    light = shadow.astype(np.float32) * (1 + rough * grain)
    lit = pixels * (light[:, :, None] * gain)
    return np.asarray(np.clip(lit, 0, 255).astype(np.uint8))
