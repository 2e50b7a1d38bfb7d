"""What a comparison of two runs on the same pictures found: a frozen record that is printed as JSON, without torch."""

from dataclasses import dataclass

from fieldmark.record_files import RecordFormat
from fieldmark.records import Interval

_FORMAT = RecordFormat(1, "The comparison", "Compare the runs again: fieldmark compare RUN_A RUN_B.")


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """One figure of both sides.

    Attributes:
        name: ``"top1"`` or ``"macro_recall"``.
        first: the first side's figure, the mean over its trainings, in 0..1.
        second: the second side's.
        difference: first less second, with its 95 % interval.
        p: of the test of the difference, two-sided.
        test: how ``p`` was found, in words.
        better: ``"first"``, ``"second"``, or ``"neither"`` where no difference was shown.
        words: what it means, as a sentence.
    """

    name: str
    first: float
    second: float
    difference: Interval
    p: float
    test: str
    better: str
    words: str


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two runs, or two folders of seeds, on the same pictures.

    Attributes:
        first: the first run's folder, as it was named.
        second: the second run's.
        fingerprint: fingerprint of the data, the same of both.
        split: the split that both were evaluated on.
        n: number of pictures.
        groups: number of groups that pictures were drawn by; ``None`` where the data have none.
        first_trainings: number of the first side's trainings.
        second_trainings: number of the second side's.
        only_first: pictures that the first alone gets right; ``None`` of more than one training a side.
        only_second: pictures that the second alone gets right; ``None`` of more than one training a side.
        figures: the figures that were compared.
        warnings: what to bear in mind when reading them.
    """

    first: str
    second: str
    fingerprint: str
    split: str
    n: int
    groups: int | None
    first_trainings: int
    second_trainings: int
    only_first: int | None
    only_second: int | None
    figures: tuple[FigureDifference, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the comparison as JSON with sorted keys; ``from_json`` gives it back."""
        return _FORMAT.to_json(self)

    @staticmethod
    def from_json(text: str) -> "RunComparison":
        """Read a comparison that ``to_json`` wrote.

        Raises:
            DataError: it isn't one, or another version's.
        """
        return _FORMAT.from_json(RunComparison, text)
