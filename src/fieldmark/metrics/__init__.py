"""Figures that say how good predictions are. numpy only; nothing here knows of tables, pictures or networks."""

from fieldmark.metrics.accuracy import (
    PerClass,
    accuracy_by_rank,
    macro_recall,
    per_class_scores,
    top_k_accuracy,
    top_k_correct,
)
from fieldmark.metrics.bootstrap import accuracy_interval, macro_recall_interval, mean_difference_intervals
from fieldmark.metrics.calibration import expected_calibration_error, negative_log_likelihood
from fieldmark.metrics.confusion import PairCount, confusion_counts, confusion_matrix, most_confused_pairs
from fieldmark.metrics.ranking import auroc

__all__ = [
    "PairCount",
    "PerClass",
    "accuracy_by_rank",
    "accuracy_interval",
    "auroc",
    "confusion_counts",
    "confusion_matrix",
    "expected_calibration_error",
    "macro_recall",
    "macro_recall_interval",
    "mean_difference_intervals",
    "most_confused_pairs",
    "negative_log_likelihood",
    "per_class_scores",
    "top_k_accuracy",
    "top_k_correct",
]
