"""The frozen records that all layers share. Nothing here imports torch."""

from collections.abc import Callable
from dataclasses import dataclass

#: Called as ``progress(done, total)`` while something long runs.
Progress = Callable[[int, int], None]

#: How a picture is made square: padded whole, stretched, or cut at the centre.
FITS = ("pad", "stretch", "crop")

#: The neutral fill of padding: ImageNet's mean colour, so padding is near zero after normalising.
NEUTRAL_FILL = (124, 116, 104)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a decoded picture becomes the input of a network.

    Attributes:
        resolution: side of the square input in pixels.
        mean: mean per RGB channel on the 0..1 scale, subtracted first.
        std: standard deviation per RGB channel on the 0..1 scale, divided by second.
        fit: one of ``FITS``; ``"pad"`` keeps the whole picture and its aspect ratio.
        fill: RGB colour (0..255) of the padding.
    """

    resolution: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    fit: str = "pad"
    fill: tuple[int, int, int] = NEUTRAL_FILL


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row whose picture can't be used, and why.

    Attributes:
        id: the row's id in the table.
        path: the picture's path as the table gives it.
        reason: what is wrong with it, in words.
    """

    id: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a predictor says of one picture.

    Attributes:
        source: the path or name of the picture.
        label: the most probable class; ``None`` where the picture is broken.
        probability: calibrated probability of ``label`` in 0..1.
        top: the most probable classes with their probabilities, best first.
        lineage: the names of ``label``'s ranks, coarse to fine; empty where there is no lineage.
        error: why there is no prediction; ``None`` where there is one.
    """

    source: str
    label: str | None
    probability: float | None
    top: tuple[tuple[str, float], ...] = ()
    lineage: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Leak:
    """Two rows on different sides of a split that show the same picture or share a group.

    Attributes:
        kind: ``"exact"`` (same pixels), ``"near"`` (almost the same picture) or ``"group"``.
        first: id of the row in ``first_split``.
        second: id of the row in ``second_split``.
        first_split: split of the first row.
        second_split: split of the second row.
    """

    kind: str
    first: str
    second: str
    first_split: str
    second_split: str


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval: shares in 0..1, other figures in their own unit."""

    value: float
    low: float
    high: float
