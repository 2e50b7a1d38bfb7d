"""What several trainings that differ in their seed alone came to: saved as JSON, read by the report, without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.errors import DataError
from fieldmark.record_files import RecordFormat, save_text
from fieldmark.records import Interval

#: Where the folder of the trainings keeps the result.
SEEDS_FILE = "seeds.json"

_FORMAT = RecordFormat(1, "The evaluation of the seeds", "Evaluate them again: fieldmark evaluate FOLDER.")


@dataclass(frozen=True, slots=True)
class SeedFigure:
    """One figure of several trainings.

    Attributes:
        name: what was measured, such as ``"top1"``.
        share: whether it is a share in 0..1; otherwise it has its own unit.
        values: the figure of each training, in the order of the seeds.
        spread: their standard deviation, n - 1 in the denominator; ``None`` of one training.
        interval: their mean with its 95 % interval over trainings and pictures.
    """

    name: str
    share: bool
    values: tuple[float, ...]
    spread: float | None
    interval: Interval

    @property
    def mean(self) -> float:
        """The mean over the trainings."""
        return self.interval.value


@dataclass(frozen=True, slots=True)
class SeedsResult:
    """What the trainings came to together.

    Attributes:
        fingerprint: fingerprint of the data, as ``Table.fingerprint`` gives it.
        split: the evaluated split.
        n: number of evaluated pictures.
        seeds: the seed of each training.
        runs: each training's folder, seen from the folder of them all.
        figures: each figure of all trainings, ``top1`` first.
        bundle: the training whose bundle to use, one of ``runs``.
        bundle_reason: why that one, as a sentence.
        leaks: pairs of pictures on both sides of the evaluated split.
        training: the training options that all share, as the bundles tell them.
        resolution: side in pixels of the square input.
        weights: the weights that training started from; ``None`` where the bundles don't say.
        fieldmark_version: the version that evaluated.
        evaluated_at: when, as ISO 8601 in UTC.
        warnings: what to bear in mind when reading the figures.
    """

    fingerprint: str
    split: str
    n: int
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    figures: tuple[SeedFigure, ...]
    bundle: str
    bundle_reason: str
    leaks: int
    resolution: int
    fieldmark_version: str
    evaluated_at: str
    training: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    weights: str | None = None
    warnings: tuple[str, ...] = ()

    def figure(self, name: str) -> SeedFigure:
        """Return a figure by its name.

        Raises:
            KeyError: there is none of that name.
        """
        for entry in self.figures:
            if entry.name == name:
                return entry
        raise KeyError(name)

    def to_json(self) -> str:
        """Return the result as JSON with sorted keys; ``from_json`` gives it back.

        Raises:
            ValueError: a figure is infinite or no number.
        """
        return _FORMAT.to_json(self)

    @staticmethod
    def from_json(text: str) -> "SeedsResult":
        """Read a result that ``to_json`` wrote.

        Raises:
            DataError: it isn't such a result, or another version's.
        """
        return _FORMAT.from_json(SeedsResult, text)

    def save(self, folder: Path) -> Path:
        """Write the result into the folder of the trainings, atomically, and return the file."""
        return save_text(folder / SEEDS_FILE, self.to_json())

    @staticmethod
    def load(folder: Path) -> "SeedsResult":
        """Read the result in the folder of the trainings.

        Raises:
            DataError: the trainings were not evaluated together, or their result can't be read.
        """
        path = folder / SEEDS_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"{path} can't be read: {error.strerror}.", f"Evaluate the seeds first: fieldmark evaluate {folder}."
            ) from error
        return SeedsResult.from_json(text)
