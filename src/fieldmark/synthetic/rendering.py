"""One picture of one generated bird, with everything that is true of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fieldmark.errors import ConfigError, unknown_name
from fieldmark.synthetic.anatomy import Anatomy, Pose
from fieldmark.synthetic.drawing import PART_VALUES, BirdPainter, Canvas, Placement
from fieldmark.synthetic.scene import background, cover, foreground, occlude, shaded
from fieldmark.synthetic.species import PARTS, Colour, Plumage, Species

#: The smallest and largest side of a picture in pixels; below it, marks are lost.
MIN_SIZE, MAX_SIZE = 48, 512

#: A picture is painted this many times as large and then reduced.
_OVERSAMPLING = 2

#: Share of the pictures in which something stands in front of the bird.
_OCCLUDED = 0.3

#: A part counts as visible while this share of it can be seen.
_VISIBLE = 0.25

#: The streams of random numbers, each seeded apart, so that no aspect depends on how another was drawn.
_POSE, _PLACE, _PLUMAGE, _BACKGROUND, _FOREGROUND, _OCCLUDER, _LIGHT, _COVER, _FEATHERS = range(9)


@dataclass(frozen=True, slots=True)
class Keypoint:
    """Where a part is.

    Attributes:
        name: the part, one of ``PARTS``.
        x: pixels from the left edge.
        y: pixels from the top edge.
        visible: whether the part lies inside the picture and at least a quarter of it can be seen.
    """

    name: str
    x: float
    y: float
    visible: bool


@dataclass(frozen=True, slots=True)
class GeneratedBird:
    """One picture with its truth.

    Attributes:
        image: (size, size, 3) uint8, RGB.
        mask: (size, size) uint8: 0 where no bird is seen, else the part's place in ``PARTS`` plus one.
        keypoints: one for every part, in the order of ``PARTS``.
        box: left, top, width, height of the visible bird, pixels.
        marks: the species' marks and their values.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    keypoints: tuple[Keypoint, ...]
    box: tuple[float, float, float, float]
    marks: Mapping[str, str]


def render_bird(species: Species, *, seed: int, size: int, hide: str | None = None) -> GeneratedBird:
    """Draw one individual.

    The same seed gives the same individual in the same scene for every species of a genus: two such
    pictures differ only in the marks; with the mark that separates them hidden, not at all.

    Args:
        species: what is drawn.
        seed: decides everything else: pose, scene, light and occluder; not negative.
        size: side of the picture, ``MIN_SIZE``..``MAX_SIZE`` pixels.
        hide: a part that is hidden behind leaves; ``None`` adds nothing to the scene.

    Raises:
        ConfigError: the size or the seed is out of range, or there is no such part.
    """
    check_size(size)
    check_seed(seed)
    if hide is not None and hide not in PART_VALUES:
        raise unknown_name("part", hide, PART_VALUES)
    pose = Pose.draw(np.random.default_rng([seed, _POSE]))
    anatomy = Anatomy(species.genus.build, pose)
    placement = _place(np.random.default_rng([seed, _PLACE]), anatomy, size * _OVERSAMPLING)
    image = background(np.random.default_rng([seed, _BACKGROUND]), size * _OVERSAMPLING)
    feet = placement.pixels(np.array([[0.1, anatomy.ground()]]))[0]
    foreground(np.random.default_rng([seed, _FOREGROUND]), image, float(feet[1]))
    canvas = Canvas(image, placement)
    individual = _individual(np.random.default_rng([seed, _PLUMAGE]), species)
    BirdPainter(canvas, individual, anatomy, np.random.default_rng([seed, _FEATHERS])).draw()
    whole = _counts(canvas.labels)
    corners = placement.pixels(anatomy.extent())
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    occlude(np.random.default_rng([seed, _OCCLUDER]), image, canvas.labels, (left, top, right, bottom), _OCCLUDED)
    if hide is not None:
        region = canvas.stencil(*anatomy.region(hide))
        cover(np.random.default_rng([seed, _COVER]), image, canvas.labels, region)
    mask = np.ascontiguousarray(np.asarray(canvas.labels)[::_OVERSAMPLING, ::_OVERSAMPLING])
    bird = mask > 0
    pixels = np.asarray(image.reduce(_OVERSAMPLING), dtype=np.float32)
    pixels = _rounded(pixels, bird, anatomy, placement.scaled(1 / _OVERSAMPLING))
    lit = shaded(np.random.default_rng([seed, _LIGHT]), pixels, bird)
    shown = _counts(canvas.labels) >= np.maximum(_VISIBLE * whole, 1)
    keypoints = _keypoints(anatomy, placement.scaled(1 / _OVERSAMPLING), shown, size)
    return GeneratedBird(lit, mask, keypoints, _box(mask, keypoints), dict(species.marks))


