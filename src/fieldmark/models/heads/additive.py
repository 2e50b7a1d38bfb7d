"""Evidence that is added up: every part is normalised and read on its own."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from fieldmark.models.heads.part_dropout import PartDropout


class AdditiveHead(nn.Module):
    """Evidence of part k for class n: presence_k · (w_kn · norm_k(vector_k) + b_kn).

    Each part has a layer normalisation with a scale and a shift of its own, so that parts with large features say no
    more than others because of that, and each has its own log-odds of the classes, b_k: to be there at all is evidence.
    No part sees another, so a logit is exactly the sum of what the parts say (and the recogniser's bias).

    Args:
        feature_dim: length C of the part vectors.
        parts: number K of parts.
        classes: number N of classes.
        dropout: share of vector entries that are zeroed in training, in 0..1.
        part_dropout: share of the parts that are hidden in training, in 0..1; see ``PartDropout``.

    Raises:
        ConfigError: ``part_dropout`` of a single part.
    """

    additive: ClassVar[bool] = True
    parts: ClassVar[str | None] = None

    def __init__(
        self, feature_dim: int, parts: int, classes: int, *, dropout: float = 0.0, part_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.part_dropout = PartDropout(parts, part_dropout)
        self.dropout = nn.Dropout(dropout)
        # One group a part is a layer normalisation a part; its epsilon keeps the vector of an absent part, which may be
        # zero, finite.
        self.norm = nn.GroupNorm(parts, parts * feature_dim)
        self.weight = nn.Parameter(torch.empty(parts, classes, feature_dim))
        nn.init.trunc_normal_(self.weight, std=(parts * feature_dim) ** -0.5)  # logits have variance 1 at first
        self.bias = nn.Parameter(torch.zeros(parts * classes))  # flat, because vectors don't decay and matrices do

    @property
    def entries(self) -> int:
        """How many products add up to a logit."""
        parts, _, channels = self.weight.shape
        return parts * channels

    def forward(self, vectors: Tensor, presence: Tensor) -> Tensor:
        """Turn vectors (B, K, C) and presence (B, K) into evidence (B, K, N) in log-odds."""
        normed = self._normed(self.dropout(vectors))  # (B, K, C)
        evidence = torch.einsum("bkc,knc->bkn", normed, self.weight) + self.bias.view(self.weight.shape[:2])
        shown: Tensor = self.part_dropout(presence)
        return evidence * shown.unsqueeze(-1)

    def basis(self, vectors: Tensor, presence: Tensor) -> Tensor:
        """Turn vectors (B, K, C) and presence (B, K) into what the rows are multiplied with: (B, K, C + 1)."""
        normed = self._normed(vectors)
        return torch.cat([normed, torch.ones_like(normed[..., :1])], -1) * presence.unsqueeze(-1)

    def cell_evidence(self, features: Tensor, weights: Tensor, presence: Tensor, direction: Tensor) -> Tensor:
        """Tell the evidence times a direction (N,) cell by cell: (B, K, H, W), as the contract says.

        The normalisation divides a part's vector by one number, its deviation over channels, and so every cell's share
        of the vector by the same. What is said whatever the vector is spread as the weights are.
        """
        parts, _, channels = self.weight.shape
        vectors = torch.einsum("bkhw,bchw->bkc", weights, features)
        deviation = (vectors.var(-1, unbiased=False) + self.norm.eps).sqrt()  # (B, K)
        rows = torch.einsum("knc,n->kc", self.weight, direction)
        scaled, shift = rows * self.norm.weight.view(parts, channels), rows * self.norm.bias.view(parts, channels)
        always = shift.sum(1) + self.bias.view(self.weight.shape[:2]) @ direction  # (K,)
        centred = features - features.mean(1, keepdim=True)
        said = torch.einsum("bchw,kc->bkhw", centred, scaled) / deviation[:, :, None, None]
        return (said + always[:, None, None]) * weights * presence[:, :, None, None]

    def class_rows(self) -> Tensor:
        """Return a copy of every class's weights and, last, its bias, of each part: (K, N, C + 1)."""
        bias = self.bias.detach().view(self.weight.shape[:2])
        return torch.cat([self.weight.detach(), bias.unsqueeze(-1)], -1)

    def replace_rows(self, rows: Tensor) -> None:
        """Put other weights and biases (K, M, C + 1) in place of these."""
        self.bias = nn.Parameter(rows[..., -1].to(self.bias).flatten())
        self.weight = nn.Parameter(rows[..., :-1].to(self.weight).contiguous())

    def _normed(self, vectors: Tensor) -> Tensor:
        normed: Tensor = self.norm(vectors.flatten(1)).view_as(vectors)
        return normed
