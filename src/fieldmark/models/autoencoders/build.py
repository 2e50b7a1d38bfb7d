"""Build an autoencoder from its spec, and turn specs into JSON data and back."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from torch import nn

from fieldmark.errors import BundleError, ConfigError, unknown_name
from fieldmark.models.autoencoders.bottleneck import build_bottleneck
from fieldmark.models.autoencoders.contract import Autoencoder
from fieldmark.models.autoencoders.conv import ConvAutoencoder
from fieldmark.models.autoencoders.corruption import build_corruption
from fieldmark.models.autoencoders.dense import DenseAutoencoder
from fieldmark.models.autoencoders.masked_conv import MaskedConvAutoencoder
from fieldmark.models.autoencoders.masked_vit import MaskedViTAutoencoder
from fieldmark.models.autoencoders.parts import PartAutoencoder
from fieldmark.models.autoencoders.pixel_losses import pixel_loss
from fieldmark.models.autoencoders.recurrent import FrameAutoencoder, RecurrentSizes, TokenAutoencoder
from fieldmark.models.autoencoders.skeleton import SkeletonAutoencoder
from fieldmark.models.autoencoders.specs import (
    AutoencoderSpec,
    ConvSpec,
    DenseSpec,
    MaskedConvSpec,
    MaskedViTSpec,
    PartAutoencoderSpec,
    RecurrentSpec,
    SkeletonSpec,
)
from fieldmark.models.backbones import Backbone, BackboneSpec, build_backbone
from fieldmark.models.backbones.tokens import PatchTokens
from fieldmark.models.parts import DiscoveredParts, LinkedKeypoints, PartsSpec


def build_dense(spec: DenseSpec) -> DenseAutoencoder:
    """Build a dense autoencoder; a plain code is rectified, as every other layer."""
    return DenseAutoencoder(
        spec.sizes,
        bottleneck=build_bottleneck(spec.beta, nn.ReLU()),
        corruption=build_corruption(spec.corruption, spec.corruption_strength),
        pixel_loss=pixel_loss(spec.pixel_loss),
    )


def build_conv(spec: ConvSpec) -> ConvAutoencoder:
    """Build a convolutional autoencoder."""
    return ConvAutoencoder(
        spec.channels,
        spec.widths,
        spec.code_dim,
        bottleneck=build_bottleneck(spec.beta),
        corruption=build_corruption(spec.corruption, spec.corruption_strength),
        pixel_loss=pixel_loss(spec.pixel_loss),
    )


def build_recurrent(spec: RecurrentSpec) -> FrameAutoencoder | TokenAutoencoder:
    """Build a recurrent autoencoder of frames or of tokens."""
    if (spec.frame_dim > 0) == (spec.vocabulary > 0):
        raise ConfigError(
            "A recurrent autoencoder reads either frames or tokens.", "Give frame_dim or vocabulary, and not both."
        )
    sizes = RecurrentSizes(
        spec.code_dim, spec.hidden, spec.layers, spec.steps, spec.teacher_forcing, spec.input_dropout
    )
    bottleneck = build_bottleneck(spec.beta)
    corruption = build_corruption(spec.corruption, spec.corruption_strength)
    if spec.frame_dim:
        return FrameAutoencoder(spec.frame_dim, sizes, bottleneck=bottleneck, corruption=corruption)
    return TokenAutoencoder(spec.vocabulary, spec.padding, sizes, bottleneck=bottleneck, corruption=corruption)


def build_masked_conv(spec: MaskedConvSpec) -> MaskedConvAutoencoder:
    """Build a masked autoencoder with its backbone; a feature network is attached afterwards."""
    return _masked_conv_around(spec, build_backbone(spec.backbone))


def build_masked_vit(spec: MaskedViTSpec) -> MaskedViTAutoencoder:
    """Build a masked autoencoder with its vision transformer."""
    return _masked_vit_around(spec, build_backbone(spec.backbone))


def build_part_autoencoder(spec: PartAutoencoderSpec) -> PartAutoencoder:
    """Build an autoencoder of parts with its backbone."""
    backbone = build_backbone(spec.backbone)
    parts = DiscoveredParts(backbone.feature_dim, spec.parts.names, spec.parts.width)
    return PartAutoencoder(backbone, parts, frozen=spec.frozen)


def build_skeleton(spec: SkeletonSpec) -> SkeletonAutoencoder:
    """Build an autoencoder of linked keypoints with its backbone."""
    backbone = build_backbone(spec.backbone)
    parts = LinkedKeypoints(backbone.feature_dim, spec.parts.names, spec.parts.width)
    return SkeletonAutoencoder(backbone, parts, width=spec.decoder_width)


def build_around(spec: MaskedConvSpec | MaskedViTSpec, backbone: Backbone) -> Autoencoder:
    """Build a masked autoencoder around a backbone that is there already, such as a recogniser's.

    Args:
        spec: its own backbone is not built.
        backbone: what ``autoencoder.backbone`` will be.

    Raises:
        ConfigError: a value that isn't possible, or a backbone that is no vision transformer where one is needed.
    """
    if isinstance(spec, MaskedConvSpec):
        return _masked_conv_around(spec, backbone)
    return _masked_vit_around(spec, backbone)


def _masked_conv_around(spec: MaskedConvSpec, backbone: Backbone) -> MaskedConvAutoencoder:
    return MaskedConvAutoencoder(
        backbone,
        block=spec.block,
        ratio=spec.ratio,
        decoder_width=spec.decoder_width,
        target_dim=spec.target_dim,
        target_weight=spec.target_weight,
        target_distance=spec.target_distance,
        corruption=build_corruption(spec.corruption, spec.corruption_strength),
    )


def _masked_vit_around(spec: MaskedViTSpec, backbone: Backbone) -> MaskedViTAutoencoder:
    return MaskedViTAutoencoder(
        PatchTokens(backbone),
        ratio=spec.ratio,
        decoder_width=spec.decoder_width,
        decoder_depth=spec.decoder_depth,
        corruption=build_corruption(spec.corruption, spec.corruption_strength),
    )


@dataclass(frozen=True, slots=True)
class AutoencoderKind:
    """One kind of autoencoder.

    Attributes:
        spec: its spec's class.
        build: from such a spec to the autoencoder with fresh weights.
    """

    spec: type[AutoencoderSpec]
    build: Callable[[Any], Autoencoder]


#: Autoencoder name → spec and builder.
AUTOENCODERS: dict[str, AutoencoderKind] = {
    "dense": AutoencoderKind(DenseSpec, build_dense),
    "conv": AutoencoderKind(ConvSpec, build_conv),
    "recurrent": AutoencoderKind(RecurrentSpec, build_recurrent),
    "masked_conv": AutoencoderKind(MaskedConvSpec, build_masked_conv),
    "masked_vit": AutoencoderKind(MaskedViTSpec, build_masked_vit),
    "parts": AutoencoderKind(PartAutoencoderSpec, build_part_autoencoder),
    "skeleton": AutoencoderKind(SkeletonSpec, build_skeleton),
}


def build_autoencoder(spec: AutoencoderSpec) -> Autoencoder:
    """Build an autoencoder with fresh weights; it is a ``torch.nn.Module`` too.

    Raises:
        ConfigError: a value that isn't possible, or an unknown backbone or name.
    """
    return AUTOENCODERS[_name_of(spec)].build(spec)


def spec_to_json(spec: AutoencoderSpec) -> dict[str, object]:
    """Turn a spec into JSON data that names its kind under ``autoencoder``."""
    return {"autoencoder": _name_of(spec), **asdict(spec)}


def spec_from_json(data: Mapping[str, object]) -> AutoencoderSpec:
    """Turn a spec's JSON data back into the spec.

    Raises:
        ConfigError: an unknown kind of autoencoder.
        BundleError: it isn't such data.
    """
    name = data.get("autoencoder")
    if not isinstance(name, str):
        raise BundleError("The spec names no autoencoder.", "Pretrain again.")
    if name not in AUTOENCODERS:
        raise unknown_name("autoencoder", name, AUTOENCODERS)
    kind = AUTOENCODERS[name].spec
    values: dict[str, Any] = {key: _tuples(value) for key, value in data.items() if key != "autoencoder"}
    known = {field.name for field in fields(kind)}
    if not known >= values.keys():
        raise BundleError(
            f"The {name} autoencoder has no {', '.join(sorted(values.keys() - known))}.",
            "Use the version of Fieldmark that wrote it.",
        )
    try:
        if "backbone" in known:
            values["backbone"] = BackboneSpec(**values["backbone"])
        if "parts" in known:
            values["parts"] = PartsSpec(**values["parts"])
        return kind(**values)
    except (TypeError, KeyError, AttributeError) as error:
        raise BundleError(f"The {name} autoencoder's spec can't be read: {error}.", "Pretrain again.") from error


def _name_of(spec: AutoencoderSpec) -> str:
    return next(name for name, kind in AUTOENCODERS.items() if isinstance(spec, kind.spec))


def _tuples(value: object) -> object:
    """Lists, which JSON has in place of tuples, at any depth of mappings."""
    if isinstance(value, Mapping):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(value) if isinstance(value, list) else value
