"""Which classes are taken for which."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class PairCount:
    """How often two classes are taken for each other.

    Attributes:
        first: class index; the class of the pair that is more often taken for the other.
        second: class index.
        first_as_second: samples of ``first`` that were called ``second``.
        second_as_first: samples of ``second`` that were called ``first``.
        rate: mistakes between the two as a share of the samples of both, in 0..1.
    """

    first: int
    second: int
    first_as_second: int
    second_as_first: int
    rate: float

    @property
    def mistakes(self) -> int:
        """Mistakes between the two, both ways."""
        return self.first_as_second + self.second_as_first


def confusion_counts(truth: Indices, predicted: Indices, class_count: int) -> NDArray[np.int64]:
    """Return the confusion matrix without its zeros: rows (truth, predicted, count), sorted.

    Args:
        truth: (B,) class indices.
        predicted: (B,) class indices.
        class_count: N, the number of classes.

    Returns:
        (P, 3) integers.
    """
    keys, counts = np.unique(truth.astype(np.int64) * class_count + predicted, return_counts=True)
    return np.stack([keys // class_count, keys % class_count, counts], axis=1).astype(np.int64)


def confusion_matrix(truth: Indices, predicted: Indices, class_count: int) -> NDArray[np.int64]:
    """Return the (N, N) confusion matrix: row = truth, column = predicted.

    Args:
        truth: (B,) class indices.
        predicted: (B,) class indices.
        class_count: N, the number of classes.
    """
    matrix = np.zeros((class_count, class_count), dtype=np.int64)
    rows = confusion_counts(truth, predicted, class_count)
    matrix[rows[:, 0], rows[:, 1]] = rows[:, 2]
    return matrix


def most_confused_pairs(
    truth: Indices, predicted: Indices, class_count: int, *, limit: int | None = None
) -> tuple[PairCount, ...]:
    """Return the pairs of classes that are taken for each other, most mistakes first, then highest rate.

    Args:
        truth: (B,) class indices.
        predicted: (B,) class indices.
        class_count: N, the number of classes.
        limit: how many pairs at most; ``None`` for all.
    """
    support = np.bincount(truth, minlength=class_count)
    both_ways: dict[tuple[int, int], list[int]] = {}
    for true, called, count in confusion_counts(truth, predicted, class_count).tolist():
        if true != called:
            pair = (min(true, called), max(true, called))
            both_ways.setdefault(pair, [0, 0])[int(true > called)] += count
    pairs = []
    for (low, high), (up, down) in both_ways.items():
        rate = (up + down) / float(support[low] + support[high])
        ordered = (low, high, up, down) if up >= down else (high, low, down, up)
        pairs.append(PairCount(*ordered, rate=rate))
    pairs.sort(key=lambda pair: (-pair.mistakes, -pair.rate, pair.first, pair.second))
    return tuple(pairs[:limit])
