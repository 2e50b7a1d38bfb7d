"""The encoder of a Keras autoencoder as a backbone, taken over layer by layer."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fieldmark.errors import ModelError
from fieldmark.models.backbones.contract import BackboneSpec, OptionValue
from fieldmark.models.backbones.encoder_backbone import side_of
from fieldmark.models.backbones.keras_archive import KerasArchive, KerasLayer, unsupported_layer
from fieldmark.models.layers import ACTIVATIONS

#: The layer at which the encoder ends in files that Fieldmark wrote, and in others that name one so.
CODE_LAYER = "code"

#: Layers that leave their input alone once a model is trained.
_INERT = ("Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "ActivityRegularization", "Identity")

#: Layers that are nothing but an activation.
_ACTIVATING = ("Activation", "ReLU", "LeakyReLU", "ELU")

#: Layers with which the decoder of a convolutional autoencoder begins.
_RISING = ("UpSampling2D", "Conv2DTranspose")

_DENSE = ("Flatten", "Dense", *_ACTIVATING, *_INERT)
_CONV = (
    "ZeroPadding2D",
    "Conv2D",
    "BatchNormalization",
    "MaxPooling2D",
    "AveragePooling2D",
    *_ACTIVATING,
    *_INERT,
)

#: The steps of our own convolutional encoder, as a chain spells them.
_OWN_STAGE = r"pad 1 1 1 1, conv (\d+) 3 2 valid plain, norm 1e-05, relu, "
_OWN = re.compile(rf"(?:{_OWN_STAGE})+conv (\d+) 1 1 valid bias")


@dataclass(frozen=True)
class _Step:
    """One step of a chain, with its tensors by name."""

    text: str
    tensors: Mapping[str, Tensor]


def encoder_from_keras(path: Path) -> tuple[BackboneSpec, dict[str, Tensor]]:
    """Read the encoder of a Keras autoencoder.

    It ends at the layer named ``code``; without one, a dense encoder ends at its narrowest layer, a convolutional one
    before the first upsampling. A model without a decoder is an encoder as a whole.

    Args:
        path: a ``.keras`` file of Keras 3; nothing in it is executed.

    Returns:
        The spec to build a backbone from, and the state dict to fill it with. Codes are the same as Keras's for
        pictures with values in 0..1.

    Raises:
        ModelError: no such file, a broken one, a layer that can't be taken over, or h5py isn't installed.
        ConfigError: an input that is no square picture of one or three channels.
    """
    archive = KerasArchive(path)
    try:
        shape = next((layer.config["batch_shape"][1:] for layer in archive.layers if layer.kind == "InputLayer"), None)
        layers = [layer for layer in archive.layers if layer.kind != "InputLayer"]
        convolutional = any(layer.kind == "Conv2D" for layer in layers)
        half = _encoder_half(path, layers, convolutional)
        return _conv_encoder(archive, half, shape) if convolutional else _dense_encoder(archive, half, shape)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelError(
            f"{path} can't be taken over: its description is broken ({type(error).__name__}: {error}).",
            "Save the model again with Keras 3: model.save('model.keras').",
        ) from error


def _encoder_half(path: Path, layers: Sequence[KerasLayer], convolutional: bool) -> list[KerasLayer]:
    named = [index for index, layer in enumerate(layers) if layer.name == CODE_LAYER]
    if named:
        return list(layers[: named[0] + 1])
    if convolutional:
        rises = [index for index, layer in enumerate(layers) if layer.kind in _RISING]
        return list(layers[: rises[0]] if rises else layers)
    widths = [(int(layer.config["units"]), index) for index, layer in enumerate(layers) if layer.kind == "Dense"]
    if not widths:
        raise ModelError(f"{path} has neither dense nor convolutional layers.", "Give an autoencoder of such layers.")
    end = min(widths)[1] + 1
    while end < len(layers) and layers[end].kind in _ACTIVATING:
        end += 1
    return list(layers[:end])


def _dense_encoder(
    archive: KerasArchive, layers: Sequence[KerasLayer], shape: Sequence[int | None] | None
) -> tuple[BackboneSpec, dict[str, Tensor]]:
    sizes: list[int] = []
    activations: list[str] = []
    state: dict[str, Tensor] = {}
    for layer in layers:
        if layer.kind not in _DENSE:
            raise unsupported_layer(archive.path, layer.kind, layer.name, _DENSE)
        if layer.kind == "Dense":
            inputs = sizes[-1] if sizes else None
            weight, bias = _linear(archive, layer, (inputs, int(layer.config["units"])))
            sizes += [weight.shape[1], weight.shape[0]] if not sizes else [weight.shape[0]]
            state |= {
                f"encoder.{2 * len(activations)}.{name}": tensor
                for name, tensor in (("weight", weight), ("bias", bias))
            }
            activations.append(_activation(archive.path, layer))
        elif layer.kind in _ACTIVATING:
            if not activations or activations[-1] != "linear":
                raise ModelError(
                    f"{archive.path} has the activation {layer.name!r} on top of another.", "Use one for each layer."
                )
            activations[-1] = _activation(archive.path, layer)
    channels = _channels_of(archive.path, sizes[0], shape)
    options: dict[str, OptionValue] = {
        "sizes": tuple(sizes),
        "channels": channels,
        "activations": ",".join(activations),
        "channels_last": channels > 1,
    }
    return BackboneSpec("fieldmark:dense", options), state


def _conv_encoder(
    archive: KerasArchive, layers: Sequence[KerasLayer], shape: Sequence[int | None] | None
) -> tuple[BackboneSpec, dict[str, Tensor]]:
    steps: list[_Step] = []
    channels: list[int] = []  # of the input, and after each convolution
    for layer in layers:
        if layer.kind not in _CONV:
            raise unsupported_layer(archive.path, layer.kind, layer.name, _CONV)
        if layer.kind in _INERT:
            continue
        steps += _conv_steps(archive, layer, channels)
    text = ", ".join(step.text for step in steps)
    options: dict[str, OptionValue] = {"channels": channels[0]}
    if shape is not None and isinstance(shape[0], int):
        options["resolution"] = shape[0]
    if _OWN.fullmatch(text):
        widths = tuple(int(found) for found in re.findall(_OWN_STAGE, text))
        names = [f"{stage}.{index}." for stage in range(len(widths)) for index in (None, 0, 1, 2)] + [f"{len(widths)}."]
        return (
            BackboneSpec("fieldmark:conv", {**options, "widths": widths, "code_dim": channels[-1]}),
            _state(steps, names),
        )
    names = [f"{index}." for index in range(len(steps))]
    return BackboneSpec("fieldmark:layers", {**options, "layers": text}), _state(steps, names)


def _state(steps: Sequence[_Step], names: Sequence[str]) -> dict[str, Tensor]:
    return {
        f"encoder.{place}{name}": tensor
        for step, place in zip(steps, names, strict=True)
        for name, tensor in step.tensors.items()
    }


def _conv_steps(archive: KerasArchive, layer: KerasLayer, channels: list[int]) -> list[_Step]:
    """Turn one layer into steps; the channels of a convolution are added to ``channels``."""
    config = layer.config
    if config.get("data_format", "channels_last") != "channels_last":
        raise ModelError(f"{archive.path} has channels first in {layer.name!r}.", "Build it with channels last.")
    if layer.kind == "ZeroPadding2D":
        (top, bottom), (left, right) = config["padding"]
        return [_Step(f"pad {top} {bottom} {left} {right}", {})]
    if layer.kind in ("MaxPooling2D", "AveragePooling2D"):
        name = "max" if layer.kind == "MaxPooling2D" else "average"
        size, stride = _square(archive.path, layer, "pool_size"), _square(archive.path, layer, "strides")
        return [_Step(f"{name} {size} {stride} {config['padding']}", {})]
    if layer.kind == "BatchNormalization":
        return [_normalisation(archive, layer, channels[-1])]
    steps = [_convolution(archive, layer, channels)] if layer.kind == "Conv2D" else []
    activation = _activation(archive.path, layer)
    return steps if steps and activation == "linear" else [*steps, _Step(activation, {})]


def _convolution(archive: KerasArchive, layer: KerasLayer, channels: list[int]) -> _Step:
    config, filters = layer.config, int(layer.config["filters"])
    kernel, stride = _square(archive.path, layer, "kernel_size"), _square(archive.path, layer, "strides")
    if config["groups"] != 1 or _square(archive.path, layer, "dilation_rate") != 1:
        raise ModelError(f"{archive.path} has groups or dilation in {layer.name!r}.", "Use a plain convolution.")
    weight, bias = _linear(archive, layer, (kernel, kernel, channels[-1] if channels else None, filters))
    channels += [weight.shape[1], filters] if not channels else [filters]
    biased = bool(config["use_bias"])
    text = f"conv {filters} {kernel} {stride} {config['padding']} {'bias' if biased else 'plain'}"
    return _Step(text, {"weight": weight, "bias": bias} if biased else {"weight": weight})


def _normalisation(archive: KerasArchive, layer: KerasLayer, width: int) -> _Step:
    config = layer.config
    if config["axis"] not in (-1, 3) or config.get("renorm"):
        raise ModelError(f"{archive.path} normalises unusually in {layer.name!r}.", "Normalise the last axis.")
    there = [name for name, held in (("weight", config["scale"]), ("bias", config["center"])) if held]
    names = [*there, "running_mean", "running_var"]
    tensors = dict(zip(names, map(torch.from_numpy, archive.tensors(layer, [(width,)] * len(names))), strict=True))
    absent = {"weight": torch.ones(width), "bias": torch.zeros(width), "num_batches_tracked": torch.tensor(0)}
    return _Step(f"norm {float(config['epsilon'])!r}", {**absent, **tensors})


def _linear(archive: KerasArchive, layer: KerasLayer, shape: Sequence[int | None]) -> tuple[Tensor, Tensor]:
    """Read a kernel (..., in, out) as torch's weight (out, in, ...), and the bias, zeros where there is none."""
    biased = bool(layer.config["use_bias"])
    kernel, *rest = archive.tensors(layer, [shape, shape[-1:]] if biased else [shape])
    axes = (kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2))
    weight = torch.from_numpy(kernel).permute(axes).contiguous()
    return weight, torch.from_numpy(rest[0]) if rest else torch.zeros(weight.shape[0])


