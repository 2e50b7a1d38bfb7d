"""Second-order pooling: which channels go together in a picture."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.models.heads.part_dropout import refuse_part_dropout
from fieldmark.models.layers import covariance, square_root


class SecondOrderHead(nn.Module):
    """The square root of the covariance of the cells' channels, read by one linear map.

    iSQRT-COV: Li et al., *Towards Faster Training of Global Covariance Pooling Networks by Iterative Matrix Square Root
    Normalization*, CVPR 2018. A covariance belongs to all cells together, so the evidence is the whole picture's. Of a
    single cell there is none, and the evidence is 0.

    Args:
        feature_dim: length C of the cells' vectors.
        parts: not needed; every cell is a part, and their number is the picture's.
        classes: number N of classes.
        dropout: share of the covariance's entries that are zeroed in training, in 0..1.
        part_dropout: must be 0: there are no parts to hide.
        reduced_dim: channels D whose covariance is taken.
        iterations: Newton-Schulz steps to its square root.

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
        reduced_dim: int = 128,
        iterations: int = 5,
    ) -> None:
        super().__init__()
        refuse_part_dropout(part_dropout)
        self.iterations = iterations
        self.reduce = nn.Linear(feature_dim, reduced_dim, bias=False)
        self.norm = nn.BatchNorm1d(reduced_dim)
        self.dropout = nn.Dropout(dropout)
        # The recogniser has a bias.
        self.classifier = nn.Linear(reduced_dim * (reduced_dim + 1) // 2, classes, bias=False)

    def forward(self, vectors: Tensor, presence: Tensor) -> Tensor:
        """Turn cells (B, P, C) and presence (B, P) into evidence (B, 1, N) in log-odds."""
        cells = functional.relu(self.norm(self.reduce(vectors).transpose(1, 2)))  # (B, D, P)
        evidence: Tensor = self.classifier(self.dropout(self._root(cells, presence)))
        return evidence.unsqueeze(1)

    def _root(self, cells: Tensor, presence: Tensor) -> Tensor:
        """Return the upper triangle (B, D·(D + 1) / 2) of the covariance's root, never in less than float32."""
        dtype = torch.promote_types(cells.dtype, torch.float32)
        with torch.autocast(cells.device.type, enabled=False):
            root = square_root(covariance(cells.to(dtype), presence.to(dtype)), self.iterations)  # (B, D, D)
        row, column = torch.triu_indices(root.shape[1], root.shape[1], device=root.device)
        return root[:, row, column]
