"""The k-nearest-neighbour probe."""

from collections.abc import Iterator

import numpy as np

from fieldmark.evaluation.probes.contract import Floats, Groups, Indices, Probabilities, check_training
from fieldmark.evaluation.probes.folds import group_numbers

#: Numbers k of neighbours that are tried.
NEIGHBOURS = (1, 5, 20)

#: Similarities are divided by this before they become votes (DINO).
TEMPERATURE = 0.07

#: Rows compared with all others at once; bounds the memory.
_BLOCK = 1024


def knn_probe(
    train: Floats,
    labels: Indices,
    test: Floats,
    *,
    groups: Groups | None = None,
    seed: int = 0,  # noqa: ARG001  the contract's; nothing is drawn
) -> Probabilities:
    """Let the k most similar training rows vote, each by exp(cosine / 0.07) (Wu et al., CVPR 2018, section 3.4).

    DINO (Caron et al., ICCV 2021) reads features so, with k = 20. Here k is the one of ``NEIGHBOURS`` that finds most
    training rows when they and their group are left out: with few samples a class, 20 are too many. Vectors (N, D) are
    brought to length 1 and otherwise left alone. Arguments, result and errors are those of ``Probe``.
    """
    classes = check_training(train, labels)
    known = _unit(train)
    owners = group_numbers(groups, len(train))
    right = np.zeros(len(NEIGHBOURS))
    for start, similar, places in _most_similar(known, known, owners):
        truth = labels[start : start + len(places)]
        right += [(_vote(similar, labels[places], k, classes).argmax(1) == truth).sum() for k in NEIGHBOURS]
    best = NEIGHBOURS[int(right.argmax())]
    votes = [_vote(similar, labels[places], best, classes) for _, similar, places in _most_similar(_unit(test), known)]
    return np.concatenate(votes) if votes else np.zeros((0, classes))


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = (vectors / np.maximum(length, np.finfo(np.float32).tiny)).astype(np.float32)
    return unit


def _most_similar(
    queries: Floats, known: Floats, owners: Indices | None = None
) -> Iterator[tuple[int, Floats, Indices]]:
    """Yield blocks of queries: the first one's place, and of each its neighbours' similarities and places, best first.

    With ``owners`` the queries are the known rows, and those of a query's own group are not its neighbours: their
    similarity is minus infinity.
    """
    count = min(max(NEIGHBOURS), len(known))
    for start in range(0, len(queries), _BLOCK):
        similar = queries[start : start + _BLOCK] @ known.T  # (B, N)
        if owners is not None:
            similar[owners[start : start + _BLOCK, None] == owners[None, :]] = -np.inf
        places = np.argpartition(-similar, count - 1, axis=1)[:, :count]
        nearest = np.take_along_axis(similar, places, axis=1)
        order = np.argsort(-nearest, axis=1, kind="stable")
        yield start, np.take_along_axis(nearest, order, axis=1), np.take_along_axis(places, order, axis=1)


def _vote(similar: Floats, classes_of: Indices, k: int, classes: int) -> Probabilities:
    """Turn similarities (B, n), best first, and the neighbours' classes (B, n) into shares of the votes of k."""
    similar, classes_of = similar[:, :k].astype(np.float64), classes_of[:, :k]
    best = np.where(np.isfinite(similar[:, :1]), similar[:, :1], 0)  # no neighbours at all
    weights = np.exp((similar - best) / TEMPERATURE)
    votes = np.zeros((len(similar), classes))
    np.add.at(votes, (np.arange(len(similar))[:, None], classes_of), weights)
    total = votes.sum(axis=1, keepdims=True)
    shares: Probabilities = np.divide(votes, total, out=np.full_like(votes, 1 / classes), where=total > 0)
    return shares
