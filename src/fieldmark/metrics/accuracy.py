"""How often predictions are right: over all samples, per class, and per rank of a lineage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldmark.metrics.lineage import lineage_nodes

Indices = NDArray[np.integer]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PerClass:
    """Scores of every class; each array has shape (N,).

    Attributes:
        support: number of samples whose truth is the class.
        precision: share of the samples called so that are so, in 0..1; NaN where none was called so.
        recall: share of the class's samples that were called so, in 0..1; NaN where there are none.
        f1: harmonic mean of precision and recall, ``2 TP / (2 TP + FP + FN)``; NaN where there is nothing to count.
    """

    support: NDArray[np.int64]
    precision: Floats
    recall: Floats
    f1: Floats


def top_k_correct(probabilities: Floats, truth: Indices, k: int) -> NDArray[np.bool_]:
    """Say of every sample whether its truth is among the ``k`` most probable classes.

    Among equally probable classes the one of lower index goes first, as in ``argmax``.

    Args:
        probabilities: (B, N), any scores that grow with probability.
        truth: (B,) class indices.
        k: how many guesses are allowed, at least 1; more than N are as good as N.

    Returns:
        (B,) booleans.
    """
    own = np.take_along_axis(probabilities, truth[:, None], axis=1)
    ahead = (probabilities > own).sum(axis=1)
    earlier = np.arange(probabilities.shape[1])[None, :] < truth[:, None]
    ties_ahead = ((probabilities == own) & earlier).sum(axis=1)
    correct: NDArray[np.bool_] = ahead + ties_ahead < k
    return correct


def top_k_accuracy(probabilities: Floats, truth: Indices, k: int = 1) -> float:
    """Return the share of samples whose truth is among the ``k`` most probable classes, in 0..1.

    Args:
        probabilities: (B, N), any scores that grow with probability.
        truth: (B,) class indices.
        k: how many guesses are allowed.
    """
    return float(top_k_correct(probabilities, truth, k).mean())


def macro_recall(truth: Indices, predicted: Indices) -> float:
    """Return the mean recall over the classes that occur among the truths, in 0..1 (balanced accuracy).

    Args:
        truth: (B,) class indices.
        predicted: (B,) class indices.
    """
    classes, places = np.unique(truth, return_inverse=True)
    support = np.bincount(places, minlength=len(classes))
    hits = np.bincount(places, weights=truth == predicted, minlength=len(classes))
    return float((hits / support).mean())


def per_class_scores(truth: Indices, predicted: Indices, class_count: int) -> PerClass:
    """Return support, precision, recall and F1 of every class.

    Args:
        truth: (B,) class indices.
        predicted: (B,) class indices.
        class_count: N, the number of classes.
    """
    support = np.bincount(truth, minlength=class_count).astype(np.int64)
    called = np.bincount(predicted, minlength=class_count)
    hits = np.bincount(truth[truth == predicted], minlength=class_count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return PerClass(
            support=support,
            precision=hits / called,
            recall=hits / support,
            f1=2 * hits / (support + called),
        )


def accuracy_by_rank(
    truth: Indices,
    predicted: Indices,
    classes: Sequence[str],
    rank_names: Sequence[str],
    lineage: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """Return the accuracy at every rank: truth and prediction are mapped up the lineage, then compared.

    What counts as one node is what ``lineage_nodes`` numbers as one.

    Args:
        truth: (B,) class indices.
        predicted: (B,) class indices.
        classes: the N class names.
        rank_names: the names of the ranks, coarse to fine.
        lineage: class → names, coarse to fine, ending in the class.

    Returns:
        Rank name → accuracy in 0..1, coarse to fine.
    """
    nodes = lineage_nodes(classes, rank_names, lineage)
    return {
        name: float((node_of_class[truth] == node_of_class[predicted]).mean())
        for name, node_of_class in zip(rank_names, nodes, strict=True)
    }
