"""Rank back-off: the genus where the species is not certain enough.

A rank's name is as probable as its members together, so coarser names are never less probable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.integer]


@dataclass(frozen=True)
class Rank:
    """One rank of a lineage, with M names.

    Attributes:
        name: such as ``"genus"``.
        names: what its M nodes are called.
        node_of_class: (N,) the node of every class.
    """

    name: str
    names: tuple[str, ...]
    node_of_class: NDArray[np.int64]

    def probabilities(self, of_classes: Floats) -> Floats:
        """Add up the members' probabilities: (B, N) to (B, M)."""
        members = np.zeros((len(self.node_of_class), len(self.names)))
        members[np.arange(len(self.node_of_class)), self.node_of_class] = 1
        return np.asarray(of_classes @ members)


def ranks_of(
    classes: Sequence[str], rank_names: Sequence[str], lineage: Mapping[str, Sequence[str]]
) -> tuple[Rank, ...]:
    """Return the ranks, coarse to fine, of which the last is the classes themselves.

    A node is told by its whole way from the coarsest rank; a class without a full lineage stands for itself at every
    rank.

    Args:
        classes: the N class names.
        rank_names: the names of the ranks, coarse to fine.
        lineage: class → names, coarse to fine, ending in the class.
    """
    ranks = []
    for depth, name in enumerate(rank_names, start=1):
        nodes: dict[tuple[str, ...], int] = {}
        node_of_class = np.empty(len(classes), dtype=np.int64)
        for index, label in enumerate(classes):
            way = tuple(lineage.get(label, ()))
            own = depth == len(rank_names) or len(way) != len(rank_names)
            node = (*way[: depth - 1], label) if own else way[:depth]
            node_of_class[index] = nodes.setdefault(node, len(nodes))
        ranks.append(Rank(name, tuple(node[-1] for node in nodes), node_of_class))
    return tuple(ranks)


def precision_threshold(
    confidence: Floats, correct: NDArray[np.bool_], precision: float, *, given: int = 0, wrong: int = 0
) -> float | None:
    """Return the smallest confidence from which on names are right often enough.

    Of the held-out rows that get a name, the share of mistakes, one more counted than there were, is at most
    1 − precision: the correction by which conformal risk control keeps its promise on new rows (Angelopoulos et al.,
    ICLR 2024, equation 4), here of the rows that get a name.

    Args:
        confidence: (B,) of the most probable names, in 0..1.
        correct: (B,) whether they are right.
        precision: wanted share of right names, in 0..1.
        given: rows that got a name at a deeper rank, and count too.
        wrong: those of them whose name is wrong.

    Returns:
        The confidence; ``None`` where no threshold is enough.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    mistakes = wrong + np.cumsum(~correct[order]) + 1
    named = given + np.arange(1, len(ranked) + 1) + 1
    last_of_equals = np.append(ranked[1:] < ranked[:-1], True)[: len(ranked)]
    enough = np.flatnonzero((mistakes <= (1 - precision) * named + 1e-9) & last_of_equals)
    return float(ranked[enough[-1]]) if len(enough) else None


def fit_rank_thresholds(
    ranks: Sequence[Rank], probabilities: Floats, truth: Indices, precision: float
) -> dict[str, float | None]:
    """Return rank → smallest probability with which its name is given, so that all names given are right often enough.

    The finest rank comes first. A coarser one is fitted on the rows that are left without a name: those that are
    certain of their species say nothing of how far a genus can be trusted where the species is in doubt.

    Args:
        ranks: coarse to fine.
        probabilities: (B, N) of held-out rows.
        truth: (B,) class indices.
        precision: wanted share of right names, in 0..1.
    """
    thresholds: dict[str, float | None] = {}
    left = np.ones(len(truth), dtype=bool)
    given = wrong = 0
    for rank in reversed(ranks):
        nodes = rank.probabilities(probabilities[left])
        best, confidence = nodes.argmax(axis=1), nodes.max(axis=1)
        correct = best == rank.node_of_class[truth[left]]
        threshold = precision_threshold(confidence, correct, precision, given=given, wrong=wrong)
        thresholds[rank.name] = threshold
        if threshold is not None:
            named = confidence >= threshold
            given += int(named.sum())
            wrong += int((named & ~correct).sum())
            left[np.flatnonzero(left)[named]] = False
    return {rank.name: thresholds[rank.name] for rank in ranks}
