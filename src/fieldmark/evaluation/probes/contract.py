"""What every probe is: frozen features and labels in, class probabilities of other features out."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fieldmark.errors import DataError

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Probabilities = NDArray[np.float64]

#: The group of every row, ``None`` for a row that is its own.
Groups = Sequence[str | None]


class Probe(Protocol):
    """A classifier of frozen features.

    Whatever it chooses, it chooses on the training rows: by folds that keep groups together, or by leaving out. It is
    deterministic: the same arguments give the same probabilities.
    """

    def __call__(
        self, train: Floats, labels: Indices, test: Floats, *, groups: Groups | None = None, seed: int = 0
    ) -> Probabilities:
        """Learn from some rows and read others.

        Args:
            train: features (N, ...) of the training rows.
            labels: class index (N,) of each, from 0.
            test: features (M, ...) of the rows to read.
            groups: the groups of the training rows; ``None`` where every row is its own.
            seed: of the folds, and of whatever else is drawn.

        Returns:
            Class probabilities (M, K), rows summing to 1; K is the highest label + 1. Classes without a training row
            get 0.

        Raises:
            DataError: fewer than two classes among the labels.
        """
        ...


def check_training(train: Floats, labels: Indices) -> int:
    """Return the number K of classes: the highest label + 1.

    Raises:
        ValueError: not one label per row.
        DataError: fewer than two classes.
    """
    if len(train) != len(labels):
        raise ValueError(f"{len(train)} rows have {len(labels)} labels")
    if len(np.unique(labels)) < 2:
        raise DataError("A probe needs training rows of two classes or more.", "Label some rows of another class.")
    return int(labels.max()) + 1


def scatter_classes(probabilities: Probabilities, classes: Indices, count: int) -> Probabilities:
    """Spread probabilities (M, P) of the P classes that were learned over all ``count`` of them."""
    spread = np.zeros((len(probabilities), count))
    spread[:, classes] = probabilities
    spread /= spread.sum(axis=1, keepdims=True)
    return spread
