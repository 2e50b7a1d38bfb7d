"""The decision rule: every threshold that turns scores into decisions, as one record."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fieldmark.record_files import RecordFormat

_FORMAT = RecordFormat(1, "The decision rule", "Fit it again: fieldmark calibrate RUN.")


@dataclass(frozen=True, slots=True)
class MeasureScale:
    """How a measure of novelty is standardised.

    Attributes:
        measure: its name, in ``novelty.MEASURES``.
        mean: over held-out rows of known classes.
        deviation: standard deviation over them; above 0.
    """

    measure: str
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """From which probability on a class is flagged, whether or not it is the most probable one.

    Attributes:
        name: the class.
        threshold: smallest probability that flags it, in 0..1.
        sensitivity: share of its held-out pictures that are flagged, in 0..1; ``None`` where there were none.
        specificity: share of the other held-out pictures that are not, in 0..1; ``None`` where there were none.
        chosen_for: what it was chosen for, in words, such as ``"sensitivity 0.95"``.
    """

    name: str
    threshold: float
    sensitivity: float | None
    specificity: float | None
    chosen_for: str


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """Every threshold of a bundle's decisions; they hold for probabilities at the bundle's temperature.

    Attributes:
        coverage: share of pictures of known classes whose set holds the true class, in 0..1.
        set_score: how strange a class is for a picture, a name in ``conformal.SET_SCORES``.
        penalty: what each candidate beyond ``free_candidates`` adds to the score (RAPS' lambda).
        free_candidates: candidates without penalty (RAPS' k).
        class_thresholds: of every class, in the bundle's order, the largest score with which it is a candidate.
        thresholds_by: whom a threshold was fitted for, a name in ``conformal.THRESHOLDS``.
        score: how novelty is scored, a name in ``novelty.SCORES``.
        scales: the score's measures.
        neighbours: how many reference pictures are looked for, at least 1.
        novelty_threshold: a picture with more novelty is unknown.
        known_share: share of pictures of known classes that stay below it, in 0..1.
        precision: share of the names given at any rank that are right, in 0..1.
        rank_thresholds: rank → smallest probability with which its name is certain; ``None`` where none is enough.
        operating_points: of classes that matter more than others.
        rows: held-out rows that it was fitted on.
        source: which rows these were, in words, such as ``"split val"``.
    """

    coverage: float
    set_score: str
    penalty: float
    free_candidates: int
    class_thresholds: tuple[float, ...]
    thresholds_by: str
    score: str
    scales: tuple[MeasureScale, ...]
    neighbours: int
    novelty_threshold: float
    known_share: float
    precision: float
    rank_thresholds: Mapping[str, float | None]
    rows: int
    source: str
    operating_points: tuple[OperatingPoint, ...] = field(default=())

    def to_json(self) -> str:
        """Return the rule as JSON; ``from_json`` gives it back."""
        return _FORMAT.to_json(self)

    @staticmethod
    def from_json(text: str) -> "DecisionRule":
        """Read a rule that ``to_json`` wrote.

        Raises:
            DataError: it isn't such a rule, or another version's.
        """
        return _FORMAT.from_json(DecisionRule, text)
