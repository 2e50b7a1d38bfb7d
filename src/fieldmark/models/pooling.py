"""From part maps to one vector and one presence per part."""

import torch
from torch import Tensor


def pool_parts(features: Tensor, maps: Tensor, *, rest: bool = False) -> tuple[Tensor, Tensor]:
    """Average the features under each part's map.

    Args:
        features: (B, C, H, W).
        maps: (B, K + 1, H, W), each cell's shares of the K parts and the background (last), summing to 1.
        rest: add the background as a last slot, whose presence is 1: there is always a rest of the picture.

    Returns:
        Vectors (B, P, C), each a mean of features weighted by the part's map, and presence (B, P) in 0..1,
        the part's largest share anywhere; P is K, or K + 1 with the rest.
    """
    return pool_cells(features, cell_weights(maps, rest=rest)), part_presence(maps, rest=rest)


def pool_cells(features: Tensor, weights: Tensor) -> Tensor:
    """Average features (B, C, H, W) by weights (B, P, H, W) that add up to 1 over the cells: vectors (B, P, C)."""
    return weights.flatten(2) @ features.flatten(2).transpose(1, 2)


def part_presence(maps: Tensor, *, rest: bool = False) -> Tensor:
    """Return the presence (B, P) of each slot; arguments as of ``pool_parts``."""
    presence = maps[:, :-1].flatten(2).amax(-1)
    return torch.cat([presence, torch.ones_like(presence[:, :1])], 1) if rest else presence


def cell_weights(maps: Tensor, *, rest: bool = False) -> Tensor:
    """Return how much each cell counts in each slot's vector: (B, P, H, W), adding up to 1 over the cells.

    Arguments as of ``pool_parts``.
    """
    shares = maps if rest else maps[:, :-1]
    return shares / shares.sum((2, 3), keepdim=True).clamp_min(1e-6)
