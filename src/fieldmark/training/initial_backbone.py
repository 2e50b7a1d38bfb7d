"""A backbone that was trained before: by reconstruction, or on other labels."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from fieldmark.errors import BundleError, ConfigError, ModelError
from fieldmark.models.autoencoders import Autoencoder, MaskedConvSpec, MaskedViTSpec, build_around
from fieldmark.models.autoencoders import saved as saved_autoencoder
from fieldmark.models.autoencoders.encoder import encoder_from_autoencoder
from fieldmark.models.backbones import Backbone, BackboneSpec
from fieldmark.models.backbones.keras_encoder import encoder_from_keras
from fieldmark.models.bundle import WEIGHTS_FILE, find_bundle, read_info, spec_from_json
from fieldmark.models.recognizer import Recognizer
from fieldmark.pretraining_results import OWN_TARGETS
from fieldmark.training.config import TrainConfig
from fieldmark.training.pretrain_config import PretrainConfig

#: What comes before the names of a backbone's tensors in a saved run.
_PREFIX = "backbone."

#: The ending of Keras's files.
KERAS_SUFFIX = ".keras"

#: The options that a run to begin from decides.
_DECIDED = ("backbone", "backbone_options", "mean", "std")

#: Smallest hidden block of a second task in pixels: smaller holes are filled in from their edge.
_SMALLEST_BLOCK = 16


Config = TypeVar("Config", TrainConfig, PretrainConfig)


def with_initial_backbone(config: Config) -> Config:
    """Take the backbone's name and options from the run that ``config.init`` names.

    Raises:
        ConfigError: the options name another backbone.
        BundleError: there is no such run, it has not finished or can't be read.
    """
    if config.init == "none":
        return config
    spec, _ = _read(Path(config.init))
    found = {"backbone": spec.name, "backbone_options": spec.options, "mean": spec.mean, "std": spec.std}
    defaults = type(config)()
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
        run: a run of ``fieldmark pretrain`` or ``fieldmark train``, or a ``.keras`` file.

    Raises:
        BundleError: the weights can't be read.
        ModelError: they belong to another network.
    """
    try:
        cast("nn.Module", backbone).load_state_dict(_read(run)[1])
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise ModelError(f"The backbone of {run} does not fit: {first}", "Train it again with this version.") from error


def saved_tensors(start: Path) -> dict[str, Tensor]:
    """Read all tensors of a run of ``fieldmark pretrain`` or ``fieldmark train``.

    Raises:
        BundleError: there is no such run, or they can't be read.
    """
    saved = saved_autoencoder.holds_autoencoder(start)
    folder = saved_autoencoder.find_autoencoder(start) if saved else find_bundle(start)
    try:
        tensors: dict[str, Tensor] = load_file(folder / WEIGHTS_FILE)
    except (OSError, safetensors.SafetensorError) as error:
        raise BundleError(f"{start} can't be read: {error}.", "Train or copy the run again.") from error
    return tensors


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose name begins with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def origin_of(run: Path, fingerprint: str) -> str:
    """Say which data the weights of a run have seen; ``"none"`` where it was these data alone.

    Args:
        run: the run to begin from.
        fingerprint: of the data to train on now.
    """
    if run.suffix == KERAS_SUFFIX:
        return f"encoder in {run.name}"
    if not saved_autoencoder.holds_autoencoder(run):
        return f"recogniser trained on data {read_info(run).data_fingerprint}"
    info = saved_autoencoder.read_autoencoder_info(run)
    if not info.from_scratch:
        origins = (str(info.training.get("weights", "none")), info.feature_target)
        learned = [name for name in origins if name not in OWN_TARGETS]
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
            module, before = cast("nn.Module", autoencoder), saved_autoencoder.load_autoencoder(Path(config.init))[0]
            known, given = module.state_dict(), cast("nn.Module", before).state_dict()
            module.load_state_dict({name: given[name] for name in known if name in given}, strict=False)
            return autoencoder
    stride = backbone.stride
    block = stride * -(-_SMALLEST_BLOCK // stride)
    own = BackboneSpec(config.backbone, config.backbone_options, config.mean, config.std)
    return build_around(MaskedConvSpec(own, block=block), backbone)


def _read(start: Path) -> tuple[BackboneSpec, dict[str, Tensor]]:
    """Read the backbone's spec and tensors of whatever it is that a training may begin from."""
    if start.suffix == KERAS_SUFFIX:
        return encoder_from_keras(start)
    if saved_autoencoder.holds_autoencoder(start):
        return encoder_from_autoencoder(start)
    try:
        return spec_from_json(read_info(start).model).backbone, below(saved_tensors(start), _PREFIX)
    except BundleError as error:
        raise BundleError(
            f"There is nothing to begin from in {start}: {error.message}",
            "Give the folder that `fieldmark pretrain --out` or `fieldmark train --out` wrote, or a .keras file.",
        ) from error
