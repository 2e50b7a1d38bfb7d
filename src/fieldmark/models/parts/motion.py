"""Move pictures about, so that the maps of their parts can be asked to move along."""

import math

import torch
from torch import Tensor
from torch.nn import functional

#: The largest turn either way in degrees, the largest zoom either way as a factor, the largest shift as a share of half
#: the side.
_TURN, _ZOOM, _SHIFT = 20.0, 1.3, 0.15

#: The largest relative change of each channel, and the largest addition to it in standard deviations.
_GAIN, _OFFSET = 0.2, 0.2


def draw_motion(batch: int, generator: torch.Generator | None, device: torch.device | None = None) -> Tensor:
    """Draw affine maps (B, 2, 3) from a moved picture's coordinates to the picture's, both in -1..1; half mirror."""
    uniform = torch.rand(5, batch, generator=generator)
    scale = torch.exp((2 * uniform[0] - 1) * math.log(_ZOOM))
    angle = (2 * uniform[1] - 1) * math.radians(_TURN)
    mirror = torch.where(uniform[2] < 0.5, -1.0, 1.0)
    across, down = (2 * uniform[3:] - 1) * _SHIFT
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    rows = [torch.stack([cosine * mirror, -sine, across], 1), torch.stack([sine * mirror, cosine, down], 1)]
    return torch.stack(rows, 1).to(device)


def move(pictures: Tensor, theta: Tensor) -> Tensor:
    """Move pictures (B, C, H, W); what comes in at the edges is reflected."""
    grid = functional.affine_grid(theta, list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures.float(), grid, padding_mode="reflection", align_corners=False)


def recolour(pictures: Tensor, generator: torch.Generator | None) -> Tensor:
    """Change every channel of normalised pictures (B, 3, H, W) a little: light must not decide what is a part."""
    draws = 2 * torch.rand(2, *pictures.shape[:2], 1, 1, generator=generator).to(pictures) - 1
    return pictures * (1 + _GAIN * draws[0]) + _OFFSET * draws[1]
