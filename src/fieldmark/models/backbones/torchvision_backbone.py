"""Convolutional networks of torchvision as backbones."""

import math
from collections.abc import Sequence

import torch
import torchvision
from torch import Tensor, nn

from fieldmark.errors import ConfigError, ModelError, unknown_name
from fieldmark.models.backbones.contract import BackboneSpec
from fieldmark.records import Preprocessing

#: Every network of torchvision.models that keeps its layers under ``features`` ends in a map.
_PROPOSED_RESOLUTION = 224


class TorchvisionBackbone(nn.Module):
    """A torchvision network that keeps its layers under ``features`` (SqueezeNet, VGG, DenseNet, MobileNet, ...).

    Args:
        spec: the network's name without ``torchvision:``, keyword arguments and normalisation.
        pretrained: load torchvision's default weights (from its local cache or the network).

    Raises:
        ConfigError: no such network, one without ``features``, or a keyword argument it does not take.
        ModelError: the pretrained weights can't be had.
    """

    def __init__(self, spec: BackboneSpec, *, pretrained: bool = False) -> None:
        super().__init__()
        names = torchvision.models.list_models(module=torchvision.models)
        if spec.name not in names:
            raise unknown_name("torchvision network", spec.name, names)
        network = _create(spec, pretrained)
        features = getattr(network, "features", None)
        if not isinstance(features, nn.Sequential):
            raise ConfigError(
                f"torchvision's {spec.name} keeps no `features`.",
                f"Use timm's network: --backbone {spec.name}.",
            )
        self.features = features
        proposed = Preprocessing(_PROPOSED_RESOLUTION)
        self.preprocessing = Preprocessing(
            proposed.resolution, mean=spec.mean or proposed.mean, std=spec.std or proposed.std
        )
        self._strides: list[int] = []
        with torch.no_grad():
            x = torch.zeros(1, 3, _PROPOSED_RESOLUTION, _PROPOSED_RESOLUTION)
            self.eval()
            for layer in self.features:
                x = layer(x)
                self._strides.append(2 ** round(math.log2(_PROPOSED_RESOLUTION / x.shape[-1])))
        self.train()
        self.feature_dim = x.shape[1]
        self.stride = self._strides[-1]

    def forward_features(self, x: Tensor) -> Tensor:
        """Turn pictures (B, 3, H, W) into features (B, C, H / stride, W / stride)."""
        features: Tensor = self.features(x)
        return features

    def layers_to_stride(self, stride: int) -> Sequence[nn.Module]:
        """Return the first layers, up to the last that works at ``stride`` pixels per cell.

        Raises:
            ConfigError: the network has no such stride.
        """
        if stride not in self._strides:
            there = ", ".join(str(value) for value in sorted(set(self._strides)))
            raise ConfigError(f"The backbone has no layers to freeze at stride {stride}.", f"Its strides: {there}.")
        last = max(index for index, value in enumerate(self._strides) if value == stride)
        return list(self.features[: last + 1])


def _create(spec: BackboneSpec, pretrained: bool) -> nn.Module:
    try:
        network: nn.Module = torchvision.models.get_model(
            spec.name, weights="DEFAULT" if pretrained else None, **spec.options
        )
    except TypeError as error:
        raise ConfigError(f"{spec.name} can't be built: {error}.", "Check the backbone options.") from error
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"The weights of {spec.name} can't be fetched: {str(error).splitlines()[0]}",
            "Pass a local safetensors file with --weights FILE, or train from scratch with --weights none.",
        ) from error
    return network
