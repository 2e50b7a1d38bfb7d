"""Which classes look alike: those that are taken for each other, those nearest to each other, and siblings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ChosenPair:
    """A pair of classes by index, ``first`` being the smaller; ``reason`` as in ``LookalikePair``."""

    first: int
    second: int
    reason: str


def logit_distances(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far apart the recogniser holds every two classes.

    The distance of a and b is the mean of two means: of (logit a - logit b) over pictures of a, and of
    (logit b - logit a) over pictures of b. The bias falls out.

    Args:
        means: (N, P, N), as ``class_means`` gives them.

    Returns:
        (N, N) log-odds, symmetric; infinite on the diagonal and for classes without pictures.
    """
    logits = means.sum(axis=1)  # (N, N): pictures' class, class
    own = np.diagonal(logits)
    distances = (own[:, None] - logits + own[None, :] - logits.T) / 2
    distances[np.isnan(distances)] = np.inf
    np.fill_diagonal(distances, np.inf)
    return np.asarray(distances)


def nearest(distances: NDArray[np.float64], index: int, count: int) -> tuple[int, ...]:
    """Return the classes nearest to one, the nearest first."""
    order = np.argsort(distances[index], kind="stable")[:count]
    return tuple(int(other) for other in order if np.isfinite(distances[index, other]))


def choose_pairs(
    distances: NDArray[np.float64],
    confusion: NDArray[np.int64] | None,
    lineages: Sequence[Sequence[str]],
    limit: int,
) -> tuple[ChosenPair, ...]:
    """Choose the pairs that a guide shows: confused ones first, then every class with its nearest, then siblings.

    Args:
        distances: (N, N), as ``logit_distances`` gives them.
        confusion: (N, N) counts of truth and prediction in an evaluation, if there was one.
        lineages: for every class its names from coarse to fine; empty where it has none.
        limit: the most pairs.
    """
    chosen: dict[tuple[int, int], str] = {}
    for reason, pairs in (
        ("confused", _confused(distances, confusion)),
        ("nearest", _nearest_of_each(distances)),
        ("siblings", _siblings(distances, lineages)),
    ):
        for pair in pairs:
            chosen.setdefault(pair, reason)
    return tuple(ChosenPair(first, second, reason) for (first, second), reason in list(chosen.items())[:limit])


def _confused(distances: NDArray[np.float64], confusion: NDArray[np.int64] | None) -> list[tuple[int, int]]:
    """Return the pairs with mistakes between them, most mistakes first."""
    if confusion is None:
        return []
    mistakes = np.triu(confusion + confusion.T, k=1)
    pairs = [(int(a), int(b)) for a, b in np.argwhere(mistakes > 0) if np.isfinite(distances[a, b])]
    return sorted(pairs, key=lambda pair: (-mistakes[pair], distances[pair]))


def _nearest_of_each(distances: NDArray[np.float64]) -> list[tuple[int, int]]:
    found = {(min(a, b), max(a, b)) for a in range(len(distances)) for b in nearest(distances, a, 1)}
    return sorted(found, key=lambda pair: (distances[pair], pair))


def _siblings(distances: NDArray[np.float64], lineages: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Return the pairs of classes with the same parent."""
    parents: Mapping[int, tuple[str, ...]] = {i: tuple(names[:-1]) for i, names in enumerate(lineages) if names[:-1]}
    pairs = [(a, b) for a, b in combinations(parents, 2) if parents[a] == parents[b] and np.isfinite(distances[a, b])]
    return sorted(pairs, key=lambda pair: (distances[pair], pair))
