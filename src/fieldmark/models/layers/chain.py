"""A chain of layers written as one line of text, so that JSON can hold networks that were made elsewhere.

Steps are separated by commas, words by spaces::

    conv FILTERS KERNEL STRIDE valid|same bias|plain    square kernel; "plain" has no bias
    pad TOP BOTTOM LEFT RIGHT                           zeros
    norm EPSILON                                        batch normalisation
    max SIZE STRIDE valid|same                          pooling, likewise "average"
    relu                                                or another activation

``same`` pads as TensorFlow and Keras do: an output cell for every STRIDE pixels, and the larger half of an odd padding
on the right and below.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.errors import ConfigError
from fieldmark.models.layers.activations import ACTIVATIONS, build_activation


@dataclass(frozen=True)
class Chain:
    """Layers one after the other.

    Attributes:
        layers: one module a step.
        strides: pixels of the input per cell after each step.
        channels: channels after the last step.
    """

    layers: nn.Sequential
    strides: tuple[int, ...]
    channels: int


class SameConv2d(nn.Conv2d):
    """A square convolution that pads as Keras's ``same``."""

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, C, H, W) into (B, filters, ⌈H / stride⌉, ⌈W / stride⌉)."""
        return super().forward(_pad_same(x, self.kernel_size[0], self.stride[0], 0.0))


class SamePool2d(nn.Module):
    """A square pooling that pads as Keras's ``same``; padding never counts.

    Args:
        size: side of the window.
        stride: from one window to the next.
        largest: take the largest value, else the mean.
    """

    def __init__(self, size: int, stride: int, *, largest: bool) -> None:
        super().__init__()
        self.size, self.stride, self.largest = size, stride, largest

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, C, H, W) into (B, C, ⌈H / stride⌉, ⌈W / stride⌉)."""
        if self.largest:
            return functional.max_pool2d(_pad_same(x, self.size, self.stride, float("-inf")), self.size, self.stride)
        shares = _pad_same(torch.ones_like(x[:1, :1]), self.size, self.stride, 0.0)
        means = functional.avg_pool2d(_pad_same(x, self.size, self.stride, 0.0), self.size, self.stride)
        return means / functional.avg_pool2d(shares, self.size, self.stride)


def build_chain(channels: int, text: str) -> Chain:
    """Build the layers of a text.

    Args:
        channels: channels of the input.
        text: see the module's docstring.

    Raises:
        ConfigError: a step that isn't possible.
    """
    modules: list[nn.Module] = []
    strides: list[int] = []
    stride = 1
    for step in (part.strip() for part in text.split(",")):
        name, *words = step.split() or [""]
        try:
            module, channels, factor = _STEPS[name](channels, words) if name in _STEPS else _activate(channels, step)
        except (ValueError, IndexError) as error:
            raise ConfigError(f"{step!r} is no layer.", f"{', '.join(_STEPS)} or an activation: {_NAMES}.") from error
        stride *= factor
        modules.append(module)
        strides.append(stride)
    return Chain(nn.Sequential(*modules), tuple(strides), channels)


_NAMES = ", ".join(ACTIVATIONS)

#: A module, the channels that it gives, and by how much it divides the sides.
_Step = tuple[nn.Module, int, int]


def _activate(channels: int, step: str) -> _Step:
    return build_activation(step), channels, 1


def _convolve(channels: int, words: Sequence[str]) -> _Step:
    filters, kernel, stride = _positive(words[:3])
    kind = {"same": SameConv2d, "valid": nn.Conv2d}[_one_of(words[3], "same", "valid")]
    bias = _one_of(words[4], "bias", "plain") == "bias"
    return kind(channels, filters, kernel, stride, bias=bias), filters, stride


def _pad(channels: int, words: Sequence[str]) -> _Step:
    top, bottom, left, right = (int(word) for word in words)
    return nn.ZeroPad2d((left, right, top, bottom)), channels, 1


def _normalise(channels: int, words: Sequence[str]) -> _Step:
    return nn.BatchNorm2d(channels, eps=float(words[0])), channels, 1


def _pool(channels: int, words: Sequence[str], *, largest: bool) -> _Step:
    size, stride = _positive(words[:2])
    if _one_of(words[2], "same", "valid") == "same":
        return SamePool2d(size, stride, largest=largest), channels, stride
    return (nn.MaxPool2d if largest else nn.AvgPool2d)(size, stride), channels, stride


_STEPS: dict[str, Callable[[int, Sequence[str]], _Step]] = {
    "conv": _convolve,
    "pad": _pad,
    "norm": _normalise,
    "max": lambda channels, words: _pool(channels, words, largest=True),
    "average": lambda channels, words: _pool(channels, words, largest=False),
}


def _positive(words: Sequence[str]) -> tuple[int, ...]:
    numbers = tuple(int(word) for word in words)
    if min(numbers) < 1:
        raise ValueError(f"{min(numbers)} isn't positive")
    return numbers


def _one_of(word: str, *valid: str) -> str:
    if word not in valid:
        raise ValueError(f"{word!r} is none of {valid}")
    return word


def _pad_same(x: Tensor, size: int, stride: int, value: float) -> Tensor:
    below, right = (max((-(-side // stride) - 1) * stride + size - side, 0) for side in x.shape[-2:])
    return functional.pad(x, (right // 2, right - right // 2, below // 2, below - below // 2), value=value)
