"""Where inside its part a part looks."""

import torch
from torch import Tensor, nn
from torch.nn import functional

#: The logarithm of no share at all: e^-27.6.
_NOTHING = 1e-12


class PartAttention(nn.Module):
    """Lets some cells of a part count more than others: those that a query, one a slot, finds like itself.

    A mark is often smaller than its part, and is lost in the part's mean. A cell's share of the vector is its share of
    the part times e^score, made to add up to 1: attention pooling (Ilse et al., ICML 2018) within each part. A vector
    is still a mean over the cells of its part, evidence still adds up, part by part and cell by cell, and where a part
    is stays what its map says. Queries begin as zeros: with the plain mean.

    Args:
        feature_dim: number C of feature channels.
        slots: number P of parts, and of the rest of the picture where it speaks.
    """

    def __init__(self, feature_dim: int, slots: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(slots, feature_dim))

    @property
    def entries(self) -> int:
        """How many products add up to a score."""
        return self.weight.shape[1]

    def forward(self, features: Tensor, weights: Tensor) -> Tensor:
        """Turn features (B, C, H, W) and the cells' weights (B, P, H, W), adding up to 1, into other such weights."""
        cells = features.movedim(1, -1)  # (B, H, W, C)
        scores = torch.einsum("bhwc,pc->bphw", functional.layer_norm(cells, cells.shape[-1:]), self.weight)
        logits = weights.float().clamp_min(_NOTHING).log() + scores.float()
        return logits.flatten(2).softmax(-1).view_as(weights)
