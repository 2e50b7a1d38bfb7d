"""The frozen records that all layers share. Nothing here imports torch."""

from collections.abc import Callable
from dataclasses import dataclass

#: Called as ``progress(done, total)`` while something long runs.
Progress = Callable[[int, int], None]

#: A place on a picture: left, top, width, height.
Box = tuple[float, float, float, float]

#: How a picture is made square: padded whole, stretched, or cut at the centre.
FITS = ("pad", "stretch", "crop")

#: The neutral fill of padding: ImageNet's mean colour, so padding is near zero after normalising.
NEUTRAL_FILL = (124, 116, 104)


#: The kinds of occluders that robustness is measured with, and trained; ``augment.occluders`` draws them.
OCCLUDER_NAMES = ("grey", "noise", "texture", "leaves", "superpixels")


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
class PartShare:
    """What one part of a picture says for its label.

    Attributes:
        name: the part's name.
        presence: how surely it is in the picture, in 0..1.
        evidence: log-odds that it gives the label, less the mean of what it gives all classes.
    """

    name: str
    presence: float
    evidence: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What may be relied on of one picture's scores; a bundle without a decision rule gives none.

    Attributes:
        known: whether the picture shows one of the classes, as far as can be told; ``False`` is "none that I know".
        novelty: how little the picture is like those of the known classes; above the rule's threshold, it is unknown.
        candidates: the conformal set, which holds the true class as often as the rule's coverage says; most probable
            first, never empty. The most probable class is missing where its pictures are usually surer than this one.
        rank: the deepest rank of the lineage that is certain enough; ``None`` where none is.
        name: what is certain at that rank, such as a genus; ``None`` where nothing is.
        confidence: probability of ``name``, in 0..1; ``None`` where nothing is certain.
        flagged: classes that matter more than others and are probable enough to look twice, by their operating points.
    """

    known: bool
    novelty: float
    candidates: tuple[str, ...]
    rank: str | None = None
    name: str | None = None
    confidence: float | None = None
    flagged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a predictor says of one picture.

    Attributes:
        source: the path or name of the picture.
        label: the most probable class; ``None`` where the picture is broken.
        probability: calibrated probability of ``label`` in 0..1.
        top: the most probable classes with their probabilities, best first.
        lineage: the names of ``label``'s ranks, coarse to fine; empty where there is no lineage.
        evidence: what each part says for ``label``, in the order of the bundle's parts.
        decision: what may be relied on; ``None`` where the bundle holds no decision rule.
        error: why there is no prediction; ``None`` where there is one.
    """

    source: str
    label: str | None
    probability: float | None
    top: tuple[tuple[str, float], ...] = ()
    lineage: tuple[str, ...] = ()
    evidence: tuple[PartShare, ...] = ()
    decision: Decision | None = None
    error: str | None = None

    @property
    def answer(self) -> str | None:
        """What may be said of the picture in a few words.

        It is the name that is certain enough, such as a species or its genus, ``"unknown (nearest: X)"``, or
        ``"uncertain (nearest: X)"`` where the class may be known but no name is certain; ``None`` without a decision.
        """
        if self.decision is None:
            return None
        if not self.decision.known:
            return f"unknown (nearest: {self.label})"
        return self.decision.name or f"uncertain (nearest: {self.label})"


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
