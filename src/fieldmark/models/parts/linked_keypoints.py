"""Keypoints that nobody marked, of categories that share one skeleton."""

import torch
from torch import Tensor, nn

from fieldmark.errors import ConfigError
from fieldmark.models.layers.context import ContextNetwork

#: Standard deviation of a keypoint's bump, as a share of the map's side.
_BUMP = 1 / 16

#: A cell is background's unless some bump is higher than this there.
_BACKGROUND = 0.3


class LinkedKeypoints(nn.Module):
    """Each of K heat maps is one place: the mean of its shares.

    In the manner of AutoLink (He et al., NeurIPS 2022): where the keypoints are differs from picture to picture, which
    of them are linked does not. ``fieldmark.models.autoencoders.skeleton`` learns both by rebuilding.

    Args:
        feature_dim: number C of feature channels.
        names: the names of the K keypoints, at least two.
        width: channels of the layers, a multiple of 8.

    Raises:
        ConfigError: fewer than two keypoints.
    """

    background = True

    def __init__(self, feature_dim: int, names: tuple[str, ...], width: int = 64) -> None:
        super().__init__()
        if len(names) < 2:
            raise ConfigError("A skeleton needs two keypoints or more.", "Ask for more parts, such as 8.")
        self.names = names
        self.context = ContextNetwork(feature_dim, width)
        self.heat = nn.Conv2d(width, len(names), 1)

    def locate(self, features: Tensor) -> Tensor:
        """Turn features (B, C, H, W) into keypoints (B, K, 2): x and y in -1..1, the means of the heat maps."""
        heat = self.heat(self.context(features)).float()  # (B, K, H, W)
        shares = heat.flatten(2).softmax(2).view_as(heat)
        x = (shares.sum(2) * _places(heat.shape[3], heat)).sum(2)
        y = (shares.sum(3) * _places(heat.shape[2], heat)).sum(2)
        return torch.stack([x, y], 2)

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (B, C, H, W) into maps (B, K + 1, H, W) in float32: a bump around each keypoint."""
        bumps = draw_bumps(self.locate(features), features.shape[-2:])
        raised = torch.cat([bumps, torch.full_like(bumps[:, :1], _BACKGROUND)], 1)
        return raised / raised.sum(1, keepdim=True)


def draw_bumps(keypoints: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Draw a Gaussian bump of height 1 around every keypoint.

    Args:
        keypoints: (B, K, 2), x and y in -1..1.
        size: rows H and columns W.

    Returns:
        (B, K, H, W).
    """
    spread = 2 * _BUMP
    across = (_places(size[1], keypoints) - keypoints[..., :1]) / spread  # (B, K, W)
    down = (_places(size[0], keypoints) - keypoints[..., 1:]) / spread  # (B, K, H)
    return torch.exp(-(down.square()[..., None] + across.square()[..., None, :]) / 2)


def draw_links(keypoints: Tensor, pairs: Tensor, weights: Tensor, side: int, thickness: float) -> Tensor:
    """Draw the skeleton: every link a line that fades with the squared distance (AutoLink, equations 2 to 5).

    Args:
        keypoints: (B, K, 2), x and y in -1..1.
        pairs: (2, L) places of the two ends of each link among the keypoints.
        weights: (L,) how strongly each link is drawn, not negative.
        side: rows and columns of the drawing.
        thickness: standard deviation of a line, in units of -1..1.

    Returns:
        (B, 1, side, side): in every place the strongest link's weight times its nearness.
    """
    start, end = keypoints[:, pairs[0]], keypoints[:, pairs[1]]  # (B, L, 2)
    along = end - start
    steps = _places(side, keypoints)
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).view(1, 1, -1, 2)  # (1, 1, side², 2)
    offset = grid - start.unsqueeze(2)  # (B, L, side², 2)
    length = along.square().sum(-1, keepdim=True).clamp_min(1e-6)  # (B, L, 1)
    share = ((offset * along.unsqueeze(2)).sum(-1) / length).clamp(0, 1)  # nearest place on the link, as a share of it
    distance = (offset - share.unsqueeze(-1) * along.unsqueeze(2)).square().sum(-1)  # (B, L, side²)
    near = torch.exp(-distance / thickness**2) * weights.view(1, -1, 1)
    return near.amax(1).view(-1, 1, side, side)


def _places(count: int, like: Tensor) -> Tensor:
    """Return the middles of cells along one side, in -1..1."""
    return (torch.arange(count, device=like.device, dtype=torch.float32) + 0.5) * (2 / count) - 1
