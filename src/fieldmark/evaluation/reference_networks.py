"""Networks that a pretrained one is compared with: itself without training, and one trained on ImageNet."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.errors import ModelError
from fieldmark.evaluation.pretraining_inputs import pictures_in_unit
from fieldmark.models.autoencoders import Autoencoder, AutoencoderSpec, build_autoencoder
from fieldmark.models.autoencoders.contract import InputKind
from fieldmark.models.autoencoders.saved import AutoencoderInfo
from fieldmark.models.backbones import BackboneSpec, build_backbone, load_weights
from fieldmark.training.norm_statistics import reestimate_statistics

#: Smaller pictures are enlarged, so that the map has at least so many cells a side.
_FEWEST_CELLS = 2


@dataclass(frozen=True, slots=True)
class PretrainedBackbone:
    """A network with weights from elsewhere.

    Attributes:
        spec: the network; its ``mean`` and ``std`` are those that the weights want.
        weights: a safetensors file.
        name: what its features are called, as ``ProbeScore.features`` lists them.
    """

    spec: BackboneSpec
    weights: Path
    name: str = "imagenet"


def untrained_autoencoder(spec: AutoencoderSpec, batches: Iterable[Tensor], seed: int) -> Autoencoder:
    """Build an autoencoder with random weights, in evaluation mode.

    The statistics of its batch norms are those of the data: with the initial ones, mean 0 and variance 1, the features
    of deep networks fade or explode, and the comparison would flatter the pretrained network.

    Args:
        spec: what to build.
        batches: inputs of training rows.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        autoencoder = build_autoencoder(spec)
    return with_statistics(autoencoder, batches)


def with_statistics(autoencoder: Autoencoder, batches: Iterable[Tensor]) -> Autoencoder:
    """Return a copy of an autoencoder, in evaluation mode, whose batch norms know whole samples.

    A masked autoencoder was trained on samples with holes, whose statistics are others.

    Args:
        autoencoder: stays as it is.
        batches: inputs of training rows.
    """
    copied = copy.deepcopy(autoencoder)
    module = cast("nn.Module", copied)
    module.eval()
    reestimate_statistics(module, copied.encode, batches)
    return copied


def pretrained_encoder(
    baseline: PretrainedBackbone, info: AutoencoderInfo, kind: InputKind
) -> Callable[[Tensor], Tensor]:
    """Return the function from an autoencoder's pictures to the features (B, C, h, w) of another network.

    Pictures keep their resolution, but are enlarged to twice the network's stride where they are smaller.

    Args:
        baseline: the network and its weights.
        info: the autoencoder's, which tells how its pictures are normalised.
        kind: what a batch of the autoencoder holds.

    Raises:
        ModelError: the autoencoder takes no pictures, or the weights can't be had.
        ConfigError: an unknown network.
    """
    if info.modality != "pictures":
        raise ModelError(
            f"A network of pictures can't be compared with an autoencoder of {info.modality}.",
            "Leave the baseline's weights out.",
        )
    backbone = build_backbone(baseline.spec)
    load_weights(backbone, baseline.weights)
    cast("nn.Module", backbone).eval()
    mean = torch.tensor(backbone.preprocessing.mean).view(1, 3, 1, 1)
    std = torch.tensor(backbone.preprocessing.std).view(1, 3, 1, 1)

    def encode(x: Tensor) -> Tensor:
        unit = pictures_in_unit(x, info, kind)
        smallest, shorter = _FEWEST_CELLS * backbone.stride, min(unit.shape[-2:])
        if shorter < smallest:
            unit = functional.interpolate(unit, scale_factor=smallest / shorter, mode="bilinear", align_corners=False)
        return backbone.forward_features(((unit - mean) / std).contiguous(memory_format=torch.channels_last))

    return encode
