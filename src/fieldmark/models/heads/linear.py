"""One linear map from part vectors to evidence."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from fieldmark.models.heads.part_dropout import PartDropout


class LinearHead(nn.Module):
    """Evidence of part k for class n: presence_k · (w_kn · vector_k).

    With the whole picture as the only part this is the plain pooled classifier.

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
        self.weight = nn.Parameter(torch.empty(parts, classes, feature_dim))
        nn.init.trunc_normal_(self.weight, std=feature_dim**-0.5)

    def forward(self, vectors: Tensor, presence: Tensor) -> Tensor:
        """Turn vectors (B, K, C) and presence (B, K) into evidence (B, K, N) in log-odds."""
        evidence = torch.einsum("bkc,knc->bkn", self.dropout(vectors), self.weight)
        shown: Tensor = self.part_dropout(presence)
        return evidence * shown.unsqueeze(-1)

    def basis(self, vectors: Tensor, presence: Tensor) -> Tensor:
        """Turn vectors (B, K, C) and presence (B, K) into what the rows are multiplied with: (B, K, C)."""
        return vectors * presence.unsqueeze(-1)

    def cell_evidence(self, features: Tensor, weights: Tensor, presence: Tensor, direction: Tensor) -> Tensor:
        """Tell the evidence times a direction (N,) cell by cell: (B, K, H, W), as the contract says."""
        rows = torch.einsum("knc,n->kc", self.weight, direction)
        return torch.einsum("bchw,kc->bkhw", features, rows) * weights * presence[:, :, None, None]

    def class_rows(self) -> Tensor:
        """Return a copy of every class's weights: (K, N, C)."""
        return self.weight.detach().clone()

    def replace_rows(self, rows: Tensor) -> None:
        """Put other weights (K, M, C) in place of these."""
        self.weight = nn.Parameter(rows.to(self.weight).contiguous())
