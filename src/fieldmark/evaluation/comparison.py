"""Probe scores of pretrained features, and of what they are to be compared with."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from fieldmark import metrics
from fieldmark.data.table import Table
from fieldmark.evaluation.features import Features, extract_features
from fieldmark.evaluation.probes import MAP_PROBES, VECTOR_PROBES, tfidf_svm
from fieldmark.evaluation.probes.folds import stratified_sample
from fieldmark.evaluation.raw_input import pca_features
from fieldmark.evaluation.reference_networks import (
    PretrainedBackbone,
    pretrained_encoder,
    untrained_autoencoder,
    with_statistics,
)
from fieldmark.models.autoencoders import Autoencoder
from fieldmark.models.autoencoders.saved import AutoencoderInfo
from fieldmark.pretraining_results import ProbeScore
from fieldmark.training.pretrain_inputs import Inputs

#: Labelled rows that probes learn from, and that they are measured on, at most.
MAX_ROWS = 10_000

#: Training samples that the batch norms of the untrained network see.
_NORM_SAMPLES = 2048
_NORM_BATCH = 64


@dataclass(frozen=True)
class Labelled:
    """Some labelled rows.

    Attributes:
        places: (N,) places in the table.
        labels: (N,) class indices.
        groups: the N rows' groups.
    """

    places: NDArray[np.int64]
    labels: NDArray[np.int64]
    groups: list[str | None]

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True)
class ProbeRows:
    """The rows of a comparison.

    Attributes:
        train: what the probes learn from, and choose by.
        evaluated: what they are measured on, once.
        split: the split of ``evaluated``.
        warnings: what to bear in mind because of them.
    """

    train: Labelled
    evaluated: Labelled
    split: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        autoencoder: the pretrained network.
        info: all else that is saved with it.
        inputs: what it is given.
        seed: of everything drawn at random.
    """

    autoencoder: Autoencoder
    info: AutoencoderInfo
    inputs: Inputs
    seed: int


def choose_probe_rows(table: Table, seed: int) -> ProbeRows | None:
    """Choose labelled rows: of training to learn from, of test to measure on; of val where test has none.

    Of more than ``MAX_ROWS`` a sample is drawn, every class by its share.

    Returns:
        The rows; ``None`` where training has fewer than two classes, or neither test nor val has labelled rows.
    """
    all_train = _labelled(table, "train")
    split = next((name for name in ("test", "val") if len(_labelled(table, name))), "")
    if not split or len(np.unique(all_train.labels)) < 2:
        return None
    all_evaluated = _labelled(table, split)
    train, evaluated = (_sample(rows, seed) for rows in (all_train, all_evaluated))
    warnings = []
    if split == "val":
        warnings.append("There are no labelled test rows: the probes were measured on the validation split.")
    for rows, everything, deed in ((train, all_train, "learned from"), (evaluated, all_evaluated, "were measured on")):
        if len(rows) < len(everything):
            warnings.append(f"The probes {deed} {len(rows):,} of {len(everything):,} rows, drawn by class.")
    strange = len(np.setdiff1d(evaluated.labels, train.labels))
    if strange:
        warnings.append(f"{strange} of the evaluated classes have no training row, so no probe can find them.")
    return ProbeRows(train, evaluated, split, tuple(warnings))


def count_sources(baseline: PretrainedBackbone | None) -> int:
    """Return of how many features ``compare_features`` computes scores."""
    return 3 + (baseline is not None)


