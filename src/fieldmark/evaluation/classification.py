"""Evaluation of a recogniser on one split: leaks first, then accuracy and what lies behind it."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.leaks import find_leaks
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.data.thumbnail_files import ThumbnailWriter
from fieldmark.decide import DecisionRule
from fieldmark.errors import DataError
from fieldmark.evaluation.decision_figures import measure_decisions
from fieldmark.evaluation.figures import listed, measure, warnings_for
from fieldmark.evaluation.leakage import leaks_from_training, leaks_of
from fieldmark.evaluation.outcome import PREDICTIONS_FILE, Outcome
from fieldmark.evaluation.pictures import (
    confused_pairs,
    leak_pairs,
    recognised,
    worst_mistakes,
)
from fieldmark.metrics import most_confused_pairs
from fieldmark.models.bundle import BundleInfo, record_results
from fieldmark.predict import load_predictor
from fieldmark.predict.contract import NetworkOutputs
from fieldmark.record_files import replace_folder
from fieldmark.records import BrokenRow, Decision, Leak, Progress
from fieldmark.results import PICTURE_FOLDER, EvalResult

#: Where training leaves the table of a run, seen from the run's folder.
_TABLE_FILE = "table.parquet"

#: Pictures handed to the predictor at once.
_CHUNK = 128


class ProbabilityPredictor(Protocol):
    """What evaluation asks of a predictor."""

    @property
    def info(self) -> BundleInfo:
        """The bundle it predicts with."""

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return (B, N) class probabilities of (B, R, R, 3) fitted pictures."""


