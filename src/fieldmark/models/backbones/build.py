"""Build a backbone by name and fill it with local weights."""

import difflib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from fieldmark.errors import ConfigError, ModelError
from fieldmark.models.backbones.contract import Backbone, BackboneSpec
from fieldmark.models.backbones.encoder_backbone import build_encoder
from fieldmark.models.backbones.timm_backbone import TimmBackbone
from fieldmark.models.backbones.torchvision_backbone import TorchvisionBackbone

#: Library prefix → backbone class; a name without a prefix is timm's.
LIBRARIES: dict[str, Callable[..., Backbone]] = {
    "fieldmark": build_encoder,
    "timm": TimmBackbone,
    "torchvision": TorchvisionBackbone,
}


def build_backbone(spec: BackboneSpec, *, pretrained: bool = False) -> Backbone:
    """Build the backbone that a spec names.

    Args:
        spec: name (``NAME`` or ``LIBRARY:NAME`` with a library in ``LIBRARIES``), keyword arguments, normalisation.
        pretrained: load the library's own weights.

    Raises:
        ConfigError: an unknown library, network or keyword argument.
        ModelError: the library's weights can't be had.
    """
    library, _, name = spec.name.rpartition(":")
    library = library or "timm"
    if library not in LIBRARIES:
        raise ConfigError(f"There is no library {library!r} of networks.", f"Valid: {', '.join(LIBRARIES)}.")
    return LIBRARIES[library](replace(spec, name=name), pretrained=pretrained)


def load_weights(backbone: Backbone, path: Path) -> None:
    """Fill a backbone from a safetensors file; a classifier in the file is left out.

    Args:
        backbone: the network to fill, in place.
        path: a safetensors file with the library's own parameter names.

    Raises:
        ModelError: no such file, not safetensors, or weights of another network.
    """
    inner = _network_of(backbone)
    given = _read(path)
    wanted = inner.state_dict()
    missing = [name for name in wanted if name not in given and not name.endswith("num_batches_tracked")]
    shapes = [name for name in wanted if name in given and wanted[name].shape != given[name].shape]
    if missing or shapes:
        what = f"{len(missing)} of {len(wanted)} tensors are missing" if missing else "shapes differ"
        raise ModelError(
            f"{path} does not fit the backbone: {what}, such as {(missing + shapes)[0]!r}.",
            "Name the network that the weights were made for, with the same backbone options.",
        )
    inner.load_state_dict({name: tensor for name, tensor in given.items() if name in wanted}, strict=False)


def _network_of(backbone: Backbone) -> nn.Module:
    if isinstance(backbone, TimmBackbone):
        return backbone.network
    if isinstance(backbone, nn.Module):
        return backbone
    raise ModelError("Only a torch module can take weights.")


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.safetensors")], n=1)
        hint = f"Did you mean {path.parent / near[0]}?" if near else "Pass --weights FILE, a local safetensors file."
        raise ModelError(f"There are no weights at {path}.", hint)
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise ModelError(
            f"{path} is not a safetensors file ({error}).",
            "Convert it to safetensors; nothing else is opened.",
        ) from error
