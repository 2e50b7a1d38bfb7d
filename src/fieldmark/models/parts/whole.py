"""The whole picture as the only part: what a plain pooled recogniser looks at."""

import torch
from torch import Tensor, nn


class WholePicture(nn.Module):
    """One part that covers every cell; nothing is background."""

    names: tuple[str, ...] = ("whole picture",)
    background = False

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (B, C, H, W) into maps (B, 2, H, W): ones for the part, zeros for the background."""
        batch, _, height, width = features.shape
        maps = torch.zeros(batch, 2, height, width, dtype=features.dtype, device=features.device)
        maps[:, 0] = 1
        return maps
