"""From part maps to one vector and one presence per part."""

from torch import Tensor


def pool_parts(features: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Average the features under each part's map.

    Args:
        features: (B, C, H, W).
        maps: (B, K + 1, H, W), each cell's shares of the K parts and the background (last), summing to 1.

    Returns:
        Vectors (B, K, C), each a mean of features weighted by the part's map, and presence (B, K) in 0..1,
        the part's largest share anywhere.
    """
    parts = maps[:, :-1].flatten(2)  # (B, K, H·W)
    weights = parts / parts.sum(-1, keepdim=True).clamp_min(1e-6)
    vectors = weights @ features.flatten(2).transpose(1, 2)  # (B, K, C)
    return vectors, parts.amax(-1)
