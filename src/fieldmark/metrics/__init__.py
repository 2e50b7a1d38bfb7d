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
from fieldmark.metrics.bootstrap import accuracy_interval, macro_recall_interval, mean_difference_intervals
from fieldmark.metrics.calibration import expected_calibration_error, negative_log_likelihood
from fieldmark.metrics.confusion import PairCount, confusion_counts, confusion_matrix, most_confused_pairs
from fieldmark.metrics.keypoints import (
    PCK_SHARE,
    PartsAndKeypoints,
    correct_keypoints,
    in_boxes,
    keypoint_error,
    regress_keypoints,
)
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

__all__ = [
    "PCK_SHARE",
    "Agreement",
    "PairCount",
    "PartsAndKeypoints",
    "PerClass",
    "accuracy_by_rank",
    "accuracy_interval",
    "auroc",
    "confusion_counts",
    "confusion_matrix",
    "correct_keypoints",
    "expected_calibration_error",
    "in_boxes",
    "keypoint_agreement",
    "keypoint_error",
    "macro_recall",
    "macro_recall_interval",
    "mask_agreement",
    "mean_difference_intervals",
    "most_confused_pairs",
    "negative_log_likelihood",
    "part_agreement",
    "part_centres",
    "part_masks",
    "parts_at",
    "per_class_scores",
    "regress_keypoints",
    "top_k_accuracy",
    "top_k_correct",
]
