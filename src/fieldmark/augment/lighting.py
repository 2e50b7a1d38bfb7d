"""Change the light of pictures: the protocol by which robustness is measured, and what training does of it.

All changes are of sRGB values in 0..1 as they are, without undoing the display's gamma: so ImageNet-C does, from which
the levels of brightness and contrast are (Hendrycks & Dietterich, ICLR 2019).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fieldmark.errors import unknown_name

#: The light that pictures are assumed to be balanced for, in kelvin.
DAYLIGHT = 6500.0

#: Wave lengths in metres that stand for red, green and blue; Planck's second radiation constant in metre kelvin.
_WAVES = (610e-9, 540e-9, 465e-9)
_PLANCK = 1.4388e-2

#: The display's gamma: a light's gain g changes sRGB values by about g to the power of 1 / gamma.
_DISPLAY = 2.2

#: Edge of a shadow: how far its middle may lie from the picture's, and how steep it is, both in half sides.
_SHADOW_OFFSET = 0.5
_SHADOW_STEEPNESS = (2.0, 9.0)

#: At full strength, training draws gammas between 1 / _GAMMA and _GAMMA, shadows up to this depth, and colour
#: temperatures between these two; half of the pictures get a shadow.
_GAMMA = 3.0
_DEPTH = 0.9
_WARMEST, _COLDEST = 2500.0, 15000.0

#: Changes pictures (B, 3, R, R) in 0..1 by a level (B,) each; the generator draws what a level leaves open.
Change = Callable[[Tensor, Tensor, torch.Generator], Tensor]


@dataclass(frozen=True, slots=True)
class Light:
    """One kind of bad light.

    Attributes:
        change: does it.
        levels: those that the protocol measures.
        unit: what a level is, in words.
    """

    change: Change
    levels: tuple[float, ...]
    unit: str


def brighten(pictures: Tensor, levels: Tensor, _: torch.Generator) -> Tensor:
    """Add to the value of HSV, keeping hue and saturation."""
    value = pictures.amax(1, keepdim=True)
    wanted = (value + _column(levels)).clamp(0, 1)
    # black has no hue: it turns grey
    return torch.where(value > 0, pictures * (wanted / value.clamp_min(1e-6)), wanted)


def flatten_contrast(pictures: Tensor, levels: Tensor, _: torch.Generator) -> Tensor:
    """Keep only a share of every channel's difference from its mean."""
    mean = pictures.mean((2, 3), keepdim=True)
    return ((pictures - mean) * _column(levels) + mean).clamp(0, 1)


def bend(pictures: Tensor, levels: Tensor, _: torch.Generator) -> Tensor:
    """Raise all values to a power: above 1 darkens the middle tones."""
    return pictures.clamp(0, 1).pow(_column(levels))


def shade(pictures: Tensor, levels: Tensor, generator: torch.Generator) -> Tensor:
    """Darken one side by a share, with a soft edge of any direction."""
    angle, offset, steepness = torch.rand(3, len(pictures), 1, 1, generator=generator).to(pictures.device)
    angle = 2 * math.pi * angle
    offset = _SHADOW_OFFSET * (2 * offset - 1)
    steepness = _SHADOW_STEEPNESS[0] + (_SHADOW_STEEPNESS[1] - _SHADOW_STEEPNESS[0]) * steepness
    down, across = ((torch.arange(side, device=pictures.device) + 0.5) * 2 / side - 1 for side in pictures.shape[2:])
    slope = torch.cos(angle) * across.view(1, 1, -1) + torch.sin(angle) * down.view(1, -1, 1)
    dark = torch.sigmoid(steepness * (slope - offset)).unsqueeze(1)  # (B, 1, R, R)
    return pictures * (1 - _column(levels) * dark)


def colour_gains(kelvin: Tensor) -> Tensor:
    """Return what light of a colour temperature (B,) does to red, green and blue (B, 3) balanced for daylight.

    Planck's law in Wien's approximation at three wave lengths (Finlayson & Hordley, JOSA A 2001, section 2), relative
    to ``DAYLIGHT`` and to green, so that lightness stays about the same.
    """
    waves = torch.tensor(_WAVES, dtype=torch.float64, device=kelvin.device)
    shift = (1 / kelvin.to(torch.float64) - 1 / DAYLIGHT).unsqueeze(1)  # (B, 1)
    power = -_PLANCK * shift * (1 / waves - 1 / waves[1])
    return torch.exp(power / _DISPLAY).to(torch.float32)


