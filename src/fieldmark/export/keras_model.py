"""The Keras models that give the same outputs as dense and convolutional autoencoders."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from fieldmark.models.autoencoders.specs import ConvSpec, DenseSpec
from fieldmark.models.backbones.encoder_backbone import side_of

#: torch's own, which Keras has to be told.
_EPSILON, _MOMENTUM = 1e-5, 0.9

#: Pictures in the sample that is compared.
_COMPARED = 4


@dataclass(frozen=True)
class KerasTwin:
    """A Keras model and how values are passed between it and the autoencoder that it equals.

    Attributes:
        model: the ``keras.Model``.
        sample: random inputs, as the autoencoder takes them.
        input_to_keras: from inputs or reconstructions of the autoencoder to the model's.
        code_to_keras: from codes of the autoencoder to the model's.
    """

    model: Any
    sample: Tensor
    input_to_keras: Callable[[Tensor], Tensor]
    code_to_keras: Callable[[Tensor], Tensor]


def dense_twin(keras: ModuleType, spec: DenseSpec, tensors: Mapping[str, Tensor], channels: int) -> KerasTwin:
    """Build the model of a dense autoencoder.

    Args:
        keras: the module.
        spec: the autoencoder's spec, not variational.
        tensors: its state dict.
        channels: channels of the pictures that it takes: their values are channels first here, channels last in Keras.

    Raises:
        ConfigError: several channels and no square picture.
    """
    inputs = spec.sizes[0]
    order = torch.arange(inputs)
    if channels > 1:
        side = side_of(inputs, channels)
        order = order.view(channels, side, side).permute(1, 2, 0).flatten()
    sizes = [*spec.sizes[1:], *spec.sizes[-2::-1]]
    depth = len(spec.sizes) - 1
    names = [f"encoder_{index}" for index in range(1, depth)] + ["code"]
    names += [f"decoder_{index}" for index in range(1, depth)] + ["reconstruction"]
    x = given = keras.Input((inputs,), name="values")
    for name, size in zip(names, sizes, strict=True):
        x = keras.layers.Dense(size, activation="sigmoid" if name == "reconstruction" else "relu", name=name)(x)
    model = keras.Model(given, x, name="dense_autoencoder")
    pairs = [
        (tensors[f"{half}.{2 * index}.weight"], tensors[f"{half}.{2 * index}.bias"]) for half, index in _halves(depth)
    ]
    pairs[0] = (pairs[0][0][:, order], pairs[0][1])
    pairs[-1] = (pairs[-1][0][order], pairs[-1][1][order])
    for name, (weight, bias) in zip(names, pairs, strict=True):
        model.get_layer(name).set_weights([weight.T.numpy(), bias.numpy()])
    sample = torch.rand(_COMPARED, inputs, generator=torch.Generator().manual_seed(0))
    return KerasTwin(model, sample, lambda values: values[:, order], lambda codes: codes)


def conv_twin(keras: ModuleType, spec: ConvSpec, tensors: Mapping[str, Tensor]) -> KerasTwin:
    """Build the model of a convolutional autoencoder; it takes any size that the stride divides.

    Args:
        keras: the module.
        spec: the autoencoder's spec, not variational.
        tensors: its state dict.
    """
    layers, depth = keras.layers, len(spec.widths)
    x = given = keras.Input((None, None, spec.channels), name="pictures")
    for index, width in enumerate(spec.widths, 1):
        # Keras's "same" would pad on one side only where the stride is 2.
        x = layers.ZeroPadding2D(1, name=f"pad_{index}")(x)
        x = layers.Conv2D(width, 3, strides=2, use_bias=False, name=f"down_{index}")(x)
        x = layers.BatchNormalization(epsilon=_EPSILON, momentum=_MOMENTUM, name=f"down_norm_{index}")(x)
        x = layers.ReLU(name=f"down_relu_{index}")(x)
    x = layers.Conv2D(spec.code_dim, 1, name="code")(x)
    x = layers.Conv2D(spec.widths[-1], 1, activation="relu", name="decoder")(x)
    for index, width in enumerate([*spec.widths[-2::-1], spec.widths[0]], 1):
        x = layers.UpSampling2D(2, interpolation="nearest", name=f"rise_{index}")(x)
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"up_{index}")(x)
        x = layers.BatchNormalization(epsilon=_EPSILON, momentum=_MOMENTUM, name=f"up_norm_{index}")(x)
        x = layers.ReLU(name=f"up_relu_{index}")(x)
    x = layers.Conv2D(spec.channels, 3, padding="same", activation="sigmoid", name="reconstruction")(x)
    model = keras.Model(given, x, name="conv_autoencoder")
    for name, place in _conv_places(depth):
        model.get_layer(name).set_weights([tensor.numpy() for tensor in _keras_order(tensors, place)])
    sides = (3 * 2**depth, 2 * 2**depth)
    sample = torch.rand(_COMPARED, spec.channels, *sides, generator=torch.Generator().manual_seed(0))
    return KerasTwin(model, sample, _to_last, _to_last)


def _halves(depth: int) -> Iterator[tuple[str, int]]:
    for half in ("encoder", "decoder"):
        for index in range(depth):
            yield half, index


def _conv_places(depth: int) -> Iterator[tuple[str, str]]:
    """Yield layers of the model that hold tensors, each with the prefix of these in the state dict."""
    for index in range(depth):
        yield f"down_{index + 1}", f"encoder.{index}.0."
        yield f"down_norm_{index + 1}", f"encoder.{index}.1."
    yield "code", f"encoder.{depth}."
    yield "decoder", "decoder.0."
    for index in range(depth):
        yield f"up_{index + 1}", f"decoder.{index + 2}.1."
        yield f"up_norm_{index + 1}", f"decoder.{index + 2}.2."
    yield "reconstruction", f"decoder.{depth + 2}."


def _keras_order(tensors: Mapping[str, Tensor], place: str) -> list[Tensor]:
    """Return a layer's tensors in the order and the shapes of Keras."""
    names = ("weight", "bias", "running_mean", "running_var")
    found = [tensors[place + name] for name in names if place + name in tensors]
    if found[0].ndim == 4:  # (out, in, height, width) of a convolution
        found[0] = found[0].permute(2, 3, 1, 0)
    return found


def _to_last(pictures: Tensor) -> Tensor:
    return pictures.permute(0, 2, 3, 1)
