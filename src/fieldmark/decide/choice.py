"""Choose the kind of conformal set by what it comes to on held-out rows, fold by fold."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fieldmark.decide.conformal import SET_SCORES, THRESHOLDS, candidate_sets

Floats = NDArray[np.float64]
Indices = NDArray[np.integer]

#: RAPS' penalties and free ranks that are tried.
_PENALTIES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5)
_FREE = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class SetKind:
    """One kind of conformal set.

    Attributes:
        score: a name in ``SET_SCORES``.
        by: a name in ``THRESHOLDS``.
        penalty: of RAPS.
        free: ranks without penalty.
    """

    score: str
    by: str
    penalty: float = 0.0
    free: int = 1


def choose_sets(
    probabilities: Floats, truth: Indices, coverage: float, by: str, folds: NDArray[np.int64], seed: int = 0
) -> SetKind:
    """Return the kind whose sets are smallest.

    Args:
        probabilities: (B, N) of held-out rows.
        truth: (B,) class indices.
        coverage: in 0..1.
        by: a name in ``THRESHOLDS``.
        folds: (B,) the fold of every row: sets are tried on rows that their thresholds were not fitted on.
        seed: of clusters.
    """
    raps = [SetKind("raps", by, penalty, free) for penalty, free in product(_PENALTIES, _FREE) if penalty or free == 1]
    kinds = [SetKind("lac", by), *raps]
    sizes = [set_size(kind, probabilities, truth, coverage, folds, seed) for kind in kinds]
    return kinds[int(np.argmin(sizes))]


def set_size(
    kind: SetKind, probabilities: Floats, truth: Indices, coverage: float, folds: NDArray[np.int64], seed: int
) -> float:
    """Return the mean number of candidates, on rows of folds that the thresholds were not fitted on."""
    scores = SET_SCORES[kind.score](probabilities, kind.penalty, kind.free)
    own = np.take_along_axis(scores, truth[:, None], axis=1)[:, 0]
    sizes = []
    for fold in np.unique(folds):
        inside = folds == fold
        thresholds = THRESHOLDS[kind.by](own[~inside], truth[~inside], scores.shape[1], coverage, seed)
        sizes.append(candidate_sets(scores[inside], thresholds).sum(axis=1))
    return float(np.concatenate(sizes).mean())
