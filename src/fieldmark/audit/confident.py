"""Confident learning: which labels are wrong, from class probabilities that never saw them.

C. G. Northcutt, L. Jiang and I. L. Chuang, *Confident Learning: Estimating Uncertainty in Dataset Labels*, Journal of
Artificial Intelligence Research 70, 2021. In shapes, N is rows and K classes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]

#: Probabilities count as reaching a threshold that they miss by no more than rounding.
_ROUNDING = 1e-6

#: The least probability that a logarithm is taken of.
_LEAST = 1e-12


@dataclass(frozen=True)
class LabelJudgement:
    """What confident learning says of the labels of N rows.

    Attributes:
        suggested: (N,) the most probable class other than the given one.
        probability: (N,) that of the given class, in 0..1.
        suggested_probability: (N,) that of ``suggested``, in 0..1.
        log_odds: (N,) natural logarithm of its probability by that of the given class.
        wrong: (N,) whether the row counts as confidently another class: off the diagonal of the confident joint.
        estimated_wrong: number of wrong labels by the calibrated joint.
    """

    suggested: Indices
    probability: Probabilities
    suggested_probability: Probabilities
    log_odds: npt.NDArray[np.float64]
    wrong: npt.NDArray[np.bool_]
    estimated_wrong: float


def judge_labels(probabilities: Probabilities, labels: Indices) -> LabelJudgement:
    """Judge labels by out-of-fold probabilities.

    Args:
        probabilities: (N, K), rows summing to 1, of a classifier that never saw the row; K at least 2.
        labels: given class (N,) of each row.
    """
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -1
    suggested = others.argmax(1)
    own, best = probabilities[rows, labels], probabilities[rows, suggested]
    log_odds = np.log(np.maximum(best, _LEAST)) - np.log(np.maximum(own, _LEAST))
    likely = confident_classes(probabilities, labels)
    joint = confident_joint(likely, labels, probabilities.shape[1])
    wrong = (likely >= 0) & (likely != labels)
    return LabelJudgement(suggested, own, best, log_odds, wrong, float(joint.sum() - np.trace(joint)))


def thresholds(probabilities: Probabilities, labels: Indices) -> npt.NDArray[np.float64]:
    """Return each class's mean probability over the rows given it (K,), equation 2; 1 of a class without rows."""
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, probabilities[np.arange(len(labels)), labels], minlength=classes)
    return np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)


def confident_classes(probabilities: Probabilities, labels: Indices) -> Indices:
    """Return the class (N,) that each row confidently is, -1 where it is none.

    It is the most probable of the classes whose threshold the row reaches (equation 1, with the collisions' rule).
    """
    reached = probabilities >= thresholds(probabilities, labels) - _ROUNDING
    best = np.where(reached, probabilities, -1).argmax(1)
    return np.where(reached.any(1), best, -1)


def confident_joint(likely: Indices, labels: Indices, classes: int) -> npt.NDArray[np.float64]:
    """Count rows (K, K) by given class and the class that they confidently are, calibrated as in equation 3.

    Every class counts one row on the diagonal at least; each row is then scaled to the number of rows given the class.
    """
    counted = np.zeros((classes, classes))
    certain = likely >= 0
    np.add.at(counted, (labels[certain], likely[certain]), 1)
    np.fill_diagonal(counted, np.maximum(counted.diagonal(), 1))
    given = np.bincount(labels, minlength=classes)
    calibrated: npt.NDArray[np.float64] = counted / counted.sum(1, keepdims=True) * given[:, None]
    return calibrated
