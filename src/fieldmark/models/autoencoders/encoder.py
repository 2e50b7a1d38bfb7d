"""The encoder of a saved autoencoder as a backbone."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from fieldmark.errors import ConfigError
from fieldmark.models.autoencoders.saved import AutoencoderInfo, load_autoencoder
from fieldmark.models.autoencoders.specs import ConvSpec, DenseSpec, RecurrentSpec
from fieldmark.models.backbones import BackboneSpec, OptionValue


def encoder_from_autoencoder(folder: Path) -> tuple[BackboneSpec, dict[str, Tensor]]:
    """Read the encoder of an autoencoder.

    Args:
        folder: a pretraining run, or the autoencoder in it.

    Returns:
        The spec to build a backbone from, and the state dict to fill it with. Its features are the autoencoder's
        codes, of a variational one their means.

    Raises:
        BundleError: there is no autoencoder, or it can't be read.
        ConfigError: it encodes no pictures, or no square ones.
    """
    autoencoder, info = load_autoencoder(folder)
    state = cast("nn.Module", autoencoder).state_dict()
    if isinstance(info.spec, RecurrentSpec):
        raise ConfigError(
            f"The autoencoder in {folder} encodes {info.modality}, and a recogniser looks at pictures.",
            "Give an autoencoder of pictures.",
        )
    if isinstance(info.spec, DenseSpec):
        return _dense_spec(info.spec, info), _means_only(_below(state, "encoder."), info.spec)
    if isinstance(info.spec, ConvSpec):
        return _conv_spec(info.spec, info), _means_only(_below(state, "encoder."), info.spec)
    prefix = "backbone."
    return info.spec.backbone, {name.removeprefix(prefix): tensor for name, tensor in _below(state, prefix).items()}


def _dense_spec(spec: DenseSpec, info: AutoencoderInfo) -> BackboneSpec:
    code = "relu" if spec.beta is None else "linear"
    activations = ",".join(["relu"] * (len(spec.sizes) - 2) + [code])
    return BackboneSpec("fieldmark:dense", {"sizes": spec.sizes, "channels": info.channels, "activations": activations})


def _conv_spec(spec: ConvSpec, info: AutoencoderInfo) -> BackboneSpec:
    options: dict[str, OptionValue] = {"channels": spec.channels, "widths": spec.widths, "code_dim": spec.code_dim}
    if info.preprocessing is not None:
        options["resolution"] = info.preprocessing.resolution
    return BackboneSpec("fieldmark:conv", options)


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name.startswith(prefix)}


def _means_only(state: dict[str, Tensor], spec: DenseSpec | ConvSpec) -> dict[str, Tensor]:
    """Cut the last layer of a variational encoder, which gives log-variances as well, down to the means."""
    if spec.beta is None:
        return state
    last = list(state)[-1].rpartition(".")[0]
    halves = {name: tensor[: len(tensor) // 2].clone() for name, tensor in state.items() if name.startswith(f"{last}.")}
    return state | halves
