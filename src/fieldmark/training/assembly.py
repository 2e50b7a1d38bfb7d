"""Put a trainer together: the network with its weights, the frozen layers, the first head, the optimizer."""

from dataclasses import replace
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import nn

from fieldmark.data.cache import CachedImages
from fieldmark.models.backbones import BackboneSpec, load_weights
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.recognizer import Recognizer
from fieldmark.records import Preprocessing
from fieldmark.training.averaging import averaged_model
from fieldmark.training.checkpoint import latest_checkpoint
from fieldmark.training.config import TrainConfig
from fieldmark.training.initial_head import fit_initial_head
from fieldmark.training.loop import Trainer
from fieldmark.training.observer import TrainObserver
from fieldmark.training.run_folder import CHECKPOINTS
from fieldmark.training.samples import Samples, split_samples


def build_model(config: TrainConfig, classes: int) -> tuple[Recognizer, Preprocessing]:
    """Build the recogniser, with the weights it begins with, and the preprocessing it wants.

    Args:
        config: names the network and its weights.
        classes: number of classes.

    Raises:
        ConfigError: an unknown network, option or head.
        ModelError: the network or its weights can't be had.
    """
    torch.manual_seed(config.seed)
    spec = model_spec(config, classes)
    recognizer = build_recognizer(spec, pretrained=config.weights == "hub")
    if config.weights not in ("none", "hub"):
        load_weights(recognizer.backbone, Path(config.weights))
    wanted = recognizer.backbone.preprocessing
    return recognizer, replace(wanted, resolution=config.final_resolution)


def model_spec(config: TrainConfig, classes: int) -> ModelSpec:
    """Return what a bundle keeps of the network."""
    backbone = BackboneSpec(config.backbone, config.backbone_options, config.mean, config.std)
    return ModelSpec(backbone, classes, head=config.head, dropout=config.dropout)


def make_trainer(
    fabric: Fabric,
    config: TrainConfig,
    recognizer: Recognizer,
    images: CachedImages,
    preprocessing: Preprocessing,
    out: Path,
    observer: TrainObserver,
) -> Trainer:
    """Join network, pictures and optimizer; fit the first head where one is wanted and no checkpoint will replace it.

    Args:
        fabric: where to train.
        config: the options.
        recognizer: the network, with the weights it begins with.
        images: decoded pictures of all splits at the final resolution.
        preprocessing: of the final resolution.
        out: the run's folder.
        observer: hears what happens.
    """
    recognizer.to(memory_format=torch.channels_last)
    frozen: list[nn.Module] = []
    if config.freeze_to_stride:
        frozen = list(recognizer.backbone.layers_to_stride(config.freeze_to_stride))
        for layer in frozen:
            layer.requires_grad_(False)
    samples = split_samples(images, "train")
    module, optimizer = fabric.setup(recognizer, _optimizer(recognizer, config))
    if not latest_checkpoint(out / CHECKPOINTS) and config.initial_head == "logistic":
        _fit_head(fabric, recognizer, samples, preprocessing, observer)
    return Trainer(
        fabric=fabric,
        config=config,
        recognizer=recognizer,
        module=module,
        optimizer=optimizer,
        average=averaged_model(recognizer, config.ema_decay),
        frozen=frozen,
        train=samples,
        validation=split_samples(images, "val"),
        preprocessing=preprocessing,
        out=out,
        observer=observer,
    )


def _fit_head(
    fabric: Fabric, recognizer: Recognizer, samples: Samples, preprocessing: Preprocessing, observer: TrainObserver
) -> None:
    batches = (fabric.to_device(batch) for batch in samples.plain_batches(preprocessing, batch_size=64))
    with fabric.autocast():
        fit_initial_head(recognizer, batches, lambda done: observer.progress("First head", done, len(samples)))


def _optimizer(recognizer: Recognizer, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW with the head's own learning rate; vectors (biases, norms) do not decay."""
    head = {id(parameter) for parameter in (*recognizer.head.parameters(), recognizer.bias)}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in recognizer.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in head, parameter.ndim > 1), []).append(parameter)
    entries = []
    for (of_head, decays), parameters in groups.items():
        peak = config.head_learning_rate if of_head else config.learning_rate
        decay = config.weight_decay if decays else 0.0
        entries.append({"params": parameters, "lr": peak, "peak": peak, "weight_decay": decay})
    return torch.optim.AdamW(entries, fused=True)
