"""Any network of timm as a backbone."""

import math
from collections.abc import Callable, Sequence

import timm
import torch
from torch import Tensor, nn

from fieldmark.errors import ConfigError, ModelError, unknown_name
from fieldmark.models.backbones.contract import BackboneSpec
from fieldmark.records import Preprocessing


class TimmBackbone(nn.Module):
    """A timm network without its classifier.

    With timm's own arguments ``features_only=True, out_indices=(0, 1, 2)`` the network ends after the last of these
    stages: its features stay fine and local.

    Args:
        spec: the network's name, keyword arguments and normalisation.
        pretrained: load timm's weights for this name (from its local cache or the network).

    Raises:
        ConfigError: no such network, or a keyword argument it does not take.
        ModelError: the pretrained weights can't be had.
    """

    def __init__(self, spec: BackboneSpec, *, pretrained: bool = False) -> None:
        super().__init__()
        if not timm.is_model(spec.name):
            raise unknown_name("timm network", spec.name, timm.list_models())
        self.network = _create(spec, pretrained)
        config = timm.data.resolve_model_data_config(self.network)
        self.preprocessing = Preprocessing(
            resolution=int(config["input_size"][-1]),
            mean=spec.mean or tuple(config["mean"]),
            std=spec.std or tuple(config["std"]),
        )
        self._channels_last = getattr(self.network, "output_fmt", "NCHW") == "NHWC"
        # Plain modules to the type checker; a network cut short has no method for features: it gives them.
        self._features: Callable[[Tensor], Tensor | list[Tensor]] = getattr(
            self.network, "forward_features", self.network.forward
        )
        self._token_grid: Callable[[torch.Size], tuple[int, int]] | None = getattr(
            getattr(self.network, "patch_embed", None), "dynamic_feat_size", None
        )
        side = self.preprocessing.resolution
        probe = self.eval().forward_features(torch.zeros(1, 3, side, side))
        self._retire_unused(probe)
        self.train()
        self.feature_dim = probe.shape[1]
        info = _stages(self.network)
        self.stride = info[-1][0] if info else side // probe.shape[2]

    def _retire_unused(self, probe: Tensor) -> None:
        """Take parameters that no feature depends on (a norm of the removed head) out of training."""
        parameters = list(self.network.parameters())
        used = torch.autograd.grad(probe.sum(), parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, used, strict=True):
            parameter.requires_grad_(gradient is not None)

    def forward_features(self, x: Tensor) -> Tensor:
        """Turn pictures (B, 3, H, W) into features (B, C, H / stride, W / stride)."""
        found = self._features(x)
        features = found[-1] if isinstance(found, list) else found
        if features.ndim == 3:  # (B, prefix + H·W, C) of a transformer
            tokens = features[:, getattr(self.network, "num_prefix_tokens", 0) :]
            side = math.isqrt(tokens.shape[1])
            rows, columns = self._token_grid(x.shape[-2:]) if self._token_grid else (side, side)
            return tokens.transpose(1, 2).reshape(len(x), -1, rows, columns)
        return features.permute(0, 3, 1, 2) if self._channels_last else features

    def layers_to_stride(self, stride: int) -> Sequence[nn.Module]:
        """Return the first layers, up to the last that works at ``stride`` pixels per cell.

        Raises:
            ConfigError: the network has no such stride.
        """
        stages = dict(_stages(self.network))
        if len(stages) < 2 or stride not in stages:
            strides = ", ".join(str(key) for key in stages) if len(stages) > 1 else "none"
            raise ConfigError(f"The backbone has no layers to freeze at stride {stride}.", f"Its strides: {strides}.")
        last, layers = stages[stride], []
        for name, module in _layers_in_order(self.network):
            layers.append(module)
            if name == last:
                break
        return layers


def _stages(network: nn.Module) -> list[tuple[int, str]]:
    """List stride and last module of each stage that a network ends or offers features at, in order."""
    info = getattr(network, "feature_info", [])
    entries = info.get_dicts() if hasattr(info, "get_dicts") else info  # of a network cut short
    return [(int(entry["reduction"]), entry["module"]) for entry in entries]


def _layers_in_order(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """List the direct children, containers opened one level, in the order they were made."""
    layers: list[tuple[str, nn.Module]] = []
    for name, child in network.named_children():
        if isinstance(child, nn.Sequential | nn.ModuleList) and name in ("blocks", "stages", "features"):
            layers += [(f"{name}.{inner}", module) for inner, module in child.named_children()]
        else:
            layers.append((name, child))
    return layers


def _create(spec: BackboneSpec, pretrained: bool) -> nn.Module:
    try:
        network: nn.Module = timm.create_model(spec.name, pretrained=pretrained, num_classes=0, **spec.options)
    except TypeError as error:
        raise ConfigError(f"{spec.name} can't be built: {error}.", "Check the backbone options.") from error
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"The weights of {spec.name} can't be fetched: {str(error).splitlines()[0]}",
            "Pass a local safetensors file with --weights FILE, or train from scratch with --weights none.",
        ) from error
    return network
