"""Frozen networks that embed pictures: from a file of weights, or from a run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from fieldmark.augment import normalise
from fieldmark.errors import BundleError, ConfigError, FieldmarkError
from fieldmark.models.autoencoders.saved import holds_autoencoder, read_autoencoder_info
from fieldmark.models.backbones import BackboneSpec, build_backbone, load_weights
from fieldmark.models.backbones.contract import Backbone
from fieldmark.models.bundle import read_info
from fieldmark.predict.torch_engine import usable_device
from fieldmark.records import Preprocessing
from fieldmark.training.config import TrainConfig
from fieldmark.training.initial_backbone import load_initial_backbone, with_initial_backbone

#: Side in pixels at which a network from a file of weights looks at pictures: half the work of 224, and on groceries as
#: many wrong labels found.
RESOLUTION = 160

#: Pictures that pass the network at once.
BATCH = 64


@dataclass(frozen=True)
class FrozenNetwork:
    """A network that embeds pictures.

    Attributes:
        name: what it is called in the audit.
        preprocessing: how a decoded picture becomes its input.
        embed: from fitted pictures (B, R, R, 3) uint8 to vectors (B, D) float32, R being the resolution.
        learned_from: fingerprint of the labelled table that it was trained on; empty where it saw none of its labels.
    """

    name: str
    preprocessing: Preprocessing
    embed: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
    learned_from: str = ""


def network_from_weights(
    weights: Path,
    backbone: str | None = None,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    resolution: int = RESOLUTION,
    device: str = "cpu",
) -> FrozenNetwork:
    """Load a network from a file of weights.

    Args:
        weights: a safetensors file.
        backbone: the network's name, as ``BackboneSpec`` names it; by default the file's name without its ending.
        mean: mean per RGB channel (0..1) that the weights want; by default what the library says.
        std: deviation per RGB channel (0..1); by default what the library says.
        resolution: side in pixels at which it looks at pictures.
        device: where it runs, as torch names it.

    Raises:
        ModelError: there are no such weights, or they are another network's.
        ConfigError: there is no such network or device.
    """
    name = backbone or weights.stem
    spec = BackboneSpec(name, mean=_channels(mean), std=_channels(std))
    try:
        network = build_backbone(spec)
    except ConfigError as error:
        if backbone is not None:
            raise
        raise ConfigError(error.message, f"Name the network of {weights.name} with --backbone. {error.cure}") from error
    load_weights(network, weights)
    preprocessing = replace(network.preprocessing, resolution=resolution)
    return FrozenNetwork(f"{name} ({weights.name})", preprocessing, _embedder(network, preprocessing, device))


def network_from_run(run: Path, *, device: str = "cpu") -> FrozenNetwork:
    """Load the backbone of a run of ``fieldmark train`` or ``fieldmark pretrain``.

    Args:
        run: the run's folder.
        device: where it runs, as torch names it.

    Raises:
        BundleError: there is no such run, it has not finished, can't be read, or takes no pictures.
        ConfigError: there is no such device.
    """
    try:
        config = with_initial_backbone(TrainConfig(init=str(run)))
    except FieldmarkError as error:
        raise type(error)(error.message, "Give the folder that fieldmark train or pretrain wrote.") from error
    spec = BackboneSpec(config.backbone, config.backbone_options, config.mean, config.std)
    network = build_backbone(spec)
    load_initial_backbone(network, run)
    preprocessing, learned_from = _of_run(run, network)
    return FrozenNetwork(
        f"{config.backbone} of {run.resolve().name}",
        preprocessing,
        _embedder(network, preprocessing, device),
        learned_from,
    )


def _of_run(run: Path, network: Backbone) -> tuple[Preprocessing, str]:
    if not holds_autoencoder(run):
        info = read_info(run)
        return info.preprocessing, info.data_fingerprint
    preprocessing = read_autoencoder_info(run).preprocessing
    if preprocessing is None:
        raise BundleError(f"The autoencoder of {run} takes no pictures.", "Name a run that was trained on pictures.")
    own = network.preprocessing
    return replace(own, resolution=preprocessing.resolution, fit=preprocessing.fit, fill=preprocessing.fill), ""


def _embedder(
    network: Backbone, preprocessing: Preprocessing, device: str
) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    """Return what averages a network's map over all cells."""
    place = usable_device(device)
    cast("nn.Module", network).eval().to(place).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def embed(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        batch = torch.from_numpy(np.array(pixels)).to(place)
        x = normalise(batch, preprocessing.mean, preprocessing.std)  # (B, 3, R, R)
        features = network.forward_features(x.contiguous(memory_format=torch.channels_last))  # (B, C, h, w)
        vectors: npt.NDArray[np.float32] = features.mean((2, 3)).float().cpu().numpy()
        if not np.isfinite(vectors).all():
            raise BundleError("The network gives features that are no numbers.", "Name another network.")
        return vectors

    return embed


def _channels(values: Sequence[float] | None) -> tuple[float, float, float] | None:
    if values is None:
        return None
    red, green, blue = values
    return (red, green, blue)
