"""A bird painted from its parts, in colour and as labels."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from fieldmark.synthetic.anatomy import ONE_BAR, TWO_BARS, Anatomy, Outline
from fieldmark.synthetic.species import MARK_VALUES, PARTS, Colour, Paint, Species

#: The value of each part in a mask.
PART_VALUES = {part: index for index, part in enumerate(PARTS, start=1)}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the bird's frame lies on a canvas.

    Attributes:
        matrix: (2, 2), takes row vectors of the bird's frame to pixels.
        offset: (2,), the pixel of the bird's origin.
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    def pixels(self, points: Outline) -> Outline:
        """Take points (n, 2) of the bird's frame to pixels."""
        return np.asarray(points @ self.matrix + self.offset)

    def unit(self) -> float:
        """Return the length of one body in pixels."""
        return math.sqrt(abs(float(np.linalg.det(self.matrix))))

    def scaled(self, factor: float) -> "Placement":
        """Return the same placement on a canvas that is ``factor`` times as large."""
        return Placement(self.matrix * factor, self.offset * factor)


class Canvas:
    """A colour picture and a label picture that are painted together.

    Args:
        image: the colour picture, painted over in place.
        placement: where the bird lies on it.
    """

    def __init__(self, image: Image.Image, placement: Placement) -> None:
        self.image = image
        self.labels = Image.new("L", image.size, 0)
        self.placement = placement
        self._colour = ImageDraw.Draw(self.image)
        self._label = ImageDraw.Draw(self.labels)

    def _flat(self, outline: Outline) -> list[float]:
        return list(self.placement.pixels(outline).ravel().tolist())

    def polygon(self, outline: Outline, colour: Colour, part: str) -> None:
        """Fill an outline."""
        points = self._flat(outline)
        self._colour.polygon(points, fill=colour)
        self._label.polygon(points, fill=PART_VALUES[part])

    def line(self, outline: Outline, width: float, colour: Colour, part: str) -> None:
        """Draw a line; the width is in body lengths."""
        points, pixels = self._flat(outline), max(1, round(width * self.placement.unit()))
        self._colour.line(points, fill=colour, width=pixels)
        self._label.line(points, fill=PART_VALUES[part], width=pixels)

    def tint(self, outline: Outline, colour: Colour) -> None:
        """Fill an outline in colour only: a detail within a part."""
        self._colour.polygon(self._flat(outline), fill=colour)

    def scratch(self, outline: Outline, width: float, colour: Colour) -> None:
        """Draw a line in colour only: a detail within a part."""
        pixels = max(1, round(width * self.placement.unit()))
        self._colour.line(self._flat(outline), fill=colour, width=pixels)

    def stencil(self, *outlines: Outline) -> Image.Image:
        """Return the union of outlines as an ``L`` picture, 255 inside."""
        mask = Image.new("L", self.image.size, 0)
        draw = ImageDraw.Draw(mask)
        for outline in outlines:
            draw.polygon(self._flat(outline), fill=255)
        return mask

    def inside(self, stencil: Image.Image, colour: Colour | None, part: str | None) -> None:
        """Fill a stencil; no colour leaves the colours, no part leaves the labels."""
        box = stencil.getbbox()
        if box is None:
            return
        small = stencil.crop(box)  # most parts are small: pasting the whole canvas takes most of the time
        if colour is not None:
            self.image.paste(colour, box, small)
        if part is not None:
            self.labels.paste(PART_VALUES[part], box, small)


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """Return a colour with a share (0..1) of another mixed in."""
    r, g, b = (round(x + (y - x) * share) for x, y in zip(colour, other, strict=True))
    return r, g, b


