"""Random geometry and colour for a whole batch at once: one resampling, then a few products."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from fieldmark.augment.lighting import relight
from fieldmark.augment.occlusion import Occlusion

#: A crop's aspect ratio is drawn between 1 / _ASPECT and _ASPECT, log-uniformly.
_ASPECT = 1.15

#: Share of the colour strength by which single channels drift (colour temperature).
_CHANNEL_SHARE = 0.3


def normalise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Turn uint8 pictures (B, H, W, 3) into the float32 input (B, 3, H, W) of a network, channels last in memory.

    Args:
        pixels: RGB, 0..255.
        mean: mean per channel on the 0..1 scale.
        std: standard deviation per channel on the 0..1 scale.
    """
    x = pixels.to(torch.float32)
    scale = torch.tensor([1 / (255 * s) for s in std], device=x.device)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=x.device)
    return x.mul_(scale).add_(shift).permute(0, 3, 1, 2)


class Drawn(NamedTuple):
    """An augmented batch, and what was done to it.

    Attributes:
        pictures: normalised float32 pictures (B, 3, R, R).
        theta: affine maps (B, 2, 3) from their coordinates to those of the pictures before, both in -1..1
            (``torch.nn.functional.affine_grid`` without aligned corners). ``move_keypoints`` takes them.
        covered: (B, R, R), what of them is hidden behind an occluder; ``None`` where none is drawn.
    """

    pictures: Tensor
    theta: Tensor
    covered: Tensor | None


@dataclass(frozen=True, slots=True)
class BatchAugment:
    """Random crop, mirror, rotation, colour, occlusion and light of a batch.

    Attributes:
        resolution: side in pixels of the result.
        mean: mean per RGB channel (0..1) subtracted at the end.
        std: standard deviation per RGB channel (0..1) divided by at the end.
        flip: mirror half of the pictures.
        crop_scale: smallest area of a crop, as a share of the picture, in (0, 1].
        rotation: largest rotation either way, in degrees.
        color: largest relative change of brightness, contrast and saturation, in [0, 1).
        occlusion: what covers places of some pictures; ``None`` covers none.
        lighting: strength of other gammas, shadows and colour temperatures (``relight``), in 0..1, of the pictures that
            nothing covers.
    """

    resolution: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    flip: bool = True
    crop_scale: float = 1.0
    rotation: float = 0.0
    color: float = 0.0
    occlusion: Occlusion | None = None
    lighting: float = 0.0

    def __call__(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Augment a batch.

        Args:
            pixels: uint8 RGB pictures (B, S, S, 3).
            generator: source of all chance; the same state gives the same result.

        Returns:
            Normalised float32 pictures (B, 3, resolution, resolution).
        """
        return self.drawn(pixels, generator).pictures

    def drawn(self, pixels: Tensor, generator: torch.Generator) -> Drawn:
        """Augment a batch, and tell what was done to it; the pictures are those of ``__call__``.

        Args:
            pixels: uint8 RGB pictures (B, S, S, 3).
            generator: source of all chance.
        """
        # Planes one after the other: resampling runs twice as fast so; the bytes are the cheapest to move.
        x = pixels.permute(0, 3, 1, 2).contiguous().to(torch.float32).div_(255)
        theta = self._geometry(len(x), generator).to(x.device)
        side = self.resolution
        # Far smaller outputs would alias: halve first with a box filter.
        while x.shape[-1] >= 2 * side:
            x = functional.avg_pool2d(x, 2)
        grid = functional.affine_grid(theta, [len(x), 3, side, side], align_corners=False)
        x = functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
        if self.color:
            x = self._recolor(x, generator)
        covered = None
        if self.occlusion is not None:
            x, covered = self.occlusion(x, generator)
        if self.lighting:
            lit = relight(x, self.lighting, generator)
            # one corruption a picture, so that something is left to learn fine marks from
            x = lit if covered is None else torch.where(covered.flatten(1).any(1).view(-1, 1, 1, 1), x, lit)
        scale = x.new_tensor([1 / s for s in self.std]).view(1, 3, 1, 1)
        shift = x.new_tensor([-m / s for m, s in zip(self.mean, self.std, strict=True)]).view(1, 3, 1, 1)
        return Drawn(x.mul_(scale).add_(shift).contiguous(memory_format=torch.channels_last), theta, covered)

    def _geometry(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw affine maps (B, 2, 3) from the result's coordinates to the picture's, both in -1..1."""
        uniform = torch.rand(6, batch, generator=generator)
        side = torch.sqrt(self.crop_scale + (1 - self.crop_scale) * uniform[0])
        free = self.crop_scale < 1
        aspect = torch.exp((2 * uniform[1] - 1) * math.log(_ASPECT) / 2) if free else torch.ones(batch)
        width, height = side * aspect, side / aspect
        angle = (2 * uniform[2] - 1) * math.radians(self.rotation)
        mirror = torch.where(uniform[3] < 0.5, -1.0, 1.0) if self.flip else torch.ones(batch)
        right = (2 * uniform[4] - 1) * (1 - width).clamp_min(0)
        down = (2 * uniform[5] - 1) * (1 - height).clamp_min(0)
        cosine, sine = torch.cos(angle), torch.sin(angle)
        rows = [
            torch.stack([width * cosine * mirror, -height * sine, right], 1),
            torch.stack([width * sine * mirror, height * cosine, down], 1),
        ]
        return torch.stack(rows, 1)

    def _recolor(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Change saturation, contrast, brightness and channels of pictures (B, 3, R, R) in 0..1."""
        batch = len(x)
        draws = 1 + self.color * (2 * torch.rand(3, batch, 1, 1, 1, generator=generator) - 1)
        drift = 1 + _CHANNEL_SHARE * self.color * (2 * torch.rand(batch, 3, 1, 1, generator=generator) - 1)
        saturation, contrast, brightness = draws.to(x.device)
        drift = drift.to(x.device)
        grey = x.mean(1, keepdim=True)
        average = grey.mean((2, 3), keepdim=True)
        # The three linear maps joined: one product with x, one with its grey version, one constant.
        gain = brightness * drift
        x = x * (saturation * contrast * gain) + grey * ((1 - saturation) * contrast * gain)
        return x.add_(average * ((1 - contrast) * gain)).clamp_(0, 1)


def mix_batch(x: Tensor, targets: Tensor, strength: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blend every picture and its target with another of the batch (mixup: Zhang et al., ICLR 2018, eq. 1).

    Args:
        x: pictures (B, 3, H, W).
        targets: class shares (B, N), each row summing to 1.
        strength: alpha of the Beta distribution that the shares are drawn from; positive.
        generator: source of all chance.

    Returns:
        The blended pictures and targets, shapes kept.
    """
    alpha = torch.full((len(x), 2), strength)
    gamma = torch._standard_gamma(alpha, generator=generator).clamp_min(1e-6)  # two gammas make a Beta
    share = gamma[:, 0] / gamma.sum(1)
    other = torch.randperm(len(x), generator=generator)
    pixels = share.view(-1, 1, 1, 1)
    mixed = x * pixels + x[other] * (1 - pixels)
    return mixed, targets * share.unsqueeze(1) + targets[other] * (1 - share.unsqueeze(1))
