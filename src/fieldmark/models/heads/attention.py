"""Attention pooling: learned queries look for the cells that tell the classes."""

from typing import ClassVar

from torch import Tensor, nn

from fieldmark.models.heads.part_dropout import refuse_part_dropout
from fieldmark.models.layers import AttentionPooling


class AttentionHead(nn.Module):
    """Queries pool normalised cells (``AttentionPooling``); one linear map reads what they found.

    What a query finds in one place depends on all others, so the evidence belongs to the picture as a whole.

    Args:
        feature_dim: length C of the cells' vectors.
        parts: not needed; every cell is a part, and their number is the picture's.
        classes: number N of classes.
        dropout: share of the queries' values that are zeroed in training, in 0..1.
        part_dropout: must be 0: there are no parts to hide.
        queries: number of queries.
        value_dim: entries that each query reads.

    Raises:
        ConfigError: ``part_dropout`` is not 0.
    """

    additive: ClassVar[bool] = False
    parts: ClassVar[str | None] = "cells"

    def __init__(
        self,
        feature_dim: int,
        parts: int,  # noqa: ARG002  the contract's
        classes: int,
        *,
        dropout: float = 0.0,
        part_dropout: float = 0.0,
        queries: int = 8,
        value_dim: int = 64,
    ) -> None:
        super().__init__()
        refuse_part_dropout(part_dropout)
        self.norm = nn.LayerNorm(feature_dim)
        self.pooling = AttentionPooling(feature_dim, queries, value_dim, scale=feature_dim**-0.5)
        self.value_norm = nn.LayerNorm(queries * value_dim)  # means of cells are far smaller than cells
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(queries * value_dim, classes, bias=False)  # the recogniser has a bias

    def forward(self, vectors: Tensor, presence: Tensor) -> Tensor:
        """Turn cells (B, P, C) and presence (B, P) into evidence (B, 1, N) in log-odds."""
        values = self.pooling(self.norm(vectors).transpose(1, 2), presence)  # (B, M·V)
        evidence: Tensor = self.classifier(self.dropout(self.value_norm(values)))
        return evidence.unsqueeze(1)
