"""Padding of pictures to the sizes that a network's stride asks for."""

from torch import Tensor
from torch.nn import functional


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad pictures (B, C, H, W) on the right and below by repeating their edge, until both sides divide."""
    below, right = -x.shape[-2] % multiple, -x.shape[-1] % multiple
    return functional.pad(x, (0, right, 0, below), mode="replicate") if below or right else x
