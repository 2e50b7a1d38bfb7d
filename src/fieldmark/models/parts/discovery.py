"""Parts that nobody marked: K learned descriptors and one of the background compete for every cell."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.errors import ConfigError
from fieldmark.models.layers.context import ContextNetwork

#: Cosines are multiplied by this before the softmax: sharp enough that a cell can be one part's alone.
_SHARPNESS = 12.0


class DiscoveredParts(nn.Module):
    """Each cell goes to the descriptor that it is most like.

    In the manner of MPAE (ICCV 2025) and PDiscoNet (van der Klis et al., ICCV 2023). What the cells are compared by is
    the backbone's features after a look around, because two places of one colour may belong to different parts. The
    evidence is weighed on the backbone's own features, which may be as local as wanted.

    Args:
        feature_dim: number C of feature channels.
        names: the names of the K parts.
        width: length of a descriptor, a multiple of 8.

    Raises:
        ConfigError: no part at all.
    """

    background = True

    def __init__(self, feature_dim: int, names: tuple[str, ...], width: int = 64) -> None:
        super().__init__()
        if not names:
            raise ConfigError("Discovered parts need a number.", "Say how many, such as --parts 8.")
        self.names = names
        self.context = ContextNetwork(feature_dim, width)
        self.project = nn.Conv2d(width, width, 1)
        self.descriptors = nn.Parameter(torch.empty(len(names) + 1, width))
        nn.init.orthogonal_(self.descriptors)

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (B, C, H, W) into maps (B, K + 1, H, W) in float32, background last."""
        cells = functional.normalize(self.project(self.context(features)).float(), dim=1)  # (B, D, H, W)
        descriptors = functional.normalize(self.descriptors.float(), dim=1)  # (K + 1, D)
        likeness = torch.einsum("bdhw,kd->bkhw", cells, descriptors)  # cosines
        return (_SHARPNESS * likeness).softmax(1)
