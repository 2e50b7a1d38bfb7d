"""Show pictures another way, so that the maps of their parts can be asked to stay the parts' maps."""

import math

import torch
from torch import Tensor
from torch.nn import functional

#: The largest turn either way in degrees, the largest zoom either way as a factor, the largest shift as a share of half
#: the side.
_TURN, _ZOOM, _SHIFT = 20.0, 1.3, 0.15

#: The largest relative change of each channel, and the largest addition to it in standard deviations.
_GAIN, _OFFSET = 0.2, 0.2

#: Places of a picture that are painted over; how far from its middle, and half of their length and breadth, both as
#: shares of half the side; the deviation of their colours, in standard deviations; how much of the picture is left.
_SPOTS = 4
_SPREAD = 0.8
_HALF_LENGTHS, _HALF_BREADTHS = (0.08, 0.30), (0.06, 0.18)
_COLOURS = 1.2
_MOST_LEFT = 0.5


def another_view(
    pictures: Tensor, theta: Tensor, generator: torch.Generator | None, *, repainted: bool = False
) -> Tensor:
    """Show normalised pictures (B, 3, H, W) moved by ``theta`` (B, 2, 3), in another light, or repainted, too."""
    seen = recolour(move(pictures, theta), generator)
    return repaint(seen, generator) if repainted else seen


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


def repaint(pictures: Tensor, generator: torch.Generator | None) -> Tensor:
    """Paint over a few small places of normalised pictures (B, 3, H, W): a part is a place, whatever mark lies on it.

    A mark is a small place in a colour of its own. Where maps are asked not to follow the colours of such places, a
    part with the mark and the same part without it are one part; otherwise what has one colour is taken for a part, and
    a mark that is missing has no place.
    """
    down, across = ((torch.arange(side) + 0.5) / side * 2 - 1 for side in pictures.shape[-2:])
    for _ in range(_SPOTS):
        draws = torch.rand(6, len(pictures), 1, 1, generator=generator)
        x, y = ((2 * draw - 1) * _SPREAD for draw in draws[:2])
        turn = math.pi * draws[2]
        beside, below = across - x, down.unsqueeze(1) - y  # (B, 1, W), (B, H, 1)
        along = (beside * turn.cos() + below * turn.sin()) / _between(_HALF_LENGTHS, draws[3])
        athwart = (below * turn.cos() - beside * turn.sin()) / _between(_HALF_BREADTHS, draws[4])
        inside = along.square() + athwart.square() <= 1
        share = (inside * _between((_MOST_LEFT, 1.0), draws[5])).unsqueeze(1).to(pictures)
        colours = _COLOURS * torch.randn(*pictures.shape[:2], 1, 1, generator=generator)
        pictures = torch.lerp(pictures, colours.to(pictures), share)
    return pictures


def _between(bounds: tuple[float, float], draw: Tensor) -> Tensor:
    low, high = bounds
    return low + (high - low) * draw
