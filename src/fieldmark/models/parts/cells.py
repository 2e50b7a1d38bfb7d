"""Every place as a part of its own: what heads that pool for themselves ask for."""

import torch
from torch import Tensor, nn


class EveryCell(nn.Module):
    """One part a cell; nothing is background. The number of parts is the picture's number of cells."""

    names: tuple[str, ...] = ()
    background = False

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (B, C, H, W) into maps (B, H·W + 1, H, W): one cell each, the background's empty."""
        batch, _, height, width = features.shape
        cells = height * width
        maps = torch.eye(cells + 1, cells, dtype=features.dtype, device=features.device)
        return maps.view(1, cells + 1, height, width).expand(batch, -1, -1, -1)
