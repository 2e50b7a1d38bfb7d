"""Histograms of oriented gradients as a network without weights: what a masked autoencoder may learn to predict."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.errors import ConfigError
from fieldmark.records import Preprocessing

#: What a backbone's spec calls it.
NAME = "gradients"

_UNIT_MEAN, _UNIT_STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

#: Added to the length of a histogram: a cell without an edge stays near zero in place of amplified noise.
_FLAT = 0.05


class OrientedGradients(nn.Module):
    """How strong edges are in each direction, by cells (Dalal and Triggs, CVPR 2005).

    Predicting these in hidden places teaches a network more than predicting pixels does, and needs no weights that were
    learned on other data (MaskFeat: Wei et al., CVPR 2022, section 3.2). Directions are unsigned; each colour channel
    has its own histogram, brought to length 1.

    Args:
        cell: side of a cell in pixels.
        stride: pixels of the input per cell of the map; the histograms of all cells in it are its channels.
        bins: directions that are told apart.

    Raises:
        ConfigError: a stride that is no multiple of the cell.
    """

    def __init__(self, cell: int = 8, stride: int = 16, bins: int = 9) -> None:
        super().__init__()
        if cell < 1 or stride < cell or stride % cell:
            raise ConfigError(
                f"Cells of {cell} px don't fit a stride of {stride} px.",
                "Give a stride that is a multiple of the cell.",
            )
        self.cell, self.stride, self.bins = cell, stride, bins
        self.feature_dim = 3 * bins * (stride // cell) ** 2
        self.preprocessing = Preprocessing(224, _UNIT_MEAN, _UNIT_STD)

    def forward_features(self, x: Tensor) -> Tensor:
        """Turn pictures (B, 3, H, W) with values in 0..1 into histograms (B, feature_dim, H / stride, W / stride)."""
        batch, channels, height, width = x.shape
        padded = functional.pad(x.float(), (1, 1, 1, 1), mode="replicate")
        across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
        down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
        strength = (across.square() + down.square()).sqrt()
        direction = torch.atan2(down, across) % math.pi / math.pi * self.bins  # 0..bins
        places = direction.floor().long() % self.bins
        share = direction - direction.floor()  # of the next bin, so that a small turn changes little
        votes = x.new_zeros(batch, channels, self.bins, height, width, dtype=torch.float32)
        votes.scatter_add_(2, places.unsqueeze(2), (strength * (1 - share)).unsqueeze(2))
        votes.scatter_add_(2, ((places + 1) % self.bins).unsqueeze(2), (strength * share).unsqueeze(2))
        cells = functional.avg_pool2d(votes.flatten(1, 2), self.cell)  # (B, 3 · bins, H / cell, W / cell)
        histograms = cells.reshape(batch, channels, self.bins, *cells.shape[2:])
        normed = histograms / (histograms.norm(dim=2, keepdim=True) + _FLAT)
        factor = self.stride // self.cell
        grid = normed.flatten(1, 2)
        whole = grid[..., : grid.shape[-2] // factor * factor, : grid.shape[-1] // factor * factor]
        return functional.pixel_unshuffle(whole, factor)

    def layers_to_stride(self, stride: int) -> Sequence[nn.Module]:
        """Return nothing: no layer has weights.

        Raises:
            ConfigError: another stride than its own.
        """
        if stride != self.stride:
            raise ConfigError(f"The map of gradients has no stride of {stride}.", f"Its stride: {self.stride}.")
        return []