def check_size(size: int) -> None:
    """Refuse a size that marks can't be seen at.

    Raises:
        ConfigError: the size is out of range.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ConfigError(
            f"Birds can't be drawn at {size} pixels.", f"Choose a size from {MIN_SIZE} to {MAX_SIZE} pixels."
        )


def check_seed(seed: int) -> None:
    """Refuse a negative seed.

    Raises:
        ConfigError: the seed is negative.
    """
    if seed < 0:
        raise ConfigError(f"The seed {seed} is negative.", "Choose a seed of 0 or above.")


def _place(rng: np.random.Generator, anatomy: Anatomy, side: int) -> Placement:
    """Turn, mirror, scale and move the bird so that it fills much of the frame and lies inside it."""
    # Its width takes 0.66 to 0.90 of the frame, or less where its height would pass 0.88.
    turn, narrow = math.radians(rng.uniform(-15, 15)), rng.uniform(0.86, 1.0)
    c, s = math.cos(turn), math.sin(turn)
    flip = -1.0 if rng.uniform() < 0.5 else 1.0
    matrix = np.array([[narrow, 0.0], [0.0, 1.0]]) @ np.array([[c, s], [-s, c]]) @ np.array([[flip, 0.0], [0.0, 1.0]])
    points = anatomy.extent() @ matrix
    low, high = points.min(axis=0), points.max(axis=0)
    scale = min(rng.uniform(0.66, 0.90) * side / (high[0] - low[0]), 0.88 * side / (high[1] - low[1]))
    room = side * 0.96 - scale * (high - low)
    offset = side * 0.02 + rng.uniform(0, 1, 2) * np.maximum(room, 0.0) - scale * low
    return Placement(matrix * scale, offset)


def _individual(rng: np.random.Generator, species: Species) -> Species:
    """Give the genus's plumage this individual's brightness and hue."""
    bright, tint = rng.uniform(0.80, 1.20), rng.normal(0.0, 0.06, 3)
    own = rng.normal(1.0, 0.05, 4)

    def change(colour: Colour, factor: float) -> Colour:
        r, g, b = np.clip(np.array(colour) * (bright * factor) * (1 + tint), 0, 250).astype(int).tolist()
        return r, g, b

    old = species.genus.plumage
    plumage = Plumage(
        back=change(old.back, own[0]),
        wing=change(old.wing, own[1]),
        head=change(old.head, own[2]),
        belly=change(old.belly, own[3]),
    )
    return replace(species, genus=replace(species.genus, plumage=plumage))


def _rounded(
    pixels: NDArray[np.float32], bird: NDArray[np.bool_], anatomy: Anatomy, placement: Placement
) -> NDArray[np.float32]:
    """Shade the bird from its back to its belly, so that it looks round."""
    side = pixels.shape[0]
    inverse = np.linalg.inv(placement.matrix)
    x = (np.arange(side, dtype=np.float32) - placement.offset[0])[None, :]
    y = (np.arange(side, dtype=np.float32) - placement.offset[1])[:, None]
    down = x * inverse[0, 1] + y * inverse[1, 1]
    shade = np.clip(1.06 - 0.34 * down / max(anatomy.depth, 0.5), 0.80, 1.16).astype(np.float32)
    return pixels * np.where(bird, shade, np.float32(1.0))[:, :, None]


def _counts(labels: Image.Image) -> NDArray[np.int64]:
    """Count the pixels of every part, in the order of ``PARTS``."""
    return np.array(labels.histogram()[1 : len(PARTS) + 1])


def _keypoints(anatomy: Anatomy, placement: Placement, shown: NDArray[np.bool_], size: int) -> tuple[Keypoint, ...]:
    leg, _ = anatomy.leg(near=True)
    places = {
        "bill": anatomy.bill.point(0.5, 0.0),
        "crown": anatomy.head.point(-0.10, -0.75),
        "eye ring": anatomy.head.point(0.32, -0.06),
        "throat": anatomy.head.point(0.42, 0.75),
        "breast": anatomy.chest.point(0.48, 0.5),
        "wing bar": anatomy.wing.point(-0.40, -0.02),
        "rump": anatomy.body.point(-0.80, -0.42),
        "tail": anatomy.tail.point(0.6, 0.0),
        "legs": (float(leg[:, 0].mean()), float(leg[:, 1].mean())),
        "head": anatomy.head.point(-0.30, 0.15),
        "wing": anatomy.wing.point(-1.0, 0.15),
        "body": anatomy.body.point(0.05, -0.70),
    }
    found = []
    for part, seen in zip(PARTS, shown, strict=True):
        x, y = placement.pixels(np.array([places[part]]))[0]
        inside = 0 <= x <= size - 1 and 0 <= y <= size - 1
        found.append(Keypoint(part, round(float(x), 2), round(float(y), 2), bool(seen and inside)))
    return tuple(found)


def _box(mask: NDArray[np.uint8], keypoints: tuple[Keypoint, ...]) -> tuple[float, float, float, float]:
    """Return the box of everything visible; a visible part's keypoint is never outside it."""
    rows, columns = np.nonzero(mask)
    shown = [point for point in keypoints if point.visible]
    xs = [*(columns.min(), columns.max() + 1), *(point.x for point in shown)]
    ys = [*(rows.min(), rows.max() + 1), *(point.y for point in shown)]
    left, top = float(math.floor(min(xs))), float(math.floor(min(ys)))
    return left, top, math.ceil(max(xs)) - left, math.ceil(max(ys)) - top
