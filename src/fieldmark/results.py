"""What an evaluation found: frozen records that evaluation writes as JSON and report reads, without torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldmark.errors import DataError
from fieldmark.record_files import RecordFormat, save_text
from fieldmark.records import BrokenRow, Interval, Leak

#: Where a run keeps its evaluation, seen from the run's folder.
RESULT_FILE = "evaluation.json"
PICTURE_FOLDER = "evaluation"

_FORMAT = RecordFormat(1, "The evaluation", "Evaluate the run again: fieldmark evaluate RUN.")

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Picture:
    """One evaluated picture, with a thumbnail.

    Attributes:
        id: the row's id in the table.
        path: the picture's path as the table gives it.
        label: its true class; ``None`` where it has none.
        predicted: the class it was called; ``None`` where it was not predicted.
        probability: the predictor's probability of ``predicted``, in 0..1.
        file: the thumbnail's place, seen from the run's folder; empty where there is none.
    """

    id: str
    path: str
    label: str | None = None
    predicted: str | None = None
    probability: float | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class ClassResult:
    """The scores of one class, each in 0..1; ``None`` where there is nothing to count.

    Attributes:
        name: the class.
        support: its number of evaluated pictures.
        recall: share of them that were called so.
        precision: share of the pictures called so that are so.
        f1: harmonic mean of the two.
        confused_with: the class it is most often taken for; ``None`` where it never is.
        confused_count: how often it is taken for it.
    """

    name: str
    support: int
    recall: float | None
    precision: float | None
    f1: float | None
    confused_with: str | None = None
    confused_count: int = 0


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Two classes that are taken for each other; ``first`` is the one more often taken for the other.

    Attributes:
        first: a class.
        second: a class.
        first_as_second: pictures of ``first`` that were called ``second``.
        second_as_first: pictures of ``second`` that were called ``first``.
        first_support: all evaluated pictures of ``first``.
        second_support: all evaluated pictures of ``second``.
        rate: mistakes between the two as a share of the pictures of both, in 0..1.
        first_mistakes: some pictures of ``first`` that were called ``second``, the surest first.
        second_mistakes: some pictures of ``second`` that were called ``first``, the surest first.
        first_right: some pictures of ``first`` that were recognised.
        second_right: some pictures of ``second`` that were recognised.
    """

    first: str
    second: str
    first_as_second: int
    second_as_first: int
    first_support: int
    second_support: int
    rate: float
    first_mistakes: tuple[Picture, ...] = ()
    second_mistakes: tuple[Picture, ...] = ()
    first_right: tuple[Picture, ...] = ()
    second_right: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class LeakPair:
    """A leak with the thumbnails of its two pictures; ``first`` is the one outside the evaluated split."""

    kind: str
    first_split: str
    second_split: str
    first: Picture
    second: Picture


@dataclass(frozen=True, slots=True)
class RankDecisions:
    """What deciding came to at one rank.

    Attributes:
        name: the rank.
        threshold: smallest probability with which a name of it is given; ``None`` where none is.
        named: share of all pictures that got a name of this rank, and of none deeper, in 0..1.
        right: share of these names that are right, in 0..1; ``None`` where there are none.
    """

    name: str
    threshold: float | None
    named: float
    right: float | None


@dataclass(frozen=True, slots=True)
class FlagDecisions:
    """What flagging one class came to.

    Attributes:
        name: the class.
        threshold: smallest probability that flags it.
        chosen_for: what the threshold was chosen for, in words.
        sensitivity: share of its pictures that were flagged, in 0..1; ``None`` where there are none.
        specificity: share of the others that were not, in 0..1; ``None`` where there are none.
    """

    name: str
    threshold: float
    chosen_for: str
    sensitivity: float | None
    specificity: float | None


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """How far the decisions of a bundle's rule held on the evaluated pictures, all of known classes.

    Attributes:
        promised_coverage: share of sets that shall hold the true class, in 0..1.
        coverage: share that did.
        class_gap: mean over the classes of how far their own coverage is from the promised one, either way, in 0..1
            (Ding et al., NeurIPS 2023, section 3); even of sets that keep the promise class by class it is some points,
            where a class has few pictures.
        worst_class: the class that is covered least.
        worst_coverage: its coverage.
        mean_size: mean number of candidates.
        single: share of sets of one candidate.
        promised_rejected: share of pictures that were to be called unknown.
        rejected: share that was.
        score: how novelty is scored.
        promised_precision: share of the names given that shall be right, in 0..1.
        precision: share that is; ``None`` where no name was given.
        ranks: what came of each rank, coarse to fine.
        unnamed: share of pictures that got no name at any rank.
        mean_depth: mean number of ranks that were named of each picture, as a share of all ranks.
        flags: what flagging single classes came to.
        fitted_on: the rows that the rule was fitted on, in words.
    """

    promised_coverage: float
    coverage: float
    class_gap: float
    worst_class: str
    worst_coverage: float
    mean_size: float
    single: float
    promised_rejected: float
    rejected: float
    score: str
    promised_precision: float
    precision: float | None
    ranks: tuple[RankDecisions, ...]
    unnamed: float
    mean_depth: float
    flags: tuple[FlagDecisions, ...]
    fitted_on: str


@dataclass(frozen=True, slots=True)
class LeastRisk:
    """What deciding for the class of least expected cost, in ranks, gives in place of the most probable class.

    Attributes:
        top1: share recognised so, in 0..1.
        of_mistakes: mean height at which the mistakes' truth and prediction meet; ``None`` where there are none.
        of_all: the same over all pictures, what is right counting 0.
    """

    top1: float
    of_mistakes: float | None
    of_all: float


