"""The coarser ranks of a lineage as further tasks, without a head of their own.

A rank's node has the probability of all its classes together (as in Bertinetto et al., *Making Better Mistakes*, CVPR
2020, section 3.1), so that ranks can't contradict each other: a species is never more probable than its genus.
"""

import torch
from torch import Tensor

from fieldmark.data.table import Table
from fieldmark.errors import ConfigError
from fieldmark.metrics import lineage_nodes


def coarser_ranks(table: Table) -> Tensor:
    """Return the node of every class at every rank but the finest: (R - 1, N), numbered from 0 at each rank."""
    return torch.from_numpy(lineage_nodes(table.classes, table.rank_names, table.lineage_of())[:-1])


def check_lineage(table: Table) -> None:
    """Check that there are coarser ranks to learn from.

    Raises:
        ConfigError: the table has one rank only.
    """
    if len(table.rank_names) < 2 or not table.lineage_of():
        raise ConfigError(
            "rank_weight weighs the coarser ranks of a lineage, and the data have none.",
            "Give data that have a lineage (docs/data.md tells which formats do), or rank_weight 0.",
        )


def rank_log_probabilities(logits: Tensor, nodes: Tensor) -> Tensor:
    """Return the log-probability of each node of one rank: that of its classes added up.

    Args:
        logits: (B, N) of the classes.
        nodes: (N,), the node of each class, numbered 0, 1, ...

    Returns:
        (B, G), the logarithm of rows that sum to 1.
    """
    classes = logits.log_softmax(1)  # (B, N)
    count = int(nodes.max()) + 1
    places = nodes.expand_as(classes)
    # Relative to each node's largest, so that even the sum of tiny probabilities keeps its logarithm and gradient.
    highest = classes.new_full((len(classes), count), -torch.inf)
    highest = highest.scatter_reduce(1, places, classes.detach(), "amax")  # (B, G)
    shares = (classes - highest.gather(1, places)).exp()
    return highest + classes.new_zeros(len(classes), count).scatter_add(1, places, shares).log()


def rank_loss(logits: Tensor, targets: Tensor, ranks: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy of the coarser ranks, averaged over ranks and pictures.

    Targets are added up as probabilities are: those of a blended picture, and what smoothing spreads over all classes.

    Args:
        logits: (B, N) of the classes.
        targets: class shares (B, N), each row summing to 1.
        ranks: (R - 1, N), as ``coarser_ranks`` gives them.
        label_smoothing: share of probability spread over all classes, in 0..1.
    """
    exact, wanted = logits.float(), targets.float()
    smooth = wanted * (1 - label_smoothing) + label_smoothing / wanted.shape[1]
    losses = []
    for nodes in ranks:
        found = rank_log_probabilities(exact, nodes)  # (B, G)
        shares = torch.zeros_like(found).scatter_add(1, nodes.expand_as(smooth), smooth)
        losses.append(-(shares * found).sum(1).mean())
    return torch.stack(losses).mean()
