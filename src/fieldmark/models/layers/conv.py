"""Convolutional stages that halve a picture's sides, and such that double them."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from fieldmark.errors import ConfigError


def halving_layers(channels: int, widths: Sequence[int], outputs: int) -> nn.Sequential:
    """Build one halving stage for each width, and a 1 × 1 convolution to the output.

    Args:
        channels: channels of the input.
        widths: channels of each stage, finest first; at least one.
        outputs: channels of the output.

    Raises:
        ConfigError: no widths, or a number that isn't positive.
    """
    if not widths:
        raise ConfigError("A convolutional encoder needs at least one stage.", "Give its widths, such as 32, 64.")
    if min(channels, outputs, *widths) < 1:
        raise ConfigError(
            f"No layers have {channels} channels, the widths {tuple(widths)} and {outputs} outputs.",
            "Give positive numbers.",
        )
    stages = [halving_stage(inputs, width) for inputs, width in pairwise([channels, *widths])]
    return nn.Sequential(*stages, nn.Conv2d(widths[-1], outputs, 1))


def halving_stage(inputs: int, outputs: int) -> nn.Sequential:
    """Build a convolution of stride 2 with its normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def doubling_stage(inputs: int, outputs: int) -> nn.Sequential:
    """Build an upsampling to twice the sides with a convolution, its normalisation and ReLU."""
    # Nearest upsampling and a convolution leave no checkerboard, unlike transposed convolutions (Odena et al. 2016).
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
