"""Nearest reference pictures: exact up to a size, beyond it by an index of usearch where that is installed."""

import importlib.util

import numpy as np
from numpy.typing import NDArray

from fieldmark.models.reference import normalised

#: Reference pictures up to which all are compared: below a millisecond a picture.
EXACT_UP_TO = 20_000

#: Queries up to which they are compared one by one: a product of matrices would start threads of its own for each small
#: batch, which take the cores from the calls of the engine beside it; a stream of single pictures was a third slower.
_FEW = 32


class Neighbours:
    """Finds the reference pictures that are most like others.

    Args:
        embeddings: (M, C), each of length 1; M at least 1.
    """

    def __init__(self, embeddings: NDArray[np.float32]) -> None:
        self._embeddings = embeddings
        self._index = _usearch_index(embeddings) if len(embeddings) > EXACT_UP_TO else None

    def nearest(self, embeddings: NDArray[np.floating], count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the cosine similarities and places of the nearest reference pictures, nearest first.

        Args:
            embeddings: (B, C), of any length.
            count: how many K; no more than there are.

        Returns:
            (B, K) similarities in -1..1 and (B, K) places.
        """
        queries, wanted = normalised(embeddings), min(count, len(self._embeddings))
        if self._index is not None:
            found = self._index.search(queries, wanted)  # type: ignore[attr-defined]
            distances, keys = np.atleast_2d(found.distances), np.atleast_2d(found.keys)
            return 1 - distances.astype(np.float64), keys.astype(np.int64)
        few = len(queries) <= _FEW
        similarities = np.vecdot(queries[:, None], self._embeddings) if few else queries @ self._embeddings.T
        places = _largest(similarities, wanted)
        return np.take_along_axis(similarities, places, axis=1).astype(np.float64), places


def _largest(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return the places (B, K) of the K largest of each row (B, M), largest first, the first of equal ones first."""
    places = np.sort(np.argpartition(-values, count - 1, axis=1)[:, :count], axis=1)
    order = np.argsort(-np.take_along_axis(values, places, axis=1), axis=1, kind="stable")
    largest: NDArray[np.int64] = np.take_along_axis(places, order, axis=1)
    return largest


def _usearch_index(embeddings: NDArray[np.float32]) -> object | None:
    if importlib.util.find_spec("usearch") is None:
        return None
    from usearch.index import Index

    index: object = Index(ndim=embeddings.shape[1], metric="cos", dtype="f32")
    index.add(np.arange(len(embeddings)), embeddings)  # type: ignore[attr-defined]
    return index