def _activation(path: Path, layer: KerasLayer) -> str:
    config = layer.config
    if layer.kind == "ReLU":
        usual = not (config.get("max_value") or config.get("negative_slope") or config.get("threshold"))
        name: object = "relu" if usual else "a bent ReLU"
    elif layer.kind == "LeakyReLU":
        name = f"leaky_relu:{float(config['negative_slope'])!r}"
    elif layer.kind == "ELU":
        name = "elu" if config["alpha"] == 1 else "a scaled ELU"
    else:
        name = config["activation"]
    name = "silu" if name == "swish" else name
    if not isinstance(name, str) or name.partition(":")[0] not in ACTIVATIONS:
        raise ModelError(
            f"{path} has the activation {name!r} in {layer.name!r}, which can't be taken over.",
            f"Supported: {', '.join(ACTIVATIONS)}.",
        )
    return name


def _square(path: Path, layer: KerasLayer, option: str) -> int:
    value = layer.config[option]
    sides = list(value) if isinstance(value, list) else [value]
    if len(set(sides)) != 1 or not isinstance(sides[0], int):
        raise ModelError(f"{path} has {option} {value} in {layer.name!r}.", "Use the same number for both axes.")
    return sides[0]


def _channels_of(path: Path, inputs: int, shape: Sequence[int | None] | None) -> int:
    """Return the channels of the square picture that a dense layer reads.

    A flat input of n² values is a grey one, of 3·n² a coloured one: no number is both.
    """
    if shape is not None and len(shape) > 1:
        channels = int(shape[2] or 0) if len(shape) == 3 else 1
        if shape[0] != shape[1] or channels not in (1, 3):
            raise ModelError(
                f"{path} takes inputs of {shape}, which are no square pictures.",
                "A recogniser takes square pictures, grey or of three channels.",
            )
        return channels
    coloured = inputs % 3 == 0 and math.isqrt(inputs // 3) ** 2 == inputs // 3
    channels = 3 if coloured else 1
    side_of(inputs, channels)
    return channels
