"""From predictions to figures: everything in a result but its pictures."""

import datetime
from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl

import fieldmark
from fieldmark import metrics
from fieldmark.decide import least_risk
from fieldmark.evaluation.outcome import Outcome
from fieldmark.models.bundle import BundleInfo
from fieldmark.records import Interval, Leak
from fieldmark.results import ClassResult, EvalResult, LeastRisk, MistakeSeverity, finite


def measure(
    outcome: Outcome,
    info: BundleInfo,
    *,
    split: str,
    fingerprint: str,
    leaks: tuple[Leak, ...] = (),
    seed: int = 0,
) -> EvalResult:
    """Compute every figure of an outcome; pictures, broken rows and warnings are left empty.

    Args:
        outcome: the evaluated rows with their predictions.
        info: the bundle that predicted.
        split: the name of the evaluated split.
        fingerprint: fingerprint of the data.
        leaks: leaks of the split, ``second`` being the evaluated row.
        seed: of the bootstrap.
    """
    truth, predicted, count = outcome.truth, outcome.predicted, len(outcome.classes)
    weights, hours = info.training.get("weights"), info.training.get("cpu_hours")
    confusion = metrics.confusion_counts(truth, predicted, count).tolist()
    return EvalResult(
        fingerprint=fingerprint,
        split=split,
        n=len(truth),
        classes=outcome.classes,
        top1=float(outcome.correct.mean()),
        top5=metrics.top_k_accuracy(outcome.probabilities, truth, 5),
        macro_recall=metrics.macro_recall(truth, predicted),
        nll=metrics.negative_log_likelihood(outcome.probabilities, truth),
        ece=metrics.expected_calibration_error(outcome.probabilities, truth),
        accuracy_by_rank=metrics.accuracy_by_rank(truth, predicted, outcome.classes, info.rank_names, info.lineage),
        intervals=_intervals(outcome, seed),
        per_class=_per_class(outcome, confusion),
        confusion=tuple((row[0], row[1], row[2]) for row in confusion),
        leaks=leaks,
        leak_counts=dict(Counter(leak.kind for leak in leaks)),
        top1_without_leaks=_top1_without(outcome, leaks),
        resolution=info.preprocessing.resolution,
        weights=weights if isinstance(weights, str) else None,
        seeds=_seeds(info, seed),
        cpu_hours=float(hours) if isinstance(hours, int | float) else None,
        training=dict(info.training),
        severity=severity_of(outcome, info),
        fieldmark_version=fieldmark.__version__,
        evaluated_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def severity_of(outcome: Outcome, info: BundleInfo) -> MistakeSeverity | None:
    """Measure how bad the mistakes are by the bundle's lineage; ``None`` where it has one rank only.

    Args:
        outcome: the evaluated rows with their predictions.
        info: the bundle that predicted.
    """
    if len(info.rank_names) < 2 or not info.lineage:
        return None
    heights = metrics.ancestor_heights(metrics.lineage_nodes(outcome.classes, info.rank_names, info.lineage))
    found = metrics.mistake_severity(heights, outcome.truth, outcome.predicted)
    decided = least_risk(outcome.probabilities, heights)
    risked = metrics.mistake_severity(heights, outcome.truth, decided)
    return MistakeSeverity(
        root=len(info.rank_names),
        of_mistakes=found.of_mistakes,
        of_all=found.of_all,
        of_top5=metrics.top_k_distance(heights, outcome.probabilities, outcome.truth, 5),
        least_risk=LeastRisk(float((decided == outcome.truth).mean()), risked.of_mistakes, risked.of_all),
    )


def warnings_for(outcome: Outcome, split: str, *, compared_with_training: bool) -> tuple[str, ...]:
    """Say what to bear in mind when reading the figures.

    Args:
        outcome: the evaluated rows with their predictions.
        split: the name of the evaluated split.
        compared_with_training: whether the pictures that were trained on were looked for among the evaluated ones.
    """
    found = []
    if split == "train":
        found.append("These pictures were trained on: the figures say nothing about new pictures.")
    if split == "val":
        found.append("Choices were made on this split: figures on new pictures are likely lower.")
    if not compared_with_training:
        found.append("This is not the data of the training, and whether its pictures were trained on was not checked.")
    support = np.bincount(outcome.truth, minlength=len(outcome.classes))
    absent = [name for name, count in zip(outcome.classes, support, strict=True) if count == 0]
    if absent:
        found.append(
            f"{len(absent)} of {len(outcome.classes)} classes have no picture in split {split!r} "
            f"and do not count in the macro recall: {listed(absent)}."
        )
    return tuple(found)


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Join names with commas; beyond ``limit`` only their number is told."""
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def _intervals(outcome: Outcome, seed: int) -> dict[str, Interval]:
    groups = outcome.frame["group"].to_list()
    return {
        "top1": metrics.accuracy_interval(outcome.correct, groups=groups, seed=seed),
        "macro_recall": metrics.macro_recall_interval(outcome.truth, outcome.predicted, groups=groups, seed=seed),
    }


def _per_class(outcome: Outcome, confusion: Sequence[Sequence[int]]) -> tuple[ClassResult, ...]:
    scores = metrics.per_class_scores(outcome.truth, outcome.predicted, len(outcome.classes))
    worst: dict[int, tuple[int, int]] = {}
    for true, called, count in confusion:
        if true != called and count > worst.get(true, (0, 0))[0]:
            worst[true] = (count, called)
    return tuple(
        ClassResult(
            name=name,
            support=int(scores.support[index]),
            recall=finite(scores.recall[index]),
            precision=finite(scores.precision[index]),
            f1=finite(scores.f1[index]),
            confused_with=outcome.classes[worst[index][1]] if index in worst else None,
            confused_count=worst[index][0] if index in worst else 0,
        )
        for index, name in enumerate(outcome.classes)
    )


def _top1_without(outcome: Outcome, leaks: Sequence[Leak]) -> float | None:
    """Return the accuracy over the rows in no leak; a group that leaks is listed once but leaks with all its rows."""
    leaked = {leak.second for leak in leaks}
    of_groups = {leak.second for leak in leaks if leak.kind == "group"}
    rows = outcome.frame.select("id", "group")
    groups = rows.filter(pl.col("id").is_in(list(of_groups)))["group"].drop_nulls().unique().to_list()
    spoilt = rows.select((pl.col("id").is_in(list(leaked)) | pl.col("group").is_in(groups)).fill_null(False))
    kept = ~(spoilt.to_series().to_numpy())
    return float(outcome.correct[kept].mean()) if kept.any() else None


def _seeds(info: BundleInfo, seed: int) -> dict[str, int]:
    trained = info.training.get("seed")
    seeds = {"bootstrap": seed}
    if isinstance(trained, int):
        seeds["training"] = trained
    return seeds