@runtime_checkable
class DecidingPredictor(Protocol):
    """What evaluation asks of a predictor that may hold a decision rule."""

    @property
    def rule(self) -> DecisionRule | None:
        """The rule that it decides by."""

    def outputs(self, pixels: NDArray[np.uint8]) -> NetworkOutputs:
        """Return all that the network says of (B, R, R, 3) fitted pictures."""

    def calibrated(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities (B, N) of logits."""

    def decisions(self, found: NetworkOutputs) -> tuple[Decision | None, ...]:
        """Return what may be relied on of each of B pictures."""


def evaluate(
    run: Path | str,
    data: Path | str | None = None,
    *,
    split: str = "test",
    cache: Path | str,
    reader: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> EvalResult:
    """Evaluate a run and write evaluation.json and the folder evaluation/ into it.

    The main figures go into the bundle and its model card too, where the data are those of the run.

    Args:
        run: the run's folder, with its bundle.
        data: anything that ``read_table`` reads; by default the table that the run was trained on.
        split: the split whose labelled rows are evaluated.
        cache: folder of decoded pictures, shared by runs.
        reader: name of the reader of ``data``; by default the format is recognised.
        seed: of the bootstrap, of the pictures drawn at random, and of the splits where the data has none.
        progress: told how far caching, then predicting, has come.

    Raises:
        BundleError: the run has no bundle, or it can't be read.
        DataError: no such data, no labelled rows in the split, or classes that the bundle does not know.
    """
    run, cache = Path(run), Path(cache)
    predictor = load_predictor(run)
    table = table_of(run, data, reader=reader, seed=seed)
    trained = Table.load(run / _TABLE_FILE) if (run / _TABLE_FILE).is_file() else None
    result = evaluate_predictor(
        predictor, table, run, split=split, cache=cache, trained=trained, seed=seed, progress=progress
    )
    if data is None:
        measured = {"top1": result.top1, "top5": result.top5, "macro_recall": result.macro_recall}
        record_results(run, {f"{split} {name}": value for name, value in measured.items()})
    return result


def table_of(run: Path, data: Path | str | None, *, reader: str | None, seed: int) -> Table:
    """Read the data to evaluate on: those named, else those that the run was trained on.

    Args:
        run: the run's folder.
        data: anything that ``read_table`` reads; ``None`` takes the run's own.
        reader: name of the reader of ``data``; by default the format is recognised.
        seed: of the splits where the data has none.

    Raises:
        DataError: no such data, or the run does not say what it was trained on.
    """
    if data is not None:
        return read_table(data, reader=reader, seed=seed)
    if (run / _TABLE_FILE).is_file():
        return Table.load(run / _TABLE_FILE)
    raise DataError(
        f"{run} does not say which data it was trained on.",
        f"Name the data: fieldmark evaluate {run} DATA.",
    )


def evaluate_predictor(
    predictor: ProbabilityPredictor,
    table: Table,
    run: Path,
    *,
    split: str = "test",
    cache: Path,
    trained: Table | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> EvalResult:
    """Evaluate any predictor on a table, as ``evaluate`` does, and write the result into ``run``.

    Args:
        predictor: gives probabilities; its bundle names the classes and the preprocessing.
        table: all rows, those of the other splits too: leaks are looked for between them.
        run: the folder that the result is written into.
        split: the split whose labelled rows are evaluated.
        cache: folder of decoded pictures, shared by runs.
        trained: the table that the predictor was trained on, where ``table`` may be another; its training pictures
            are looked for among the evaluated ones.
        seed: of the bootstrap and of the pictures drawn at random.
        progress: told how far caching, then predicting, has come.

    Raises:
        DataError: no labelled rows in the split, or classes that the bundle does not know.
    """
    info = predictor.info
    check_rows(table, split)
    check_classes(table, split, info)
    images = cache_images(table, info.preprocessing, cache, progress=progress)
    leaks, checked = _find_leaks(images, trained, split, info, cache)
    outcome = _predict(predictor, images, split, progress)
    partial = run / (PICTURE_FOLDER + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    outcome.save_predictions(partial / PREDICTIONS_FILE)
    result = measure(outcome, info, split=split, fingerprint=images.table.fingerprint(), leaks=leaks, seed=seed)
    broken = _broken_in(split, table, images)
    warnings = warnings_for(outcome, split, compared_with_training=checked)
    rule = predictor.rule if isinstance(predictor, DecidingPredictor) else None
    decided = None if rule is None else measure_decisions(outcome, rule, info)
    result = replace(result, broken=broken, warnings=warnings, decisions=decided)
    result = _illustrate(result, outcome, images.table, ThumbnailWriter(table.root, partial, PICTURE_FOLDER), seed=seed)
    replace_folder(partial, run / PICTURE_FOLDER)
    result.save(run)
    return result


def check_rows(table: Table, split: str) -> None:
    """Check that a split has labelled rows.

    Raises:
        DataError: it has none; the message tells which splits have some.
    """
    if len(table.split(split).labelled()):
        return
    counts = table.labelled().counts() if len(table.labelled()) else {}
    there = ", ".join(f"{name} ({count})" for name, count in counts.items()) or "none"
    raise DataError(
        f"No labelled rows in split {split!r}; labelled rows by split: {there}.",
        "Name a split that has some with --split, or label some rows.",
    )


def check_classes(table: Table, split: str, info: BundleInfo) -> None:
    """Check that the bundle knows every class to be evaluated; classes that only it knows are no fault.

    Raises:
        DataError: it doesn't; the message names the strange ones.
    """
    labels = set(table.split(split).labelled().frame["label"].unique())
    strange = sorted(labels - set(info.classes))
    if strange:
        missing = sorted(set(info.classes) - set(table.classes))
        only_bundle = f" Only in the bundle: {listed(missing)}." if missing else ""
        raise DataError(
            f"The bundle does not know {len(strange)} of the {len(labels)} classes in split {split!r}: "
            f"{listed(strange)}.{only_bundle}",
            "Evaluate on data with the bundle's classes, or rename the labels to match.",
        )


def _find_leaks(
    images: CachedImages, trained: Table | None, split: str, info: BundleInfo, cache: Path
) -> tuple[tuple[Leak, ...], bool]:
    """Return the leaks of the split, and whether it was compared with the pictures that were trained on."""
    inside = leaks_of(split, find_leaks(images.table, images))
    if info.data_fingerprint in ("", images.table.fingerprint()):
        return inside, True
    from_training = (
        leaks_from_training(trained, images, split, info.preprocessing, cache) if trained is not None else None
    )
    if from_training is None:
        return inside, False
    known = {(leak.kind, leak.second) for leak in inside}
    return inside + tuple(leak for leak in from_training if (leak.kind, leak.second) not in known), True


def _predict(predictor: ProbabilityPredictor, images: CachedImages, split: str, progress: Progress | None) -> Outcome:
    frame = images.table.frame
    wanted = frame.select(((pl.col("split") == split) & pl.col("label").is_not_null()).fill_null(False))
    rows = np.flatnonzero(wanted.to_series().to_numpy())
    if not len(rows):
        raise DataError(f"Every picture of split {split!r} is broken.", "See what is wrong: fieldmark data check PATH.")
    parts: list[NDArray[np.float64]] = []
    decisions: list[Decision] = []
    for start in range(0, len(rows), _CHUNK):
        probabilities, decided = _said(predictor, np.asarray(images.pixels[rows[start : start + _CHUNK]]))
        parts.append(probabilities)
        decisions.extend(decided)
        if progress is not None:
            progress(min(start + _CHUNK, len(rows)), len(rows))
    classes = predictor.info.classes
    places = {name: index for index, name in enumerate(classes)}
    chosen = frame[rows.tolist()]
    truth = np.array([places[label] for label in chosen["label"]], dtype=np.int64)
    return Outcome(chosen, classes, truth, np.concatenate(parts), tuple(decisions))


def _said(
    predictor: ProbabilityPredictor, pixels: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], tuple[Decision, ...]]:
    """Return the probabilities of one chunk, and its decisions where the predictor has a rule."""
    if not isinstance(predictor, DecidingPredictor) or predictor.rule is None:
        return predictor.probabilities(pixels), ()
    found = predictor.outputs(pixels)
    decided = tuple(decision for decision in predictor.decisions(found) if decision is not None)
    return predictor.calibrated(found.logits), decided


def _broken_in(split: str, table: Table, images: CachedImages) -> tuple[BrokenRow, ...]:
    """Return the split's rows without a usable picture, and the files that never became rows of any split."""
    wanted = set(table.split(split).labelled().frame["id"])
    return (*(row for row in images.broken if row.id in wanted), *table.skipped)


def _illustrate(
    result: EvalResult, outcome: Outcome, table: Table, writer: ThumbnailWriter, *, seed: int
) -> EvalResult:
    """Add the pictures to a result whose figures are known."""
    pairs = most_confused_pairs(outcome.truth, outcome.predicted, len(outcome.classes))
    return replace(
        result,
        pairs=confused_pairs(outcome, pairs, writer),
        worst_mistakes=worst_mistakes(outcome, writer),
        recognised=recognised(outcome, writer, seed=seed),
        leak_pictures=leak_pairs(result.leaks, table, outcome, writer),
    )
