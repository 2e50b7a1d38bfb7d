"""Means of cells that learned queries look for."""

import torch
from torch import Tensor, nn


class AttentionPooling(nn.Module):
    """Every query weighs the cells, averages them by these weights and reads its own slice of values.

    That is multi-query cross-attention without a projection of the keys, which the learned queries take up (efficient
    probing: Psomas et al., *Attention, Please!*, ICLR 2026, arXiv 2506.10178, section 3). Averaging before projecting
    gives the same values at a fraction of the products.

    Args:
        channels: C of the cells.
        queries: number M of queries.
        value_dim: entries V that each query reads.
        scale: positive; scores are scale · (query · cell). The first scores are the same with any scale, because
            queries are drawn the larger the smaller it is; but a step of Adam, which is as long for large entries as
            for small ones, then changes the scores less.
    """

    def __init__(self, channels: int, queries: int, value_dim: int, *, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.queries = nn.Parameter(torch.randn(queries, channels) * (channels**-0.5 / scale))
        self.values = nn.Parameter(torch.randn(queries, channels, value_dim) * channels**-0.5)

    def forward(self, cells: Tensor, presence: Tensor | None = None) -> Tensor:
        """Turn cells (B, C, L) into the values that the queries read (B, M·V).

        Args:
            cells: (B, C, L).
            presence: (B, L), not negative: how much each cell counts; ``None`` counts all alike.
        """
        pooled = self.attend(cells, presence) @ cells.transpose(1, 2)  # (B, M, C)
        values = torch.bmm(pooled.transpose(0, 1), self.values)  # (M, B, V)
        return values.transpose(0, 1).flatten(1)

    def attend(self, cells: Tensor, presence: Tensor | None = None) -> Tensor:
        """Return how each query weighs the cells (B, C, L): (B, M, L), summing to 1 over the cells.

        A cell of presence 0 weighs exactly nothing; where all have presence 0, so do all.
        """
        scores = (self.scale * self.queries) @ cells
        if presence is None:
            return scores.softmax(-1)
        counted = presence.clamp_min(torch.finfo(presence.dtype).tiny).log().unsqueeze(1)  # (B, 1, L)
        return (scores + counted).softmax(-1) * (presence > 0).unsqueeze(1)
