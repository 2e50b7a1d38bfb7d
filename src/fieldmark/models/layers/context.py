"""Look around: a small U-shaped network over a map of features."""

from torch import Tensor, nn
from torch.nn import functional

#: Channels that are normalised together.
_GROUP = 8


class ContextNetwork(nn.Module):
    """Turns features that know little but their own place into ones that know the whole picture.

    The map is halved ``levels`` times and brought back, every size adding what the coarser ones saw (Lin et al., CVPR
    2017, the top-down half). Groups are normalised, not batches: a picture's maps must not depend on what else is in
    its batch, nor on whether the network is training.

    Args:
        feature_dim: number C of channels that come in.
        width: channels inside and out, a multiple of 8.
        levels: how often the map is halved; odd sides are rounded up.
    """

    def __init__(self, feature_dim: int, width: int, levels: int = 2) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(feature_dim, width, 1, bias=False), *_after(width))
        self.down = nn.ModuleList(_step(width) for _ in range(levels))
        self.up = nn.ModuleList(_step(width) for _ in range(levels + 1))

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (B, C, H, W) into (B, width, H, W)."""
        sizes = [self.enter(features)]
        for look in self.down:
            sizes.append(look(_halved(sizes[-1])))
        seen: Tensor = self.up[-1](sizes.pop())
        for smooth in reversed(self.up[:-1]):
            finer = sizes.pop()
            raised = functional.interpolate(seen, finer.shape[-2:], mode="bilinear", align_corners=False)
            seen = smooth(finer + raised)
        return seen


def _halved(features: Tensor) -> Tensor:
    """Average features (B, C, H, W) to (B, C, ⌈H / 2⌉, ⌈W / 2⌉).

    Not by a convolution of stride 2: in bfloat16 on the processor, its weights' gradient is garbage where W is 1.
    """
    height, width = features.shape[-2:]
    return functional.adaptive_avg_pool2d(features, (-(-height // 2), -(-width // 2)))


def _step(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), *_after(width))


def _after(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.GroupNorm(max(width // _GROUP, 1), width), nn.ReLU()
