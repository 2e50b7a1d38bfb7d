"""What a pretraining came to: frozen records that evaluation writes as JSON and report reads, without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fieldmark.errors import DataError
from fieldmark.record_files import RecordFormat, save_text
from fieldmark.records import BrokenRow, Interval

#: Where a run keeps it, seen from the run's folder.
RESULT_FILE = "pretraining.json"

#: The pictures that ``Reconstruction.file`` names, seen from the run's folder.
RECONSTRUCTIONS = "reconstructions"

_FORMAT = RecordFormat(1, "The result of the pretraining", "Pretrain again.")

#: What may be predicted without anything learned on other data having a part in it.
OWN_TARGETS = ("none", "fieldmark:gradients")

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ProbeScore:
    """How well classes can be read from frozen features.

    Attributes:
        features: whose they are: ``"pretrained"``, ``"pca"`` (of the raw input), ``"untrained"`` (the same network
            with random weights), ``"imagenet"`` (a network trained on ImageNet) or ``"tfidf"`` (of texts).
        probe: how they are read: ``"knn"``, ``"linear"``, ``"attention"`` or ``"svm"``.
        dim: entries of one feature vector, or channels of a feature map.
        accuracy: share of the evaluated rows whose class is found, in 0..1.
        macro_recall: mean recall of the classes, in 0..1.
        interval: 95 % bootstrap interval of the accuracy.
    """

    features: str
    probe: str
    dim: int
    accuracy: float
    macro_recall: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class OutlierScore:
    """How well the reconstruction error tells classes that were never shown.

    Attributes:
        held_out: the classes that were left out of the pretraining.
        auroc: probability that a sample of theirs has the higher error than one of the others, in 0..1.
        known: samples of the other classes, none of them trained on.
        unknown: samples of the held-out classes.
    """

    held_out: tuple[str, ...]
    auroc: float
    known: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """One sample that was not trained on, what the network was shown of it and what it made of it.

    Attributes:
        id: the row's id in the table.
        label: its class; ``None`` where it has none.
        error: its reconstruction error, in the unit of the autoencoder's loss.
        file: a picture of input, shown and rebuilt side by side (three panels of equal width; for sounds their
            spectrograms below each other), seen from the run's folder; empty for texts.
        text: the text that went in; empty for pictures and sounds.
        rebuilt: the text that came out; empty for pictures and sounds.
    """

    id: str
    label: str | None
    error: float
    file: str = ""
    text: str = ""
    rebuilt: str = ""


@dataclass(frozen=True, slots=True)
class PretrainingResult:
    """What a pretraining came to.

    Attributes:
        autoencoder: its kind, such as ``"masked_conv"``.
        modality: ``"pictures"``, ``"sounds"`` or ``"texts"``.
        fingerprint: fingerprint of the data, as ``Table.fingerprint`` gives it.
        rows: samples it was trained on.
        unlabelled: how many of them have no label.
        epochs: passes over them.
        test_error: mean reconstruction error of the test split; ``None`` where there is none.
        probes: how well classes can be read from its features and from what to compare them with.
        probe_train: labelled rows that the probes learned from.
        probe_split: the split that the probes were measured on; empty where there are no labels.
        probe_rows: rows of that split.
        probe_classes: classes among them.
        outliers: ``None`` where no class was held out.
        token_accuracy: share of tokens that are written right from the code alone, in 0..1; of texts only.
        reconstructions: some samples that were not trained on.
        weights: what the weights began with; ``"none"`` is from scratch.
        feature_target: whose features it learned to predict too; ``"none"`` for none.
        seed: of everything drawn at random.
        cpu_hours: processor hours that the training took.
        training: the training options.
        broken: rows that were left out, with the reason.
        fieldmark_version: the version that evaluated.
        evaluated_at: when, as ISO 8601 in UTC.
        warnings: what to bear in mind when reading the figures.
    """

    autoencoder: str
    modality: str
    fingerprint: str
    rows: int
    unlabelled: int
    epochs: int
    test_error: float | None
    probes: tuple[ProbeScore, ...]
    probe_train: int
    probe_split: str
    probe_rows: int
    probe_classes: int
    outliers: OutlierScore | None
    token_accuracy: float | None
    reconstructions: tuple[Reconstruction, ...]
    weights: str
    feature_target: str
    seed: int
    cpu_hours: float | None
    fieldmark_version: str
    evaluated_at: str
    training: Mapping[str, Scalar] = field(default_factory=dict)
    broken: tuple[BrokenRow, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the result as JSON with sorted keys; ``from_json`` gives it back.

        Raises:
            ValueError: a figure is infinite or no number.
        """
        return _FORMAT.to_json(self)

    @staticmethod
    def from_json(text: str) -> "PretrainingResult":
        """Read a result that ``to_json`` wrote.

        Raises:
            DataError: it isn't such a result, or another version's.
        """
        return _FORMAT.from_json(PretrainingResult, text)

    def save(self, run: Path) -> Path:
        """Write the result into a run's folder, atomically, and return the file."""
        return save_text(run / RESULT_FILE, self.to_json())

    @staticmethod
    def load(run: Path) -> "PretrainingResult":
        """Read the result in a run's folder.

        Raises:
            DataError: the run was not pretrained to its end, or its result can't be read.
        """
        path = run / RESULT_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"{path} can't be read: {error.strerror}.", "Finish the pretraining: fieldmark pretrain ... --resume."
            ) from error
        return PretrainingResult.from_json(text)
