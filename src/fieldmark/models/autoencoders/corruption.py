"""Noise on the input of an autoencoder, which makes it a denoising one (Vincent et al. 2008)."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from fieldmark.errors import ConfigError, unknown_name
from fieldmark.models.autoencoders.drawing import draw_normal, draw_uniform


class Corruption(Protocol):
    """A change to a float batch of any shape that the network has to undo."""

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return a corrupted batch of the same shape; ``x`` stays as it is."""
        ...


class NoCorruption:
    """Leave the batch alone."""

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        """Return the batch itself."""
        return x


class GaussianNoise:
    """Add normal noise.

    Args:
        strength: its standard deviation, above 0, in the units of the input.
    """

    def __init__(self, strength: float) -> None:
        if strength <= 0:
            raise ConfigError(
                f"Gaussian noise can't have strength {strength}.", "Give its standard deviation, above 0."
            )
        self.strength = strength

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the batch with noise added."""
        return x + self.strength * draw_normal(x.shape, x, generator).to(x.dtype)


class MaskingNoise:
    """Set entries to zero, each on its own (Vincent et al. 2008, section 2.3).

    Args:
        strength: share of entries, above 0 and below 1.
    """

    def __init__(self, strength: float) -> None:
        if not 0 < strength < 1:
            raise ConfigError(f"Masking noise can't have strength {strength}.", "Give a share above 0 and below 1.")
        self.strength = strength

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the batch with entries set to zero."""
        return x * (draw_uniform(x.shape, x, generator) >= self.strength)


#: Corruption name → what builds it from a strength.
CORRUPTIONS: dict[str, Callable[[float], Corruption]] = {
    "none": lambda _: NoCorruption(),
    "gaussian": GaussianNoise,
    "mask": MaskingNoise,
}


def build_corruption(name: str, strength: float) -> Corruption:
    """Build a corruption.

    Args:
        name: a name in ``CORRUPTIONS``.
        strength: what the corruption takes; ``"none"`` ignores it.

    Raises:
        ConfigError: an unknown name or an impossible strength.
    """
    if name not in CORRUPTIONS:
        raise unknown_name("corruption", name, CORRUPTIONS)
    return CORRUPTIONS[name](strength)