def warm(pictures: Tensor, levels: Tensor, _: torch.Generator) -> Tensor:
    """Light a picture by another colour temperature, in kelvin: the lower, the redder."""
    return (pictures * colour_gains(levels)[:, :, None, None]).clamp(0, 1)


#: Name → the kinds of light that the protocol measures.
LIGHTS: dict[str, Light] = {
    "brightness": Light(brighten, (0.1, 0.2, 0.3, 0.4, 0.5), "added to the value"),
    "contrast": Light(flatten_contrast, (0.4, 0.3, 0.2, 0.1, 0.05), "share kept"),
    "gamma": Light(bend, (0.4, 0.6, 1.5, 2.0, 3.0), "exponent"),
    "shadow": Light(shade, (0.3, 0.45, 0.6, 0.75, 0.9), "depth"),
    "temperature": Light(warm, (2500.0, 3500.0, 5000.0, 9000.0, 15000.0), "kelvin"),
}

#: The kinds that ``relight`` trains; the others are never trained on as such.
TRAINED_LIGHTS = ("gamma", "shadow", "temperature")


def lighting_series(
    pixels: NDArray[np.uint8], window: Sequence[float], kind: str, levels: Sequence[float], seed: int
) -> NDArray[np.uint8]:
    """Put one picture into a kind of light, at some levels.

    Args:
        pixels: the fitted picture (R, R, 3), RGB.
        window: left, top, width and height of the picture inside the square, in px; padding stays as it is.
        kind: a name in ``LIGHTS``.
        levels: L levels.
        seed: the same one gives the same shadow.

    Returns:
        The pictures (L, R, R, 3).

    Raises:
        ConfigError: there is no such kind.
    """
    if kind not in LIGHTS:
        raise unknown_name("kind of light", kind, LIGHTS)
    side = len(pixels)
    left, top = (max(0, round(edge)) for edge in window[:2])
    right, bottom = (min(side, round(window[place] + window[place + 2])) for place in (0, 1))
    seen = torch.from_numpy(np.array(pixels[top:bottom, left:right])).permute(2, 0, 1).to(torch.float32).div_(255)
    changed = []
    for level in levels:  # each with the same shadow
        generator = torch.Generator().manual_seed(seed)
        changed.append(LIGHTS[kind].change(seen.unsqueeze(0), torch.tensor([level]), generator)[0])
    out = np.repeat(pixels[None], len(levels), 0)
    lit = (torch.stack(changed).clamp(0, 1) * 255).round().to(torch.uint8)
    out[:, top:bottom, left:right] = lit.permute(0, 2, 3, 1).numpy()
    return out


def relight(pictures: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Put every picture of a batch into another gamma, colour temperature and, half of them, a shadow.

    Args:
        pictures: (B, 3, R, R) in 0..1.
        strength: 0 changes nothing; 1 draws gammas between 1/3 and 3, shadows up to 0.9, 2500 to 15,000 K.
        generator: source of all chance.

    Returns:
        The pictures in 0..1, shape kept.
    """
    draws = torch.rand(4, len(pictures), generator=generator)
    gamma = torch.exp(strength * math.log(_GAMMA) * (2 * draws[0] - 1))
    reach = torch.where(draws[1] < 0.5, 1 / _WARMEST - 1 / DAYLIGHT, 1 / _COLDEST - 1 / DAYLIGHT)
    kelvin = 1 / (1 / DAYLIGHT + strength * (2 * draws[1] - 1).abs() * reach)
    depth = torch.where(draws[2] < 0.5, strength * _DEPTH * draws[3], 0.0)
    bent = bend(pictures, gamma.to(pictures.device), generator)
    return shade(warm(bent, kelvin.to(pictures.device), generator), depth.to(pictures.device), generator)


def _column(levels: Tensor) -> Tensor:
    return levels.view(-1, 1, 1, 1)