class BirdPainter:
    """Paints one individual of a species.

    Args:
        canvas: what it is painted on.
        species: the species, for its plumage and its marks.
        anatomy: the individual's outlines.
        rng: draws the details of its feathers, the same for every species of the genus.
    """

    def __init__(self, canvas: Canvas, species: Species, anatomy: Anatomy, rng: np.random.Generator) -> None:
        self.canvas = canvas
        self.anatomy = anatomy
        self.plumage = species.genus.plumage
        self.paint: dict[str, Paint] = {part: MARK_VALUES[part][value] for part, value in species.marks.items()}
        self.rng = rng

    def draw(self) -> None:
        """Paint everything, back to front."""
        self._legs()
        self._tail()
        self._trunk()
        self._wing()
        self._head()

    def _legs(self) -> None:
        colour = self.paint["legs"].colour or self.plumage.wing
        for near in (False, True):
            leg, foot = self.anatomy.leg(near)
            shade = colour if near else mixed(colour, (0, 0, 0), 0.18)
            self.canvas.line(leg, 0.075, shade, "legs")
            self.canvas.line(foot, 0.065, shade, "legs")

    def _tail(self) -> None:
        paint = self.paint["tail"]
        feathers = mixed(self.plumage.wing, self.plumage.back, 0.3)
        self.canvas.polygon(self.anatomy.tail_outline(paint.pattern == "forked"), feathers, "tail")
        axis = self.anatomy.tail.place([(0.1, 0.0), (0.95, 0.0)])
        self.canvas.scratch(axis, 0.02, mixed(feathers, (0, 0, 0), 0.3))
        if paint.colour is not None:
            start, stop = (0.50, 1.0) if paint.pattern == "tip" else (0.42, 0.78)
            self.canvas.tint(self.anatomy.tail_band(start, stop), paint.colour)

    def _trunk(self) -> None:
        canvas, anatomy = self.canvas, self.anatomy
        trunk = canvas.stencil(*anatomy.silhouette())
        canvas.inside(trunk, self.plumage.back, "body")
        within = {
            name: ImageChops.multiply(canvas.stencil(outline), trunk)
            for name, outline in (("belly", anatomy.belly()), ("breast", anatomy.breast()), ("rump", anatomy.rump()))
        }
        canvas.inside(within["belly"], self.plumage.belly, None)
        canvas.inside(within["breast"], self.plumage.belly, "breast")
        self._breast_pattern(within["breast"])
        canvas.inside(within["rump"], self.paint["rump"].colour, "rump")

    def _breast_pattern(self, breast: Image.Image) -> None:
        paint, frame = self.paint["breast"], self.anatomy.chest
        if paint.colour is None:
            return
        pattern = Image.new("L", breast.size, 0)
        draw = ImageDraw.Draw(pattern)
        unit = self.canvas.placement.unit()
        if paint.pattern == "band":
            line = self.canvas.placement.pixels(frame.place(_BAND))
            draw.line(line.ravel().tolist(), fill=255, width=round(0.14 * unit), joint="curve")
        else:
            long = 0.24 if paint.pattern == "streaks" else 0.0
            for x, y in _SPOTS + self.rng.uniform(-0.05, 0.05, _SPOTS.shape):
                ends = self.canvas.placement.pixels(frame.place([(x, y), (x - long, y + 0.3 * long)]))
                if long:
                    draw.line(ends.ravel().tolist(), fill=255, width=max(1, round(0.042 * unit)))
                else:
                    (cx, cy), r = ends[0], 0.036 * unit
                    draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=255)
        self.canvas.inside(ImageChops.multiply(pattern, breast), paint.colour, None)

    def _wing(self) -> None:
        canvas, anatomy, paint = self.canvas, self.anatomy, self.paint["wing bar"]
        canvas.polygon(anatomy.wing_outline(), self.plumage.wing, "wing")
        dark = mixed(self.plumage.wing, (0, 0, 0), 0.35)
        for line in anatomy.feathers():
            canvas.scratch(line, 0.022, dark)
        wing = canvas.stencil(anatomy.wing_outline())
        # A wing without a bar has the place of two.
        for place in ONE_BAR if paint.pattern == "one bar" else TWO_BARS:
            bar = ImageChops.multiply(canvas.stencil(anatomy.wing_bar(place)), wing)
            canvas.inside(bar, paint.colour, "wing bar")

    def _head(self) -> None:
        canvas, anatomy, plumage = self.canvas, self.anatomy, self.plumage
        bill = self.paint["bill"]
        colour = bill.colour or plumage.wing
        canvas.polygon(anatomy.bill_outline(), colour, "bill")
        if bill.pattern == "dark tip":
            canvas.tint(anatomy.bill_tip(0.55), mixed(colour, (0, 0, 0), 0.75))
        gape = anatomy.bill.place([(0.0, 0.05), (0.8, 0.15)])
        canvas.scratch(gape, 0.018, mixed(colour, (0, 0, 0), 0.4))
        head = canvas.stencil(anatomy.head.place(_ROUND))
        canvas.inside(head, plumage.head, "head")
        throat = ImageChops.multiply(
            canvas.stencil(anatomy.throat()), canvas.stencil(anatomy.head.place(_ROUND), *anatomy.silhouette())
        )
        canvas.inside(throat, self.paint["throat"].colour or mixed(plumage.head, plumage.belly, 0.5), "throat")
        self._crown()
        self._eye()

    def _crown(self) -> None:
        paint = self.paint["crown"]
        plain = mixed(self.plumage.head, (0, 0, 0), 0.1)
        filled = paint.colour if paint.colour is not None and paint.pattern == "fill" else plain
        self.canvas.polygon(self.anatomy.crown(), filled, "crown")
        if paint.colour is not None and paint.pattern == "stripe":
            self.canvas.tint(self.anatomy.crown_stripe(), paint.colour)

    def _eye(self) -> None:
        canvas, anatomy = self.canvas, self.anatomy
        ring = self.paint["eye ring"].colour
        # An eye without a ring is the eye alone, so that a crown or throat reaching up to it keeps its label.
        stencil = canvas.stencil(anatomy.eye(0.27 if ring is None else 0.50))
        canvas.inside(stencil, ring, "eye ring")
        canvas.tint(anatomy.eye(0.27), (24, 20, 22))
        x, y = anatomy.head.point(0.38, -0.14)
        glint = np.array([(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)]) * 0.022 + (x, y)
        canvas.tint(glint, (250, 250, 250))


_ROUND = np.stack([f(np.linspace(0, 2 * np.pi, 28, endpoint=False)) for f in (np.cos, np.sin)], axis=1)

#: The middle of the band across the breast, in the chest's frame.
_BAND = [(0.40, -0.3), (0.58, 0.25), (0.52, 0.75), (0.34, 1.3)]

#: Where the breast's streaks and spots begin, in the chest's frame.
_SPOTS = np.array(
    [(x - 0.16 * row, y) for row, y in enumerate((-0.02, 0.22, 0.46, 0.70)) for x in (1.02, 0.80, 0.58)]
    + [(0.36, 0.34), (0.30, 0.58), (0.22, 0.80), (0.62, 0.88)]
)
