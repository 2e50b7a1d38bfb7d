"""What is drawn in a guide's pages: numbered boxes over pictures, and bars of effects. Geometry only, for SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fieldmark.guide_results import Exemplar
from fieldmark.records import Interval

#: The width that bars are drawn in, in units of their own.
BAR = 200

#: Radius of a pointer's disc, as a share of the picture's longer side.
_DISC = 0.048


@dataclass(frozen=True, slots=True)
class Pointer:
    """A numbered box over a picture, in the picture's pixels; ``x`` and ``y`` are the middle of the number's disc."""

    number: int
    left: float
    top: float
    width: float
    height: float
    x: float
    y: float
    radius: float


def pointers(picture: Exemplar, numbers: Mapping[int, int]) -> tuple[Pointer, ...]:
    """Point at parts of a picture, the numbers' discs beside each other where there is room.

    Args:
        picture: has the places of its parts.
        numbers: part → the number that it has on the page; other parts are left out.
    """
    radius = _DISC * max(picture.width, picture.height)
    shown = sorted((box for box in picture.boxes if box.part in numbers), key=lambda box: numbers[box.part])
    boxes = [
        (box.left * picture.width, box.top * picture.height, box.width * picture.width, box.height * picture.height)
        for box in shown
    ]
    found: list[Pointer] = []
    for own, box in zip(boxes, shown, strict=True):
        x, y = _free_place(own, boxes, [(one.x, one.y) for one in found], (picture.width, picture.height), radius)
        found.append(Pointer(numbers[box.part], *(round(value, 1) for value in (*own, x, y, radius))))
    return tuple(found)


def _free_place(
    own: tuple[float, float, float, float],
    boxes: Sequence[tuple[float, float, float, float]],
    discs: Sequence[tuple[float, float]],
    size: tuple[float, float],
    radius: float,
) -> tuple[float, float]:
    """Find the place beside a box where its disc covers least of the boxes and of other discs.

    Args:
        own: left, top, width, height of the box, in pixels.
        boxes: all boxes.
        discs: the middles of the discs that have their place.
        size: width and height of the picture.
        radius: of every disc.
    """
    left, top, width, height = own
    near = 0.75 * radius  # a disc beside a corner still touches it
    columns = (left - near, left + width + near, left + width / 2)
    rows = (top - near, top + height + near, top + height / 2)
    places = [(x, y) for y in rows for x in columns][:-1]  # all around; the last one is the middle
    inside = [(min(max(x, radius), size[0] - radius), min(max(y, radius), size[1] - radius)) for x, y in places]

    def covered(place: tuple[float, float]) -> float:
        over_discs = sum(max(0.0, 2.1 * radius - math.dist(place, disc)) for disc in discs)
        over_boxes = sum(max(0.0, radius - _distance(place, box)) for box in boxes)
        return 4 * over_discs + over_boxes

    return min(inside, key=covered)  # of equals the first: the corners


def _distance(point: tuple[float, float], box: tuple[float, float, float, float]) -> float:
    """Return how far a point is from a box; 0 inside."""
    left, top, width, height = box
    return math.hypot(
        max(left - point[0], 0.0, point[0] - left - width), max(top - point[1], 0.0, point[1] - top - height)
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from nothing to an effect, in units of ``BAR``, and where its interval begins and ends."""

    zero: float
    left: float
    width: float
    low: float
    high: float
    positive: bool


def bars(effects: Mapping[int, Interval]) -> dict[int, Bar]:
    """Draw the effects of parts on one scale, so that their lengths compare."""
    low = min((min(effect.low, effect.value, 0.0) for effect in effects.values()), default=0.0)
    high = max((max(effect.high, effect.value, 0.0) for effect in effects.values()), default=0.0)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return round((value - low) / span * BAR, 1)

    zero = place(0.0)
    return {
        part: Bar(
            zero=zero,
            left=min(zero, place(effect.value)),
            width=round(abs(place(effect.value) - zero), 1),
            low=place(effect.low),
            high=place(effect.high),
            positive=effect.value >= 0,
        )
        for part, effect in effects.items()
    }
