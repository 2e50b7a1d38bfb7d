"""Random numbers that a generator decides, on whatever device the batch is."""

from collections.abc import Sequence

import torch
from torch import Tensor


def draw_uniform(shape: Sequence[int], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw float32 numbers in 0..1 (1 excluded); a generator of the CPU gives the same ones on every device."""
    place = generator.device if generator is not None else like.device
    return torch.rand(tuple(shape), generator=generator, device=place).to(like.device)


def draw_normal(shape: Sequence[int], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw float32 standard normal numbers; a generator of the CPU gives the same ones on every device."""
    place = generator.device if generator is not None else like.device
    return torch.randn(tuple(shape), generator=generator, device=place).to(like.device)
