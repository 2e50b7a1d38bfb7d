"""Autoencoders: networks that learn a code by rebuilding their input, without any label."""

from fieldmark.models.autoencoders.build import (
    AUTOENCODERS,
    AutoencoderKind,
    build_around,
    build_autoencoder,
    spec_from_json,
    spec_to_json,
)
from fieldmark.models.autoencoders.contract import Autoencoder, Terms
from fieldmark.models.autoencoders.sequences import mark_padding, pad_frames
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

__all__ = [
    "AUTOENCODERS",
    "Autoencoder",
    "AutoencoderKind",
    "AutoencoderSpec",
    "ConvSpec",
    "DenseSpec",
    "MaskedConvSpec",
    "MaskedViTSpec",
    "PartAutoencoderSpec",
    "RecurrentSpec",
    "SkeletonSpec",
    "Terms",
    "build_around",
    "build_autoencoder",
    "mark_padding",
    "pad_frames",
    "spec_from_json",
    "spec_to_json",
]
