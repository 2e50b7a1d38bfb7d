"""Figures that say how good predictions and parts are, in numpy and scikit-learn.

Nothing here knows of tables, pictures or networks.
"""

from fieldmark.metrics.accuracy import (
    PerClass,
    accuracy_by_rank,
    macro_recall,
    per_class_scores,
    top_k_accuracy,
    top_k_correct,
)
from fieldmark.metrics.bootstrap import (
    Measure,
    accuracy_interval,
    macro_recall_interval,
    mean_difference_intervals,
    mean_interval,
    weighted_macro_recall,
)
from fieldmark.metrics.calibration import (
    SMALLEST_PROBABILITY,
    expected_calibration_error,
    negative_log_likelihood,
    weighted_calibration_error,
)
from fieldmark.metrics.confusion import PairCount, confusion_counts, confusion_matrix, most_confused_pairs
from fieldmark.metrics.crossed import (
    Difference,
    McNemar,
    mcnemar,
    paired_difference,
    trainings_interval,
    weighted_mean,
    weighted_ratio,
)
from fieldmark.metrics.keypoints import (
    PCK_SHARE,
    PartsAndKeypoints,
    correct_keypoints,
    in_boxes,
    keypoint_error,
    regress_keypoints,
)
from fieldmark.metrics.lineage import Severity, ancestor_heights, lineage_nodes, mistake_severity, top_k_distance
from fieldmark.metrics.parts import (
    Agreement,
    keypoint_agreement,
    mask_agreement,
    part_agreement,
    part_centres,
    part_masks,
    parts_at,
)
from fieldmark.metrics.ranking import auroc
from fieldmark.metrics.robustness import area_under_curve, relative_degradation

__all__ = [
    "PCK_SHARE",
    "SMALLEST_PROBABILITY",
    "Agreement",
    "Difference",
    "McNemar",
    "Measure",
    "PairCount",
    "PartsAndKeypoints",
    "PerClass",
    "Severity",
    "accuracy_by_rank",
    "accuracy_interval",
    "ancestor_heights",
    "area_under_curve",
    "auroc",
    "confusion_counts",
    "confusion_matrix",
    "correct_keypoints",
    "expected_calibration_error",
    "in_boxes",
    "keypoint_agreement",
    "keypoint_error",
    "lineage_nodes",
    "macro_recall",
    "macro_recall_interval",
    "mask_agreement",
    "mcnemar",
    "mean_difference_intervals",
    "mean_interval",
    "mistake_severity",
    "most_confused_pairs",
    "negative_log_likelihood",
    "paired_difference",
    "part_agreement",
    "part_centres",
    "part_masks",
    "parts_at",
    "per_class_scores",
    "regress_keypoints",
    "relative_degradation",
    "top_k_accuracy",
    "top_k_correct",
    "top_k_distance",
    "trainings_interval",
    "weighted_calibration_error",
    "weighted_macro_recall",
    "weighted_mean",
    "weighted_ratio",
]
