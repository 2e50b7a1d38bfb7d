"""How well one number per sample tells two kinds of samples apart."""

import numpy as np
from numpy.typing import NDArray


def auroc(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve: the probability that a positive sample has the higher score.

    Equal scores count half (the Mann-Whitney statistic; Hanley & McNeil, *Radiology* 143, 1982).

    Args:
        scores: (B,), higher for what looks positive; no NaN.
        positive: (B,) booleans.

    Returns:
        The area in 0..1; ½ for scores that tell nothing.

    Raises:
        ValueError: all samples are of one kind, or a score is no number.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        raise ValueError("the area needs positive and negative samples")
    if np.isnan(scores).any():
        raise ValueError("a score is no number")
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[places]  # equal scores share the mean of their ranks
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
