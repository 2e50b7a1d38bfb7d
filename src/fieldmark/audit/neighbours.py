"""The nearest pictures of every picture, block by block: memory does not grow with the square of their number."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fieldmark.records import Progress

#: Rows compared at once; the memory beside the result is about 40 × BLOCK² bytes.
BLOCK = 2048

#: Neighbours kept beyond the wanted ones, so that rounding, which differs with the shape of a block, decides nothing.
_SPARE = 3


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows of N rows.

    Attributes:
        places: (N, k) int64, nearest first; -1 where there are fewer than k other rows.
        cosines: (N, k) float64; -1 where there is none.
    """

    places: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float64]


def nearest(
    vectors: npt.NDArray[np.float32], k: int, *, block: int = BLOCK, progress: Progress | None = None
) -> Neighbours:
    """Find the k nearest other rows of every row by their product, exactly.

    All pairs are compared, ``block`` × ``block`` at a time. The result is the same for every block size: the last step
    computes the cosines of the few best anew, one pair at a time.

    Args:
        vectors: (N, D), of length 1 or less: the products are about cosines.
        k: neighbours wanted, at least 1.
        block: rows compared at once.
        progress: told how many rows are done.
    """
    count = len(vectors)
    places = np.full((count, k), -1, np.int64)
    cosines = np.full((count, k), -1.0)
    for start in range(0, count, block):
        rows = np.arange(start, min(start + block, count))
        best, found = _best_of(vectors, rows, min(k + _SPARE, count - 1), block)
        places[rows, : found.shape[1]], cosines[rows, : found.shape[1]] = _exactly(vectors, rows, best, k)
        if progress is not None:
            progress(int(rows[-1]) + 1, count)
    return Neighbours(places, cosines)


def _best_of(
    vectors: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], wanted: int, block: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the places and cosines (rows, wanted) of the nearest rows, in no order."""
    best = np.zeros((len(rows), wanted), np.int64)
    values = np.full((len(rows), wanted), -np.inf, np.float32)
    for start in range(0, len(vectors) if wanted else 0, block):
        others = np.arange(start, min(start + block, len(vectors)))
        cosines = vectors[rows] @ vectors[others].T
        cosines[rows[:, None] == others[None]] = -np.inf
        # Most blocks hold nothing nearer for most rows, and sorting takes far longer than looking.
        nearer = np.flatnonzero((cosines > values.min(1)[:, None]).any(1))
        joined = np.concatenate([values[nearer], cosines[nearer]], axis=1)
        places = np.concatenate([best[nearer], np.broadcast_to(others, (len(nearer), len(others)))], axis=1)
        kept = np.argpartition(-joined, wanted - 1, axis=1)[:, :wanted]
        values[nearer], best[nearer] = np.take_along_axis(joined, kept, 1), np.take_along_axis(places, kept, 1)
    return best, values


def _exactly(
    vectors: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], best: npt.NDArray[np.int64], k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Order the best by their cosines in double precision, equal ones by place, and keep k."""
    own = vectors[rows].astype(np.float64)
    cosines = (
        np.stack(
            [np.einsum("nd,nd->n", own, vectors[best[:, place]].astype(np.float64)) for place in range(best.shape[1])],
            1,
        )
        if best.shape[1]
        else np.zeros(best.shape)
    )
    order = np.lexsort((best, -cosines), axis=1)[:, :k]
    return np.take_along_axis(best, order, 1), np.take_along_axis(cosines, order, 1)
