"""Nearest vectors by cosine: all of them compared, or, of very many, those that an index of usearch finds."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: Vectors up to which all are compared: a second or two for a picture.
EXACT_UP_TO = 1_000_000

#: Vectors that are compared at once; bounds the memory.
_BLOCK = 65_536

#: Neighbours that an index is asked for, for each one wanted: some of what it finds may not be wanted.
_SPARE = 4

#: Smallest length that a vector is divided by.
_SHORTEST = 1e-12


@dataclass(frozen=True)
class Found:
    """The nearest vectors.

    Attributes:
        places: (K,) their places, nearest first.
        similarities: (K,) cosines in -1..1.
        exact: whether all vectors were compared.
    """

    places: NDArray[np.int64]
    similarities: NDArray[np.float64]
    exact: bool


def nearest(
    vectors: NDArray[np.floating],
    query: NDArray[np.floating],
    count: int,
    *,
    wanted: NDArray[np.bool_],
    index: Path | None = None,
    exact_up_to: int = EXACT_UP_TO,
) -> Found:
    """Return the vectors that are most like one vector.

    Args:
        vectors: (n, C), of any length.
        query: (C,).
        count: how many K; fewer are found where fewer are wanted.
        wanted: (n,) which may be found.
        index: file of an index of these vectors, made where it is missing; ``None`` keeps it in memory.
        exact_up_to: more vectors are left to an index, where usearch is installed.
    """
    if len(vectors) > exact_up_to and importlib.util.find_spec("usearch") is not None:
        return _by_index(vectors, query, count, wanted, index)
    places = np.flatnonzero(wanted)
    return _best(places, _cosines(vectors, places, query), count, exact=True)


def _cosines(
    vectors: NDArray[np.floating], places: NDArray[np.int64], query: NDArray[np.floating]
) -> NDArray[np.float64]:
    own = query.astype(np.float64)
    own /= max(float(np.linalg.norm(own)), _SHORTEST)
    similarities = np.empty(len(places))
    for start in range(0, len(places), _BLOCK):
        block = vectors[places[start : start + _BLOCK]].astype(np.float32)
        lengths = np.maximum(np.linalg.norm(block, axis=1), _SHORTEST)
        similarities[start : start + len(block)] = (block @ own.astype(np.float32)) / lengths
    return np.clip(similarities, -1.0, 1.0)


def _best(places: NDArray[np.int64], similarities: NDArray[np.float64], count: int, *, exact: bool) -> Found:
    order = np.argsort(-similarities, kind="stable")[:count]
    return Found(places[order], similarities[order], exact)


def _by_index(
    vectors: NDArray[np.floating],
    query: NDArray[np.floating],
    count: int,
    wanted: NDArray[np.bool_],
    file: Path | None,
) -> Found:
    """Ask an index for candidates, and compare these exactly."""
    search = _opened(vectors, file)
    keys = search(query.astype(np.float32), min(_SPARE * count, len(vectors)))
    candidates = keys[wanted[keys]]
    return _best(candidates, _cosines(vectors, candidates, query), count, exact=False)


def _opened(
    vectors: NDArray[np.floating], file: Path | None
) -> Callable[[NDArray[np.float32], int], NDArray[np.int64]]:
    """Return what searches an index: the saved one, or one that is made and saved."""
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="cos", dtype="f16")
    if file is not None and file.is_file():
        index.view(str(file))
    if len(index) != len(vectors):
        index.reset()
        for start in range(0, len(vectors), _BLOCK):
            block = vectors[start : start + _BLOCK]
            index.add(np.arange(start, start + len(block)), block.astype(np.float32))
        if file is not None:
            partial = file.with_name(file.name + ".partial")
            index.save(str(partial))
            partial.replace(file)
    return lambda query, count: np.asarray(index.search(query, count).keys, dtype=np.int64)
