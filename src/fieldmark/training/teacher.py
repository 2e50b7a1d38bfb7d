"""A head that mixes, trained beside one that adds up: it teaches the backbone and the other head, and is not kept.

Deep supervision by a further head is Lee et al., *Deeply-Supervised Nets*, AISTATS 2015; that it also tells the kept
head what it thinks of each picture is Zhang et al., *Be Your Own Teacher*, ICCV 2019.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.models.heads import HEADS

#: How much agreement with the teacher weighs beside the teacher's own loss.
AGREEMENT = 0.5


class Teacher(nn.Module):
    """Tells the classes from all cells together.

    Args:
        head: the name of a head that looks at every cell for itself.
        feature_dim: length C of the cells' vectors.
        classes: number N of classes.
        dropout: as of the head.
    """

    def __init__(self, head: str, feature_dim: int, classes: int, *, dropout: float) -> None:
        super().__init__()
        self.head = cast("nn.Module", HEADS[head](feature_dim, 1, classes, dropout=dropout))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (B, C, H, W) into logits (B, N)."""
        cells = features.flatten(2).transpose(1, 2)  # (B, H·W, C)
        evidence: Tensor = self.head(cells, torch.ones_like(cells[..., 0]))
        return evidence.sum(1) + self.bias


def teacher_loss(taught: Tensor, logits: Tensor, targets: Tensor, *, label_smoothing: float) -> Tensor:
    """Return the teacher's cross-entropy and, weighed by ``AGREEMENT``, that of the logits with what it says.

    The teacher learns nothing from the second.

    Args:
        taught: the teacher's logits (B, N).
        logits: the recogniser's logits (B, N).
        targets: class shares (B, N).
        label_smoothing: share of probability spread over all classes, for the teacher's own loss.
    """
    own = functional.cross_entropy(taught, targets, label_smoothing=label_smoothing)
    return own + AGREEMENT * functional.cross_entropy(logits, taught.detach().softmax(-1))
