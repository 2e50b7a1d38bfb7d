"""Put a pretraining together: samples, the autoencoder with its weights, the optimizer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from lightning.fabric import Fabric
from torch import nn

from fieldmark.augment import BatchAugment
from fieldmark.data.table import Table
from fieldmark.data.tokens import ByteTokenizer, Tokenizer, train_bpe, training_texts
from fieldmark.errors import ConfigError
from fieldmark.models.autoencoders import Autoencoder, AutoencoderSpec, build_autoencoder
from fieldmark.models.autoencoders.masked_conv import MaskedConvAutoencoder
from fieldmark.models.backbones import Backbone, build_backbone, load_weights
from fieldmark.models.spectrogram import LogMelSpec
from fieldmark.records import Preprocessing
from fieldmark.training.initial_backbone import load_initial_backbone
from fieldmark.training.observer import TrainObserver
from fieldmark.training.parameter_groups import parameter_groups
from fieldmark.training.pretrain_config import AROUND_BACKBONE, PretrainConfig
from fieldmark.training.pretrain_inputs import (
    Inputs,
    SoundInputs,
    TextInputs,
    modality_of,
    picture_inputs,
    sound_inputs,
    text_inputs,
)
from fieldmark.training.pretrain_rows import PretrainRows
from fieldmark.training.pretrain_spec import backbone_spec, feature_spec
from fieldmark.training.pretrain_task import PretrainTask, ReconstructionLoss, loss_of_guessing

#: Modality → the autoencoders for it.
SUITED = {
    "pictures": ("masked_conv", "masked_vit", "parts", "skeleton", "conv", "dense"),
    "sounds": ("recurrent",),
    "texts": ("recurrent",),
}

#: What pictures have taken out of their colours where an autoencoder wants values in 0..1.
_UNIT_MEAN, _UNIT_STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

#: A frame's window and the step to the next one, in seconds.
_WINDOW, _HOP = 0.025, 0.010


@dataclass(frozen=True)
class Material:
    """The samples of a pretraining, ready for batches, and what a saved autoencoder must know of them.

    Attributes:
        modality: what they are.
        inputs: the samples.
        preprocessing: of pictures; ``None`` for others.
        log_mel: of sounds; ``None`` for others.
        tokenizer: of texts; ``None`` for others.
    """

    modality: str
    inputs: Inputs
    preprocessing: Preprocessing | None = None
    log_mel: LogMelSpec | None = None
    tokenizer: Tokenizer | None = None


def make_material(table: Table, config: PretrainConfig, cache: Path, observer: TrainObserver) -> Material:
    """Read the samples of a table as its modality and the autoencoder want them.

    Raises:
        ConfigError: an autoencoder that does not suit the samples.
        DataError: no samples, too many broken ones, or a library is missing.
    """
    modality = modality_of(table)
    if config.autoencoder not in SUITED[modality]:
        raise ConfigError(
            f"The {config.autoencoder} autoencoder takes no {modality}.",
            f"For {modality}: --autoencoder {' or '.join(SUITED[modality])}.",
        )
    if modality == "texts":
        tokenizer = _tokenizer(table, config)
        return Material(modality, text_inputs(table, tokenizer, config.max_tokens), tokenizer=tokenizer)
    if modality == "sounds":
        spec = log_mel_spec(config)
        inputs = sound_inputs(table, spec, progress=_telling(observer, "Decoding sounds"))
        return Material(modality, inputs, log_mel=spec)
    preprocessing = _preprocessing(config)
    pictures = picture_inputs(
        table,
        preprocessing,
        cache,
        channels=1 if config.grey and config.autoencoder not in AROUND_BACKBONE else 3,
        augment=_augment(config, preprocessing),
        progress=_telling(observer, "Decoding pictures"),
    )
    return Material(modality, pictures, preprocessing=preprocessing)


def log_mel_spec(config: PretrainConfig) -> LogMelSpec:
    """Return how sounds become frames at the options' rate: windows of 25 ms every 10 ms."""
    window = round(_WINDOW * config.sample_rate)
    return LogMelSpec(
        sample_rate=config.sample_rate,
        window=window,
        hop=round(_HOP * config.sample_rate),
        n_fft=1 << (window - 1).bit_length(),
        n_mels=config.mels,
    )


