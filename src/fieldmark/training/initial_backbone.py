"""A backbone that was trained before: by reconstruction, or on other labels."""

from dataclasses import fields, replace
from pathlib import Path
from typing import cast

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fieldmark.errors import BundleError, ConfigError, ModelError
from fieldmark.models.autoencoders import Autoencoder, MaskedConvSpec, MaskedViTSpec, build_around
from fieldmark.models.autoencoders import saved as saved_autoencoder
from fieldmark.models.backbones import Backbone, BackboneSpec
from fieldmark.models.bundle import WEIGHTS_FILE, find_bundle, read_info, spec_from_json
from fieldmark.models.recognizer import Recognizer
from fieldmark.training.config import TrainConfig

#: What comes before the names of a backbone's tensors in a saved run.
_PREFIX = "backbone."

#: The options that a run to begin from decides.
_DECIDED = ("backbone", "backbone_options", "mean", "std")

#: Smallest hidden block of a second task in pixels: smaller holes are filled in from their edge.
_SMALLEST_BLOCK = 16


def with_initial_backbone(config: TrainConfig) -> TrainConfig:
    """Take the backbone's name and options from the run that ``config.init`` names.

    Raises:
        ConfigError: the options name another backbone.
        BundleError: there is no such run, it has not finished or can't be read.
    """
    if config.init == "none":
        return config
    spec = _spec_of(Path(config.init))
    found = {"backbone": spec.name, "backbone_options": spec.options, "mean": spec.mean, "std": spec.std}
    defaults = TrainConfig()
    for name in _DECIDED:
        given, default = getattr(config, name), getattr(defaults, name)
        if given not in (default, found[name]):
            raise ConfigError(
                f"{config.init} was trained with {name} {found[name]!r}, not {given!r}.",
                f"Leave {name} out, or begin without init.",
            )
    return replace(config, backbone=spec.name, backbone_options=spec.options, mean=spec.mean, std=spec.std)


def load_initial_backbone(backbone: Backbone, run: Path) -> None:
    """Fill a backbone with the weights of a run.

    Args:
        backbone: as ``with_initial_backbone`` named it; filled in place.
        run: a run of ``fieldmark pretrain`` or ``fieldmark train``.

    Raises:
        BundleError: the weights can't be read.
        ModelError: they belong to another network.
    """
    try:
        cast("nn.Module", backbone).load_state_dict(_tensors_of(run, _PREFIX))
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise ModelError(f"The backbone of {run} does not fit: {first}", "Train it again with this version.") from error


def origin_of(run: Path, fingerprint: str) -> str:
    """Say which data the weights of a run have seen; ``"none"`` where it was these data alone.

    Args:
        run: the run to begin from.
        fingerprint: of the data to train on now.
    """
    if not saved_autoencoder.holds_autoencoder(run):
        return f"recogniser trained on data {read_info(run).data_fingerprint}"
    info = saved_autoencoder.read_autoencoder_info(run)
    if not info.from_scratch:
        learned = [name for name in (str(info.training.get("weights", "none")), info.feature_target) if name != "none"]
        return f"autoencoder that learned from {' and '.join(Path(name).name for name in learned)}"
    return "none" if info.data_fingerprint == fingerprint else f"autoencoder of data {info.data_fingerprint}"


def joint_autoencoder(config: TrainConfig, recognizer: Recognizer) -> Autoencoder:
    """Return a masked autoencoder around a recogniser's backbone, with the decoder of the run it begins from, if any.

    Raises:
        ConfigError: a masked autoencoder can't be built around this backbone.
    """
    backbone = recognizer.backbone
    torch.manual_seed(config.seed)
    if config.init != "none" and saved_autoencoder.holds_autoencoder(Path(config.init)):
        spec = saved_autoencoder.read_autoencoder_info(Path(config.init)).spec
        if isinstance(spec, MaskedConvSpec | MaskedViTSpec):
            spec = replace(spec, target_dim=0) if isinstance(spec, MaskedConvSpec) else spec
            autoencoder = build_around(spec, backbone)
            known = cast("nn.Module", autoencoder).state_dict()
            tensors = {name: tensor for name, tensor in _tensors_of(Path(config.init), "").items() if name in known}
            cast("nn.Module", autoencoder).load_state_dict(tensors, strict=False)
            return autoencoder
    stride = backbone.stride
    block = stride * -(-_SMALLEST_BLOCK // stride)
    own = BackboneSpec(config.backbone, config.backbone_options, config.mean, config.std)
    return build_around(MaskedConvSpec(own, block=block), backbone)


def _spec_of(run: Path) -> BackboneSpec:
    if saved_autoencoder.holds_autoencoder(run):
        spec = saved_autoencoder.read_autoencoder_info(run).spec
        if "backbone" not in {entry.name for entry in fields(spec)}:
            raise ConfigError(
                f"The autoencoder in {run} is built around no backbone.",
                "Pretrain with --autoencoder masked_conv or masked_vit.",
            )
        return cast("MaskedConvSpec", spec).backbone
    try:
        return spec_from_json(read_info(run).model).backbone
    except BundleError as error:
        raise BundleError(
            f"There is nothing to begin from in {run}: {error.message}",
            "Give the folder that `fieldmark pretrain --out` or `fieldmark train --out` wrote.",
        ) from error


def _tensors_of(run: Path, prefix: str) -> dict[str, Tensor]:
    if saved_autoencoder.holds_autoencoder(run):
        path = saved_autoencoder.find_autoencoder(run) / saved_autoencoder.WEIGHTS_FILE
    else:
        path = find_bundle(run) / WEIGHTS_FILE
    try:
        tensors = load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise BundleError(f"{path} can't be read: {error}.", "Train or copy the run again.") from error
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
