"""From the options of pretraining to the spec of its autoencoder."""

from collections.abc import Callable

from fieldmark.data.tokens import PADDING
from fieldmark.models.autoencoders import (
    AutoencoderSpec,
    ConvSpec,
    DenseSpec,
    MaskedConvSpec,
    MaskedViTSpec,
    PartAutoencoderSpec,
    RecurrentSpec,
    SkeletonSpec,
)
from fieldmark.models.backbones import BackboneSpec, build_backbone
from fieldmark.models.parts import PartsSpec, numbered_parts
from fieldmark.training.pretrain_config import PretrainConfig


def autoencoder_spec(config: PretrainConfig, vocabulary: int) -> AutoencoderSpec:
    """Translate the options into the autoencoder's spec.

    Args:
        config: the options.
        vocabulary: number of token ids; 0 where the samples are no texts.

    Raises:
        ConfigError: a feature network that isn't known.
    """
    return _SPECS[config.autoencoder](config, vocabulary)


def backbone_spec(config: PretrainConfig) -> BackboneSpec:
    """Return the network that a masked autoencoder trains."""
    return BackboneSpec(config.backbone, config.backbone_options, config.mean, config.std)


def feature_spec(config: PretrainConfig) -> BackboneSpec:
    """Return the network whose features are predicted."""
    return BackboneSpec(config.feature_backbone, config.feature_options, config.feature_mean, config.feature_std)


def _dense(config: PretrainConfig, _: int) -> DenseSpec:
    return DenseSpec(
        sizes=(_channels(config) * config.resolution**2, *config.hidden_sizes),
        pixel_loss=config.pixel_loss,
        beta=config.beta,
        corruption=config.corruption,
        corruption_strength=config.corruption_strength,
    )


def _conv(config: PretrainConfig, _: int) -> ConvSpec:
    return ConvSpec(
        channels=_channels(config),
        widths=config.widths,
        code_dim=config.code_dim,
        pixel_loss=config.pixel_loss,
        beta=config.beta,
        corruption=config.corruption,
        corruption_strength=config.corruption_strength,
    )


def _recurrent(config: PretrainConfig, vocabulary: int) -> RecurrentSpec:
    return RecurrentSpec(
        frame_dim=0 if vocabulary else config.mels,
        vocabulary=vocabulary,
        padding=PADDING,
        code_dim=config.code_dim,
        hidden=config.hidden,
        layers=config.layers,
        steps=config.max_tokens,
        input_dropout=config.input_dropout,
        beta=config.beta,
        corruption=config.corruption,
        corruption_strength=config.corruption_strength,
    )


def _masked_conv(config: PretrainConfig, _: int) -> MaskedConvSpec:
    wanted = config.feature_weights != "none"
    return MaskedConvSpec(
        backbone_spec(config),
        block=config.block,
        ratio=config.mask_ratio,
        decoder_width=config.decoder_width,
        target_dim=build_backbone(feature_spec(config)).feature_dim if wanted else 0,
        target_weight=config.feature_loss_weight,
        corruption=config.corruption,
        corruption_strength=config.corruption_strength,
    )


def _masked_vit(config: PretrainConfig, _: int) -> MaskedViTSpec:
    return MaskedViTSpec(
        backbone_spec(config),
        ratio=config.mask_ratio,
        decoder_width=config.decoder_width,
        corruption=config.corruption,
        corruption_strength=config.corruption_strength,
    )


def _parts(config: PretrainConfig, _: int) -> PartAutoencoderSpec:
    parts = PartsSpec("discovered", numbered_parts(config.parts))
    return PartAutoencoderSpec(backbone_spec(config), parts, frozen=config.freeze_backbone)


def _skeleton(config: PretrainConfig, _: int) -> SkeletonSpec:
    return SkeletonSpec(backbone_spec(config), PartsSpec("linked_keypoints", numbered_parts(config.parts)))


def _channels(config: PretrainConfig) -> int:
    return 1 if config.grey else 3


#: Autoencoder name → what translates the options.
_SPECS: dict[str, Callable[[PretrainConfig, int], AutoencoderSpec]] = {
    "dense": _dense,
    "conv": _conv,
    "recurrent": _recurrent,
    "masked_conv": _masked_conv,
    "masked_vit": _masked_vit,
    "parts": _parts,
    "skeleton": _skeleton,
}