@dataclass(frozen=True, slots=True)
class MistakeSeverity:
    """How bad the mistakes are: the height, in ranks, of the lowest common ancestor of truth and prediction.

    Attributes:
        root: the height of classes that share no rank: the number of ranks.
        of_mistakes: mean over the mistakes, at least 1; ``None`` where there are none.
        of_all: mean over all pictures, what is right counting 0.
        of_top5: mean over the five most probable classes of every picture.
        least_risk: the same of another decision, from the same probabilities.
    """

    root: int
    of_mistakes: float | None
    of_all: float
    of_top5: float
    least_risk: LeastRisk


@dataclass(frozen=True, slots=True)
class EvalResult:
    """What an evaluation found.

    Attributes:
        fingerprint: fingerprint of the data, as ``Table.fingerprint`` gives it.
        split: the evaluated split.
        n: number of evaluated pictures.
        classes: the class names, in the order of the bundle.
        top1: share recognised at the first guess, in 0..1.
        top5: share recognised within five guesses, in 0..1.
        macro_recall: mean recall over the classes that occur, in 0..1.
        nll: mean negative log likelihood, in nats.
        ece: expected calibration error, in 0..1.
        accuracy_by_rank: rank name → accuracy in 0..1, coarse to fine.
        intervals: ``"top1"`` and ``"macro_recall"`` → 95 % bootstrap interval, grouped where the data has groups.
        leaks: pairs of pictures on both sides of the evaluated split, all of them.
        leak_counts: kind of leak → number of pairs.
        top1_without_leaks: ``top1`` over the pictures that are in no leak; ``None`` where none is left.
        per_class: one entry per class.
        confusion: (truth, predicted, count) by class index, zeros left out.
        pairs: the most confused pairs, most mistakes first.
        worst_mistakes: mistakes with the highest probability, the surest first.
        leak_pictures: some leaks with their pictures.
        recognised: some pictures that were recognised.
        broken: rows of the split that could not be evaluated, and files that could not become rows.
        resolution: side in pixels of the square input.
        weights: the weights that training started from; ``None`` where the bundle does not say.
        seeds: what was drawn at random → its seed.
        cpu_hours: processor hours that training took; ``None`` where the bundle does not say.
        training: the training options, as the bundle tells them.
        fieldmark_version: the version that evaluated.
        evaluated_at: when, as ISO 8601 in UTC.
        warnings: what to bear in mind when reading the figures.
        decisions: how far the bundle's decisions held; ``None`` where it has no rule.
        severity: how bad the mistakes are; ``None`` where the lineage has one rank only.
    """

    fingerprint: str
    split: str
    n: int
    classes: tuple[str, ...]
    top1: float
    top5: float
    macro_recall: float
    nll: float
    ece: float
    accuracy_by_rank: Mapping[str, float]
    intervals: Mapping[str, Interval]
    per_class: tuple[ClassResult, ...]
    confusion: tuple[tuple[int, int, int], ...]
    resolution: int
    fieldmark_version: str
    evaluated_at: str
    leaks: tuple[Leak, ...] = ()
    leak_counts: Mapping[str, int] = field(default_factory=dict)
    top1_without_leaks: float | None = None
    pairs: tuple[ConfusedPair, ...] = ()
    worst_mistakes: tuple[Picture, ...] = ()
    leak_pictures: tuple[LeakPair, ...] = ()
    recognised: tuple[Picture, ...] = ()
    broken: tuple[BrokenRow, ...] = ()
    weights: str | None = None
    seeds: Mapping[str, int] = field(default_factory=dict)
    cpu_hours: float | None = None
    training: Mapping[str, Scalar] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    decisions: DecisionResult | None = None
    severity: MistakeSeverity | None = None

    def to_json(self) -> str:
        """Return the result as JSON with sorted keys; ``from_json`` gives it back.

        Raises:
            ValueError: a figure is infinite or no number.
        """
        return _FORMAT.to_json(
            self, rank_names=list(self.accuracy_by_rank)
        )  # sorted by name, their order would be lost

    @staticmethod
    def from_json(text: str) -> "EvalResult":
        """Read a result that ``to_json`` wrote.

        Raises:
            DataError: it isn't such a result, or another version's.
        """
        return _FORMAT.from_json(EvalResult, text, _in_order)

    def save(self, run: Path) -> Path:
        """Write the result into a run's folder, atomically, and return the file."""
        return save_text(run / RESULT_FILE, self.to_json())

    @staticmethod
    def load(run: Path) -> "EvalResult":
        """Read the result in a run's folder.

        Raises:
            DataError: the run was not evaluated, or its result can't be read.
        """
        path = run / RESULT_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"{path} can't be read: {error.strerror}.",
                f"Evaluate the run first: fieldmark evaluate {run}.",
            ) from error
        return EvalResult.from_json(text)


def finite(value: float) -> float | None:
    """Return a figure, or ``None`` where it is infinite or no number: JSON holds neither."""
    return float(value) if math.isfinite(value) else None


def _in_order(data: dict[str, Any]) -> dict[str, Any]:
    """Bring the ranks, sorted by name in the file, back into their order."""
    ranks, order = data["accuracy_by_rank"], data.pop("rank_names")
    return {**data, "accuracy_by_rank": {name: ranks[name] for name in order}}