def compare_features(
    subject: Subject, rows: ProbeRows, baseline: PretrainedBackbone | None, advance: Callable[[], None]
) -> Iterator[ProbeScore]:
    """Yield the scores of the pretrained features and of their baselines, all read by the same probes.

    The baselines are principal components of the input (of texts: counted words), the same network with random
    weights, and ``baseline``.

    Args:
        subject: what is evaluated.
        rows: what the probes learn from and are measured on.
        baseline: a further network of pictures.
        advance: called when the features of one kind, ``count_sources`` in all, are done.

    Raises:
        ModelError, ConfigError: ``baseline`` can't be had, or the autoencoder takes no pictures.
        BundleError: features that are no numbers.
    """
    autoencoder, inputs, kind = subject.autoencoder, subject.inputs, subject.autoencoder.input_kind
    places = np.concatenate([rows.train.places, rows.evaluated.places])
    further = None if baseline is None else pretrained_encoder(baseline, subject.info, kind)  # fail before the work
    settled = with_statistics(autoencoder, _norm_batches(subject, rows))
    features = extract_features(settled.encode, inputs, places)
    shape = features.shape
    yield from _read("pretrained", features, rows, subject.seed)
    del features  # maps are large: one kind of them at a time
    advance()
    if kind == "tokens":
        yield _read_texts(inputs.table, rows, subject.seed)
    else:
        components = pca_features(inputs, kind, rows.train.places, rows.evaluated.places, shape, subject.seed)
        yield from _read("pca", components, rows, subject.seed)
        del components
    advance()
    untrained = untrained_autoencoder(subject.info.spec, _norm_batches(subject, rows), subject.seed)
    yield from _read("untrained", extract_features(untrained.encode, inputs, places), rows, subject.seed)
    advance()
    if baseline is not None and further is not None:
        yield from _read(baseline.name, extract_features(further, inputs, places), rows, subject.seed)
        advance()


def score(
    features: str, probe: str, dim: int, predicted: NDArray[np.int64], evaluated: Labelled, seed: int
) -> ProbeScore:
    """Measure predicted class indices (M,) of the evaluated rows."""
    correct = predicted == evaluated.labels
    return ProbeScore(
        features=features,
        probe=probe,
        dim=dim,
        accuracy=float(correct.mean()),
        macro_recall=metrics.macro_recall(evaluated.labels, predicted),
        interval=metrics.accuracy_interval(correct, groups=evaluated.groups, seed=seed),
    )


def _read(name: str, features: Features, rows: ProbeRows, seed: int) -> Iterator[ProbeScore]:
    readings = [(probe, read, features.vectors) for probe, read in VECTOR_PROBES.items()]
    if features.maps is not None and features.maps[0, 0].size > 1:
        readings += [(probe, read, features.maps) for probe, read in MAP_PROBES.items()]
    count = len(rows.train)
    for probe, read, values in readings:
        probabilities = read(
            values[:count], rows.train.labels, values[count:], groups=rows.train.groups, seed=seed
        )  # of the test features, whose labels the probe never sees
        yield score(name, probe, values.shape[1], probabilities.argmax(1), rows.evaluated, seed)


def _read_texts(table: Table, rows: ProbeRows, seed: int) -> ProbeScore:
    texts = table.frame["text"]
    known, unknown = (texts[part.places.tolist()].to_list() for part in (rows.train, rows.evaluated))
    predicted, dim = tfidf_svm(known, rows.train.labels, unknown, groups=rows.train.groups, seed=seed)
    return score("tfidf", "svm", dim, predicted, rows.evaluated, seed)


def _norm_batches(subject: Subject, rows: ProbeRows) -> Iterator[Tensor]:
    drawn = np.random.default_rng(subject.seed).permutation(rows.train.places)[:_NORM_SAMPLES]
    for start in range(0, len(drawn), _NORM_BATCH):
        yield subject.inputs.batch(drawn[start : start + _NORM_BATCH])


def _labelled(table: Table, split: str) -> Labelled:
    chosen = table.frame.select(((pl.col("split") == split) & pl.col("label").is_not_null()).fill_null(False))
    places = np.flatnonzero(chosen.to_series().to_numpy())
    return _rows_at(table, places)


def _rows_at(table: Table, places: NDArray[np.int64]) -> Labelled:
    rows: Sequence[int] = places.tolist()
    labels = table.label_indices()[rows].to_numpy().astype(np.int64)
    return Labelled(places, labels, table.frame["group"][rows].to_list())


def _sample(rows: Labelled, seed: int) -> Labelled:
    kept = stratified_sample(rows.labels, MAX_ROWS, seed)
    return Labelled(rows.places[kept], rows.labels[kept], [rows.groups[place] for place in kept])
