"""What is done to one picture to see how robust a recogniser is: occluders that grow, bad light, hidden parts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldmark.augment import FRACTIONS, LIGHTS, OCCLUDERS, lighting_series, occlusion_series, picture_seed
from fieldmark.augment.regions import elsewhere

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

#: What the conditions of a picture are grouped by.
CLEAN, OCCLUSION, LIGHT, ANNOTATED, DISCOVERED = "clean", "occlusion", "light", "annotated", "discovered"

#: Radius of the disc that hides a keypoint, as a share of the square root of the box's area: 8 % of the box.
DISC = 0.16

#: What hides a part.
_COVER = (128, 128, 128)


class Condition(NamedTuple):
    """One thing done to a picture.

    Attributes:
        group: one of the names above.
        kind: the occluder, the kind of light or the part; empty of the clean picture.
        level: the fraction that is covered, or the level of the light; 0 of parts.
        control: whether as much was covered elsewhere instead.
    """

    group: str
    kind: str = ""
    level: float = 0.0
    control: bool = False


class Region(NamedTuple):
    """A part's place in a picture.

    Attributes:
        source: ``ANNOTATED`` or ``DISCOVERED``.
        name: the part.
        mask: (R, R), where it is.
    """

    source: str
    name: str
    mask: Mask


@dataclass(frozen=True)
class Subject:
    """A picture to be corrupted.

    Attributes:
        id: the row's id, from which all chance is drawn.
        pixels: the fitted picture (R, R, 3).
        window: left, top, width and height of the picture inside the square, in px.
        box: left, top, width and height of the object, in 0..1 of the square.
        regions: where its parts are, as far as they are known.
    """

    id: str
    pixels: Pixels
    window: tuple[float, float, float, float]
    box: NDArray[np.float32]
    regions: tuple[Region, ...] = ()


def views(subject: Subject, seed: int) -> Iterator[tuple[Condition, Pixels]]:
    """Yield the picture as it is, then in every condition.

    A part is left out where there is no room for its shape elsewhere; otherwise the two come one after the other.

    Args:
        subject: the picture.
        seed: another one draws everything anew.
    """
    yield Condition(CLEAN), subject.pixels
    for kind in OCCLUDERS:
        series = occlusion_series(
            subject.pixels, subject.box, kind, FRACTIONS[1:], picture_seed(subject.id, kind, seed)
        )
        for fraction, pixels in zip(FRACTIONS[1:], series, strict=True):
            yield Condition(OCCLUSION, kind, fraction), pixels
    for kind, light in LIGHTS.items():
        lit = lighting_series(subject.pixels, subject.window, kind, light.levels, picture_seed(subject.id, kind, seed))
        for level, pixels in zip(light.levels, lit, strict=True):
            yield Condition(LIGHT, kind, level), pixels
    for region in subject.regions:
        control = _control(subject, region, seed)
        if control is not None:
            yield Condition(region.source, region.name), _covered(subject.pixels, region.mask)
            yield Condition(region.source, region.name, control=True), _covered(subject.pixels, control)


def disc(x: float, y: float, box: NDArray[np.float32], inside: Mask) -> Mask:
    """Return the disc (R, R) around a keypoint at x and y in 0..1 of the square, cut at the picture."""
    side = len(inside)
    radius = DISC * side * float(np.sqrt(box[2] * box[3]))
    middles = np.arange(side) + 0.5
    near = (middles[None, :] - x * side) ** 2 + (middles[:, None] - y * side) ** 2 <= max(radius, 1.0) ** 2
    return np.asarray(near & inside)


def rectangle(left: float, top: float, width: float, height: float, side: int) -> Mask:
    """Return the pixels (R, R) whose middles lie in a rectangle, given in px of the square."""
    middles = np.arange(side) + 0.5
    across = (middles > left) & (middles < left + width)
    down = (middles > top) & (middles < top + height)
    return np.asarray(down[:, None] & across[None, :])


def _control(subject: Subject, region: Region, seed: int) -> Mask | None:
    """Return the region's shape elsewhere on the object, or where there is no room, elsewhere on the picture."""
    side = len(subject.pixels)
    generator = np.random.default_rng(picture_seed(subject.id, f"{region.source} {region.name}", seed))
    picture = rectangle(*subject.window, side)
    left, top, width, height = (float(value) * side for value in subject.box)
    for inside in (picture & rectangle(left, top, width, height, side), picture):
        found = elsewhere(region.mask, inside, 1, generator)
        if found:
            return found[0]
    return None


def _covered(pixels: Pixels, mask: Mask) -> Pixels:
    out = pixels.copy()
    out[mask] = _COVER
    return out
