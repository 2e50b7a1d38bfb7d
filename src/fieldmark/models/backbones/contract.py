"""What the rest of Fieldmark may ask of a backbone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from fieldmark.records import Preprocessing

#: A keyword argument of a network, as JSON can hold it.
OptionValue = str | int | float | bool | None | tuple[int, ...]


class Backbone(Protocol):
    """A network that turns pictures into a map of features.

    Attributes:
        feature_dim: number C of channels of the map.
        stride: pixels of the input per cell of the map.
        preprocessing: what the weights were trained with; its resolution is only a proposal.
    """

    feature_dim: int
    stride: int
    preprocessing: Preprocessing

    def forward_features(self, x: Tensor) -> Tensor:
        """Turn pictures (B, 3, H, W) into features (B, C, H / stride, W / stride)."""
        ...

    def layers_to_stride(self, stride: int) -> Sequence[nn.Module]:
        """Return the first layers, up to the last that works at ``stride`` pixels per cell."""
        ...


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """Which backbone to build; what a bundle keeps of it.

    Attributes:
        name: a timm name, ``torchvision:NAME``, or ``fieldmark:NAME`` for the encoder of an autoencoder.
        options: keyword arguments of the network, such as ``{"pad_type": "same"}``.
        mean: mean per RGB channel (0..1) its weights want; ``None`` takes what the library says.
        std: standard deviation per RGB channel (0..1); ``None`` takes what the library says.
    """

    name: str
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
