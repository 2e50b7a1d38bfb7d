"""Encoders of autoencoders as backbones: small networks that take values in 0..1, of one channel or of three."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor, nn

from fieldmark.errors import ConfigError, ModelError, unknown_name
from fieldmark.models.backbones.contract import BackboneSpec
from fieldmark.models.backbones.oriented_gradients import OrientedGradients
from fieldmark.models.layers import build_activation, build_chain, dense_layers, halving_layers, pad_to_multiple
from fieldmark.records import Preprocessing

#: What these encoders want unless told otherwise: values as they are, in 0..1.
UNIT_MEAN = (0.0, 0.0, 0.0)
UNIT_STD = (1.0, 1.0, 1.0)


class ConvEncoder(nn.Module):
    """The encoder of a convolutional autoencoder: ``fieldmark:conv``.

    Any size goes in: pictures are padded to a multiple of ``stride`` by repeating their edge.

    Args:
        channels: channels of the pictures that it was trained on: 3, or 1 for grey ones.
        widths: channels of each stage, finest first; every stage halves the picture.
        code_dim: channels of the code map.
        resolution: side of pictures to propose, in pixels.

    Raises:
        ConfigError: a number that isn't possible.
    """

    def __init__(
        self, channels: int = 3, widths: Sequence[int] = (32, 64, 128), code_dim: int = 32, resolution: int = 64
    ) -> None:
        super().__init__()
        self._channels = _check_channels(channels)
        self.encoder = halving_layers(channels, widths, code_dim)
        self.feature_dim = code_dim
        self.stride = 2 ** len(widths)
        self.preprocessing = Preprocessing(resolution, UNIT_MEAN, UNIT_STD)

    def forward_features(self, x: Tensor) -> Tensor:
        """Turn pictures (B, 3, H, W) into codes (B, code_dim, ⌈H / stride⌉, ⌈W / stride⌉)."""
        features: Tensor = self.encoder(pad_to_multiple(_as_channels(x, self._channels), self.stride))
        return features

    def layers_to_stride(self, stride: int) -> Sequence[nn.Module]:
        """Return the first layers, up to the last that works at ``stride`` pixels per cell.

        Raises:
            ConfigError: the network has no such stride.
        """
        strides = [2**index for index in range(1, len(self.encoder))]
        return _up_to_stride(self.encoder, [*strides, self.stride], stride)


class DenseEncoder(nn.Module):
    """The encoder of a dense autoencoder: ``fieldmark:dense``.

    It takes square pictures of one size, and gives one cell.

    Args:
        sizes: entries of the input, of each hidden layer, and of the code last.
        channels: channels of the pictures that it was trained on: 3, or 1 for grey ones.
        activations: names in ``ACTIVATIONS``, one for each layer, separated by commas; empty for ReLU everywhere.
        channels_last: a pixel's channels lie side by side in the input, as Keras has them.

    Raises:
        ConfigError: sizes or names that aren't possible, or an input that is no square picture.
    """

    def __init__(
        self,
        sizes: Sequence[int] = (784, 128, 64),
        channels: int = 1,
        activations: str = "",
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self._channels = _check_channels(channels)
        self._channels_last = channels_last
        names = [name.strip() for name in activations.split(",")] if activations else ["relu"] * (len(sizes) - 1)
        if len(names) != len(sizes) - 1:
            raise ConfigError(
                f"{len(names)} activations don't fit {len(sizes) - 1} layers.", "Give one for each layer, or none."
            )
        self.encoder = dense_layers(sizes, names[:-1])
        self.activation = build_activation(names[-1])
        self.feature_dim = sizes[-1]
        self.stride = side_of(sizes[0], channels)
        self.preprocessing = Preprocessing(self.stride, UNIT_MEAN, UNIT_STD)

    def forward_features(self, x: Tensor) -> Tensor:
        """Turn pictures (B, 3, side, side) into codes (B, D, 1, 1).

        Raises:
            ConfigError: the pictures have another size.
        """
        side = self.stride
        if (x.shape[-2], x.shape[-1]) != (side, side):
            raise ConfigError(
                f"The dense encoder takes pictures of {side} × {side} px, not {x.shape[-2]} × {x.shape[-1]}.",
                f"Use a resolution of {side} px everywhere, or a convolutional encoder, which takes any.",
            )
        pictures = _as_channels(x, self._channels)  # (B, channels, side, side)
        flat = (pictures.permute(0, 2, 3, 1) if self._channels_last else pictures).flatten(1)
        codes: Tensor = self.activation(self.encoder(flat))  # (B, D)
        return codes[..., None, None]

    def layers_to_stride(self, stride: int) -> Sequence[nn.Module]:
        """Return all layers: they work at the one stride that there is.

        Raises:
            ConfigError: another stride.
        """
        return _up_to_stride(self.encoder, [self.stride] * len(self.encoder), stride)


class ChainEncoder(nn.Module):
    """An encoder that was made elsewhere: ``fieldmark:layers``.

    Args:
        layers: what ``fieldmark.models.layers.build_chain`` reads, such as
            ``"conv 16 3 1 same bias, relu, max 2 2 same"``.
        channels: channels of the pictures that it was trained on: 3, or 1 for grey ones.
        resolution: side of pictures to propose, in pixels.

    Raises:
        ConfigError: a layer that isn't possible.
    """

    def __init__(self, layers: str, channels: int = 3, resolution: int = 64) -> None:
        super().__init__()
        chain = build_chain(_check_channels(channels), layers)
        self._channels = channels
        self._strides = chain.strides
        self.encoder = chain.layers
        self.feature_dim = chain.channels
        self.stride = chain.strides[-1]
        self.preprocessing = Preprocessing(resolution, UNIT_MEAN, UNIT_STD)

    def forward_features(self, x: Tensor) -> Tensor:
        """Turn pictures (B, 3, H, W) into features (B, C, H / stride, W / stride), cut or padded as the layers do."""
        features: Tensor = self.encoder(_as_channels(x, self._channels))
        return features

    def layers_to_stride(self, stride: int) -> Sequence[nn.Module]:
        """Return the first layers, up to the last that works at ``stride`` pixels per cell.

        Raises:
            ConfigError: the network has no such stride.
        """
        return _up_to_stride(self.encoder, self._strides, stride)


#: Encoder name → class.
ENCODERS: dict[str, Callable[..., ConvEncoder | DenseEncoder | ChainEncoder | OrientedGradients]] = {
    "conv": ConvEncoder,
    "dense": DenseEncoder,
    "gradients": OrientedGradients,
    "layers": ChainEncoder,
}


def build_encoder(
    spec: BackboneSpec, *, pretrained: bool = False
) -> ConvEncoder | DenseEncoder | ChainEncoder | OrientedGradients:
    """Build the encoder of a name in ``ENCODERS``.

    Args:
        spec: name, keyword arguments and normalisation, by which values stay in 0..1 unless told otherwise.
        pretrained: there are no weights to load.

    Raises:
        ConfigError: no such encoder, or a keyword argument that it doesn't take.
        ModelError: pretrained weights are asked for.
    """
    if spec.name not in ENCODERS:
        raise unknown_name("encoder", spec.name, ENCODERS)
    if pretrained:
        raise ModelError(
            f"fieldmark:{spec.name} comes without weights.",
            "Start from an autoencoder that you pretrained: --init RUN.",
        )
    try:
        encoder = ENCODERS[spec.name](**spec.options)
    except TypeError as error:
        raise ConfigError(f"fieldmark:{spec.name} can't be built: {error}.", "Check the backbone options.") from error
    proposed = encoder.preprocessing
    encoder.preprocessing = replace(proposed, mean=spec.mean or proposed.mean, std=spec.std or proposed.std)
    return encoder


def side_of(inputs: int, channels: int) -> int:
    """Return the side in pixels of the square picture whose values are a dense layer's inputs.

    Raises:
        ConfigError: there is no such square.
    """
    side = math.isqrt(inputs // channels)
    if channels * side**2 != inputs:
        raise ConfigError(
            f"{inputs:,} values are no square picture of {channels} channels.",
            "A recogniser takes square pictures; pretrain on such ones, such as 784 values for 28 × 28 grey pixels.",
        )
    return side


def _check_channels(channels: int) -> int:
    if channels not in (1, 3):
        raise ConfigError(f"An encoder can't take {channels} channels.", "Give 3, or 1 for grey pictures.")
    return channels


def _as_channels(x: Tensor, channels: int) -> Tensor:
    """Make pictures grey, by the mean of their channels, where an encoder takes one channel."""
    return x.mean(1, keepdim=True) if channels == 1 else x


def _up_to_stride(layers: nn.Sequential, strides: Sequence[int], stride: int) -> Sequence[nn.Module]:
    if stride not in strides:
        there = ", ".join(str(value) for value in sorted(set(strides)))
        raise ConfigError(f"The backbone has no layers to freeze at stride {stride}.", f"Its strides: {there}.")
    last = max(index for index, value in enumerate(strides) if value == stride)
    return list(layers[: last + 1])