def make_autoencoder(spec: AutoencoderSpec, config: PretrainConfig) -> Autoencoder:
    """Build the autoencoder with the weights it begins with, and with its feature network where it has one.

    Raises:
        ConfigError: an unknown network or option.
        ModelError: weights that can't be had.
    """
    torch.manual_seed(config.seed)
    autoencoder = build_autoencoder(spec)
    if config.autoencoder in AROUND_BACKBONE:
        _fill(cast("MaskedConvAutoencoder", autoencoder).backbone, config)
    if isinstance(autoencoder, MaskedConvAutoencoder) and config.feature_weights != "none":
        autoencoder.attach_target(_feature_network(config))
    return autoencoder


def make_pretrain_task(
    fabric: Fabric,
    config: PretrainConfig,
    autoencoder: Autoencoder,
    material: Material,
    rows: PretrainRows,
    draw: Callable[[int], None],
) -> PretrainTask:
    """Join autoencoder, samples and optimizer."""
    model = cast("nn.Module", autoencoder)
    if material.modality == "pictures":
        model.to(memory_format=torch.channels_last)
    entries = parameter_groups(model.parameters(), config.learning_rate, config.weight_decay)
    optimizer = torch.optim.AdamW(entries, fused=True)
    module, optimizer = fabric.setup(ReconstructionLoss(autoencoder), optimizer)
    vocabulary = material.tokenizer.vocabulary if material.tokenizer else 0
    return PretrainTask(
        fabric=fabric,
        config=config,
        model=model,
        module=module,
        optimizer=optimizer,
        inputs=material.inputs,
        train=rows.train,
        validation=rows.validation,
        guessing_loss=loss_of_guessing(config, vocabulary),
        draw=draw,
    )


def _telling(observer: TrainObserver, name: str) -> Callable[[int, int], None]:
    return lambda done, total: observer.progress(name, done, total)


def _tokenizer(table: Table, config: PretrainConfig) -> Tokenizer:
    if config.tokenizer == "bytes":
        return ByteTokenizer()
    return train_bpe(training_texts(table), config.vocabulary)


def _preprocessing(config: PretrainConfig) -> Preprocessing:
    if config.autoencoder not in AROUND_BACKBONE:
        return Preprocessing(config.resolution, _UNIT_MEAN, _UNIT_STD)
    backbone = build_backbone(backbone_spec(config))
    return replace(backbone.preprocessing, resolution=config.resolution)


def _augment(config: PretrainConfig, preprocessing: Preprocessing) -> BatchAugment | None:
    if not config.flip and config.crop_scale == 1 and not config.rotation and not config.color:
        return None
    return BatchAugment(
        config.resolution,
        preprocessing.mean,
        preprocessing.std,
        flip=config.flip,
        crop_scale=config.crop_scale,
        rotation=config.rotation,
        color=config.color,
    )


def _fill(backbone: Backbone, config: PretrainConfig) -> None:
    if config.init != "none":
        load_initial_backbone(backbone, Path(config.init))
    elif config.weights == "hub":
        ready = build_backbone(backbone_spec(config), pretrained=True)
        cast("nn.Module", backbone).load_state_dict(cast("nn.Module", ready).state_dict())
    elif config.weights != "none":
        load_weights(backbone, Path(config.weights))


def _feature_network(config: PretrainConfig) -> Backbone:
    network = build_backbone(feature_spec(config), pretrained=config.feature_weights == "hub")
    if config.feature_weights == "built-in":
        if any(True for _ in cast("nn.Module", network).parameters()):
            raise ConfigError(
                f"{config.feature_backbone} has weights, and feature_weights 'built-in' leaves them random.",
                "Name a file of weights, or use --feature-backbone fieldmark:gradients.",
            )
    elif config.feature_weights != "hub":
        load_weights(network, Path(config.feature_weights))
    return network


def recorded_inputs(material: Material) -> tuple[tuple[float, ...], tuple[float, ...], int | None]:
    """Return what a saved autoencoder keeps of its samples: the bands' mean and deviation, the longest text."""
    inputs = material.inputs
    if isinstance(inputs, SoundInputs):
        return tuple(inputs.mean.tolist()), tuple(inputs.std.tolist()), None
    return (), (), int(inputs.ids.shape[1]) if isinstance(inputs, TextInputs) else None
