"""Evaluation of several trainings that differ in their seed alone: mean, spread and interval of every figure."""

import datetime
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import fieldmark
from fieldmark import metrics
from fieldmark.errors import BundleError, DataError
from fieldmark.evaluation.classification import evaluate
from fieldmark.evaluation.saved_predictions import SavedPredictions, load_predictions
from fieldmark.metrics import Measure
from fieldmark.models.bundle import read_info
from fieldmark.records import Progress
from fieldmark.results import EvalResult
from fieldmark.seed_results import SeedFigure, SeedsResult
from fieldmark.training.run_folder import seed_folders

#: Why the first seed's bundle is the one to use.
_REASON = (
    "The seeds differ by chance alone, so the first one is taken, whatever it measured: the best of several would be "
    "chosen for its luck on these pictures, and its accuracy would promise too much."
)

#: Training options that tell the seeds apart, or how each one went.
_OWN_OPTIONS = ("seed", "seconds", "cpu_hours", "epochs_trained")


def evaluate_seeds(
    folder: Path | str,
    data: Path | str | None = None,
    *,
    split: str = "test",
    cache: Path | str,
    reader: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> SeedsResult:
    """Evaluate every training in a folder of ``train_seeds``, each as ``evaluate`` does, and write FOLDER/seeds.json.

    Args:
        folder: the folder of them all.
        data: anything that ``read_table`` reads; by default the table that the runs were trained on.
        split: the split whose labelled rows are evaluated.
        cache: folder of decoded pictures, shared by runs.
        reader: name of the reader of ``data``; by default the format is recognised.
        seed: of the bootstrap.
        progress: told how far caching, then predicting, has come, of each training anew.

    Raises:
        BundleError: the folder holds no trainings, or one that has not finished.
        DataError: as ``evaluate`` does, or trainings on different data.
    """
    folder = Path(folder)
    runs = seed_folders(folder)
    if not runs:
        raise BundleError(f"There are no seeds in {folder}.", "Give the folder that `fieldmark train --seeds` wrote.")
    for run in runs:
        read_info(run)  # one that has not finished is an error now, and not after the others' evaluation
    for run in runs:
        evaluate(run, data, split=split, cache=cache, reader=reader, seed=seed, progress=progress)
    result = summarise_seeds([load_predictions(run) for run in runs], seed=seed)
    result.save(folder)
    return result


def summarise_seeds(trainings: Sequence[SavedPredictions], *, seed: int = 0) -> SeedsResult:
    """Return mean, spread and interval of every figure of evaluated trainings.

    Args:
        trainings: one or more, on the same pictures.
        seed: of the bootstrap.

    Raises:
        DataError: they were evaluated on different pictures.
    """
    first = trainings[0].result
    for training in trainings:
        if (training.result.fingerprint, training.ids) != (first.fingerprint, trainings[0].ids):
            raise DataError(
                f"{training.run} was evaluated on other pictures than {trainings[0].run}.",
                "Evaluate them together: fieldmark evaluate FOLDER.",
            )
    return SeedsResult(
        fingerprint=first.fingerprint,
        split=first.split,
        n=first.n,
        seeds=tuple(int(training.run.name.rpartition("-")[2]) for training in trainings),
        runs=tuple(training.run.name for training in trainings),
        figures=tuple(_figures(trainings, seed)),
        bundle=trainings[0].run.name,
        bundle_reason=_REASON,
        leaks=len(first.leaks),
        training={name: value for name, value in first.training.items() if name not in _OWN_OPTIONS},
        resolution=first.resolution,
        weights=first.weights,
        warnings=first.warnings,
        fieldmark_version=fieldmark.__version__,
        evaluated_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _figures(trainings: Sequence[SavedPredictions], seed: int) -> list[SeedFigure]:
    measured = [_measures(training) for training in trainings]
    saved = [_saved(training.result) for training in trainings]
    groups, count = trainings[0].groups, len(trainings[0].ids)
    figures = []
    for name in measured[0]:
        values = tuple(of_seed[name] for of_seed in saved)
        known = tuple(value for value in values if value is not None)
        if len(known) < len(values):
            continue  # a training without mistakes has no mean over them
        found = metrics.trainings_interval([of_seed[name] for of_seed in measured], count, groups=groups, seed=seed)
        spread = statistics.stdev(known) if len(known) > 1 else None
        figures.append(SeedFigure(name, not name.startswith(("nll", "severity")), known, spread, found))
    return figures


def _saved(result: EvalResult) -> dict[str, float | None]:
    """Return a training's figures by name, as its evaluation has them."""
    found: dict[str, float | None] = {
        "top1": result.top1,
        "top5": result.top5,
        "macro_recall": result.macro_recall,
        "nll": result.nll,
        "ece": result.ece,
    }
    if result.severity is not None:
        found |= {f"rank {rank}": value for rank, value in result.accuracy_by_rank.items()}
        found |= {"severity_of_mistakes": result.severity.of_mistakes, "severity_of_all": result.severity.of_all}
    return found


def _measures(training: SavedPredictions) -> Mapping[str, Measure]:
    """Return what measures the same figures of drawn pictures."""
    probabilities, truth, predicted = training.probabilities, training.truth, training.predicted
    own = np.maximum(probabilities[np.arange(len(truth)), truth], metrics.SMALLEST_PROBABILITY)
    found: dict[str, Measure] = {
        "top1": metrics.weighted_mean(training.correct),
        "top5": metrics.weighted_mean(metrics.top_k_correct(probabilities, truth, 5)),
        "macro_recall": metrics.weighted_macro_recall(truth, predicted),
        "nll": metrics.weighted_mean(-np.log(own)),
        "ece": metrics.weighted_calibration_error(probabilities, truth),
    }
    return found | _lineage_measures(training)


def _lineage_measures(training: SavedPredictions) -> dict[str, Measure]:
    result = training.result
    if result.severity is None:
        return {}
    info = read_info(training.run)
    nodes = metrics.lineage_nodes(result.classes, info.rank_names, info.lineage)
    truth, predicted = training.truth, training.predicted
    costs = metrics.ancestor_heights(nodes)[truth, predicted]
    found = {
        f"rank {rank}": metrics.weighted_mean(of_class[truth] == of_class[predicted])
        for rank, of_class in zip(info.rank_names, nodes, strict=True)
    }
    return found | {
        "severity_of_mistakes": metrics.weighted_ratio(costs, ~training.correct),
        "severity_of_all": metrics.weighted_mean(costs),
    }
