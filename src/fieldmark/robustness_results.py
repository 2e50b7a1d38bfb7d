"""What occlusion and bad light do to a recogniser: frozen records that evaluation writes as JSON and report reads."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldmark.errors import DataError
from fieldmark.record_files import RecordFormat, save_text
from fieldmark.records import Interval

#: Where a run keeps its robustness, seen from the run's folder.
RESULT_FILE = "robustness.json"
PICTURE_FOLDER = "robustness"

_CURE = "Measure the run again: fieldmark evaluate RUN --robustness."
_FORMAT = RecordFormat(1, "The robustness", _CURE)


@dataclass(frozen=True, slots=True)
class OcclusionCurve:
    """Accuracy while one kind of occluder covers more and more of the object.

    Attributes:
        occluder: a name in ``records.OCCLUDER_NAMES``.
        trained: whether training covered pictures with this kind.
        accuracy: at each of the result's fractions, in 0..1.
        auc: accuracy averaged over the fractions by the trapezoid rule, in points (0..100), with its interval.
    """

    occluder: str
    trained: bool
    accuracy: tuple[float, ...]
    auc: Interval


@dataclass(frozen=True, slots=True)
class LightScores:
    """Accuracy in one kind of light.

    Attributes:
        kind: what changes, such as ``"gamma"``.
        unit: what a level is, in words.
        trained: whether training changed this kind.
        levels: what was measured.
        accuracy: at each level, in 0..1.
        degradation: share of the clean accuracy that is lost on average over the levels; ``None`` where that is 0.
    """

    kind: str
    unit: str
    trained: bool
    levels: tuple[float, ...]
    accuracy: tuple[float, ...]
    degradation: float | None

    @property
    def mean(self) -> float:
        """Mean accuracy over the levels, in 0..1."""
        return statistics.mean(self.accuracy)


@dataclass(frozen=True, slots=True)
class HiddenPart:
    """What hiding one part costs, beside hiding as much elsewhere on the same pictures.

    Attributes:
        name: the part.
        source: ``"annotated"`` (a disc around a keypoint) or ``"discovered"`` (the region of a part of the recogniser).
        n: pictures in which the part is seen and there is room for as much elsewhere.
        area: mean share of the object's box that is covered, in 0..1; more than 1 where a region is larger.
        clean: accuracy on those pictures as they are, in 0..1.
        hidden: with the part covered.
        elsewhere: with the same shape covered elsewhere.
    """

    name: str
    source: str
    n: int
    area: float
    clean: float
    hidden: float
    elsewhere: float


@dataclass(frozen=True, slots=True)
class CorruptedPicture:
    """One picture as a corruption leaves it.

    Attributes:
        group: ``"occlusion"``, ``"light"`` or ``"part"``.
        kind: the occluder, the kind of light or the part.
        level: how much, in words.
        predicted: the class that it was called.
        right: whether that is the truth.
        file: the picture's place, seen from the run's folder.
    """

    group: str
    kind: str
    level: str
    predicted: str
    right: bool
    file: str


@dataclass(frozen=True, slots=True)
class RobustnessResult:
    """What occlusion and bad light do to a recogniser.

    Attributes:
        fingerprint: fingerprint of the data, as ``Table.fingerprint`` gives it.
        split: the evaluated split.
        n: number of pictures, and
        available: of how many they were chosen, the same number of each class as far as there are.
        boxes: share of the pictures whose object has a box, in 0..1; of the others the whole picture is covered.
        clean: accuracy on these pictures as they are, with its interval, in 0..1.
        fractions: shares of the box that are covered.
        curves: one for each occluder.
        lights: one for each kind of light.
        parts: what hiding each part costs, the dearest first; empty where no part is known.
        resolution: side in pixels of the square input.
        seed: of occluders, shadows, places elsewhere, the choice of pictures and the bootstrap.
        fieldmark_version: the version that evaluated.
        evaluated_at: when, as ISO 8601 in UTC.
        label: the true class of the pictures shown; ``None`` where none is.
        examples: one picture in each corruption.
    """

    fingerprint: str
    split: str
    n: int
    available: int
    boxes: float
    clean: Interval
    fractions: tuple[float, ...]
    curves: tuple[OcclusionCurve, ...]
    lights: tuple[LightScores, ...]
    parts: tuple[HiddenPart, ...]
    resolution: int
    seed: int
    fieldmark_version: str
    evaluated_at: str
    label: str | None = None
    examples: tuple[CorruptedPicture, ...] = ()

    @property
    def auc(self) -> float:
        """Mean area over all occluders, in points."""
        return _auc(self.curves)

    @property
    def unseen_auc(self) -> float | None:
        """Mean area over the occluders that training never used, in points; ``None`` where it used all."""
        unseen = [curve for curve in self.curves if not curve.trained]
        return _auc(unseen) if unseen else None

    @property
    def light_accuracy(self) -> float:
        """Mean accuracy over the kinds of light, in 0..1."""
        return statistics.mean(light.mean for light in self.lights)

    @property
    def light_degradation(self) -> float | None:
        """Share of the clean accuracy that bad light takes on average; ``None`` where that is 0."""
        return 1 - self.light_accuracy / self.clean.value if self.clean.value else None

    def to_json(self) -> str:
        """Return the result as JSON with sorted keys; ``from_json`` gives it back.

        Raises:
            ValueError: a figure is infinite or no number.
        """
        return _FORMAT.to_json(self)

    @staticmethod
    def from_json(text: str) -> "RobustnessResult":
        """Read a result that ``to_json`` wrote.

        Raises:
            DataError: it isn't such a result, or another version's.
        """
        return _FORMAT.from_json(RobustnessResult, text)

    def save(self, run: Path) -> Path:
        """Write the result into a run's folder, atomically, and return the file."""
        return save_text(run / RESULT_FILE, self.to_json())

    @staticmethod
    def load(run: Path) -> "RobustnessResult":
        """Read the result in a run's folder.

        Raises:
            DataError: the run's robustness was not measured, or can't be read.
        """
        path = run / RESULT_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(f"{path} can't be read: {error.strerror}.", _CURE) from error
        return RobustnessResult.from_json(text)


def _auc(curves: Sequence[OcclusionCurve]) -> float:
    return statistics.mean(curve.auc.value for curve in curves)
