"""How bad mistakes are: how far up the lineage truth and prediction first meet.

The measures are those of Bertinetto et al., *Making Better Mistakes* (CVPR 2020, section 4.1): the height of the lowest
common ancestor, counted in ranks. A species taken for another of its genus costs 1, for one of another genus of its
family 2; two classes that share nothing meet at the root, one above the coarsest rank.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.integer]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Severity:
    """How high truth and prediction meet, on average.

    Attributes:
        of_mistakes: over the mistakes alone, at least 1; ``None`` where there are none.
        of_all: over all samples, what is right counting 0.
    """

    of_mistakes: float | None
    of_all: float


def lineage_nodes(
    classes: Sequence[str], rank_names: Sequence[str], lineage: Mapping[str, Sequence[str]]
) -> NDArray[np.int64]:
    """Number the nodes of every rank of a lineage.

    A node is told by its whole way from the coarsest rank, so two species "Other" of different genera differ.
    A class without a full lineage stands for itself at every rank.

    Args:
        classes: the N class names.
        rank_names: the names of the R ranks, coarse to fine.
        lineage: class → names, coarse to fine, ending in the class.

    Returns:
        (R, N): at each rank the node that each class belongs to, numbered 0, 1, ... in order of appearance.
    """
    nodes = np.empty((len(rank_names), len(classes)), dtype=np.int64)
    for rank in range(len(rank_names)):
        numbers: dict[tuple[bool, tuple[str, ...]], int] = {}
        for index, label in enumerate(classes):
            way = tuple(lineage.get(label, ()))
            full = len(way) == len(rank_names)
            node = (full, way[: rank + 1] if full else (label,))
            nodes[rank, index] = numbers.setdefault(node, len(numbers))
    return nodes


def ancestor_heights(nodes: Indices) -> Floats:
    """Return the height of every two classes' lowest common ancestor, in ranks.

    Args:
        nodes: (R, N), as ``lineage_nodes`` numbers them; the last rank is the classes' own.

    Returns:
        (N, N), symmetric: 0 of a class and itself, 1 where the next coarser rank is shared, R where none is.
    """
    heights: Floats = (nodes[:, :, None] != nodes[:, None, :]).sum(0).astype(np.float64)
    return heights


def mistake_severity(heights: Floats, truth: Indices, predicted: Indices) -> Severity:
    """Return the mean height of the lowest common ancestor of truth and prediction.

    Args:
        heights: (N, N), as ``ancestor_heights`` gives them.
        truth: (B,) class indices.
        predicted: (B,) class indices.
    """
    costs = heights[truth, predicted]
    wrong = truth != predicted
    return Severity(float(costs[wrong].mean()) if wrong.any() else None, float(costs.mean()))


def top_k_distance(heights: Floats, probabilities: Floats, truth: Indices, k: int = 5) -> float:
    """Return the hierarchical distance of the top ``k``: the mean height over the ``k`` most probable classes.

    The truth is one of them at best, so even the best order of classes has a distance above 0.

    Args:
        heights: (N, N), as ``ancestor_heights`` gives them.
        probabilities: (B, N), any scores that grow with probability.
        truth: (B,) class indices.
        k: how many classes count; more than N are as many as N.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float(heights[truth[:, None], best].mean())
