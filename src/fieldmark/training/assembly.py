"""Put a supervised training together: the network with its weights, frozen layers, the first head, the optimizer."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from fieldmark.data.cache import CachedImages
from fieldmark.models.backbones import BackboneSpec, load_weights
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.heads import HEADS, AdditiveHead
from fieldmark.models.part_attention import PartAttention
from fieldmark.models.recognizer import Recognizer
from fieldmark.records import Preprocessing
from fieldmark.training.attribute_targets import AttributeHead, attribute_source
from fieldmark.training.averaging import averaged_model
from fieldmark.training.checkpoint import latest_checkpoint
from fieldmark.training.config import NO_TEACHER, TrainConfig
from fieldmark.training.initial_backbone import joint_autoencoder, load_initial_backbone
from fieldmark.training.initial_head import fit_initial_head, fittable_head
from fieldmark.training.initial_parts import discovery_weights, load_initial_parts, parts_spec
from fieldmark.training.keypoint_targets import keypoint_source
from fieldmark.training.norm_statistics import reestimate_statistics
from fieldmark.training.observer import TrainObserver
from fieldmark.training.parameter_groups import parameter_groups, rate_of_sum
from fieldmark.training.rank_targets import coarser_ranks
from fieldmark.training.run_folder import CHECKPOINTS
from fieldmark.training.samples import Samples, outside_test, split_samples
from fieldmark.training.supervised import SupervisedTask
from fieldmark.training.supervised_model import SupervisedModel
from fieldmark.training.teacher import Teacher

#: Training pictures at most that say which light is usual.
_LOOKED_AT = 1000


def build_model(config: TrainConfig, classes: int, part_names: Sequence[str] = ()) -> tuple[Recognizer, Preprocessing]:
    """Build the recogniser, with the weights it begins with, and the preprocessing it wants.

    Args:
        config: names the network and its weights; ``with_initial_backbone`` has been applied.
        classes: number of classes.
        part_names: the names of the data's keypoints.

    Raises:
        ConfigError: an unknown network, option or head, some that don't go together, or parts from keypoints that the
            data don't have.
        ModelError: the network or its weights can't be had.
        BundleError: the run to begin from can't be read.
    """
    torch.manual_seed(config.seed)
    spec = model_spec(config, classes, part_names)
    recognizer = build_recognizer(spec, pretrained=config.weights == "hub")
    if config.initial_head == "logistic":
        fittable_head(recognizer)  # an error now, and not when all pictures are decoded
    if config.weights not in ("none", "hub"):
        load_weights(recognizer.backbone, Path(config.weights))
    if config.init != "none":
        load_initial_backbone(recognizer.backbone, Path(config.init))
        load_initial_parts(recognizer, config, spec.parts)
    wanted = recognizer.backbone.preprocessing
    return recognizer, replace(wanted, resolution=config.final_resolution)


def model_spec(config: TrainConfig, classes: int, part_names: Sequence[str] = ()) -> ModelSpec:
    """Return what a bundle keeps of the network."""
    backbone = BackboneSpec(config.backbone, config.backbone_options, config.mean, config.std)
    return ModelSpec(
        backbone,
        classes,
        head=config.head_name,
        parts=parts_spec(config, part_names),
        rest=config.rest,
        dropout=config.dropout,
        part_dropout=config.part_dropout,
        part_attention=config.part_attention,
        usual_light=config.usual_light,
    )


def make_task(
    fabric: Fabric,
    config: TrainConfig,
    recognizer: Recognizer,
    images: CachedImages,
    preprocessing: Preprocessing,
    out: Path,
    observer: TrainObserver,
) -> SupervisedTask:
    """Join network, pictures and optimizer; fit the first head where one is wanted and no checkpoint will replace it.

    Args:
        fabric: where to train.
        config: the options.
        recognizer: the network, with the weights it begins with.
        images: decoded pictures of all splits at the final resolution.
        preprocessing: of the final resolution.
        out: the run's folder.
        observer: hears what happens.

    Raises:
        ConfigError: a second task is wanted that the backbone or the head can't take.
    """
    frozen: list[nn.Module] = []
    if config.freeze_to_stride:
        frozen = list(recognizer.backbone.layers_to_stride(config.freeze_to_stride))
        for layer in frozen:
            layer.requires_grad_(False)
    samples = split_samples(images, "train")
    autoencoder = joint_autoencoder(config, recognizer) if config.unlabelled_weight else None
    attributes = _attribute_head(config, recognizer, len(images.table.attribute_names))
    model = SupervisedModel(
        recognizer, autoencoder, discovery_weights(config, recognizer), attributes, _teacher(config, recognizer)
    )
    model.to(memory_format=torch.channels_last)
    module, optimizer = fabric.setup(model, _optimizer(model, config))
    if not latest_checkpoint(out / CHECKPOINTS):
        _prepare(fabric, config, recognizer, samples, preprocessing, observer)
    return SupervisedTask(
        fabric=fabric,
        config=config,
        recognizer=recognizer,
        model=model,
        module=module,
        optimizer=optimizer,
        average=averaged_model(recognizer, config.ema_decay),
        frozen=frozen,
        train=samples,
        validation=split_samples(images, "val"),
        rebuilt=outside_test(images) if config.unlabelled_weight else Samples.none(images),
        preprocessing=preprocessing,
        keypoints=keypoint_source(images, samples, config.part_labels, config.seed) if config.keypoints else None,
        attributes=attribute_source(images, samples) if config.attribute_weight else None,
        ranks=fabric.to_device(coarser_ranks(images.table)) if config.rank_weight else None,
    )


def _attribute_head(config: TrainConfig, recognizer: Recognizer, count: int) -> AttributeHead | None:
    if not config.attribute_weight:
        return None
    slots = len(recognizer.parts.names) + recognizer.rest  # none of a head that pools for itself
    return AttributeHead(HEADS[config.head_name], recognizer.backbone.feature_dim, slots, count, dropout=config.dropout)


def _teacher(config: TrainConfig, recognizer: Recognizer) -> Teacher | None:
    if config.teacher == NO_TEACHER:
        return None
    classes = len(recognizer.bias)
    return Teacher(config.teacher, recognizer.backbone.feature_dim, classes, dropout=config.dropout)


def _prepare(
    fabric: Fabric,
    config: TrainConfig,
    recognizer: Recognizer,
    samples: Samples,
    preprocessing: Preprocessing,
    observer: TrainObserver,
) -> None:
    """Learn what comes before the first step: usual light, statistics after pictures with holes, a first head."""
    if recognizer.light is not None:
        recognizer.light.fit(_pictures(fabric, samples))
    if config.init != "none":
        whole = (fabric.to_device(x) for x, _ in samples.plain_batches(preprocessing, batch_size=64))
        with fabric.autocast():
            reestimate_statistics(cast("nn.Module", recognizer.backbone), recognizer.features, whole)
    if config.initial_head == "logistic":
        _fit_head(fabric, recognizer, samples, preprocessing, observer)


def _pictures(fabric: Fabric, samples: Samples) -> Tensor:
    """Return some training pictures (n, 3, R, R) in 0..1, evenly taken."""
    places = np.linspace(0, len(samples) - 1, min(len(samples), _LOOKED_AT)).round().astype(np.int64)
    pixels, _ = samples.batch(places)
    moved: Tensor = fabric.to_device(pixels)
    return moved.permute(0, 3, 1, 2).float().div_(255)


def _fit_head(
    fabric: Fabric, recognizer: Recognizer, samples: Samples, preprocessing: Preprocessing, observer: TrainObserver
) -> None:
    batches = (fabric.to_device(batch) for batch in samples.plain_batches(preprocessing, batch_size=64))
    with fabric.autocast():
        fit_initial_head(recognizer, batches, lambda done: observer.progress("First head", done, len(samples)))


def _optimizer(model: SupervisedModel, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; what no pretraining has seen, the heads and the part learner, has the head's own learning rate."""
    backbone = {id(parameter) for parameter in cast("nn.Module", model.recognizer.backbone).parameters()}
    fresh = {id(parameter) for parameter in model.recognizer.parameters()} - backbone
    for beside in (model.attributes, model.teacher):
        if beside is not None:
            fresh |= {id(parameter) for parameter in beside.parameters()}
    adding = [module for module in model.modules() if isinstance(module, AdditiveHead | PartAttention)]
    sums = {id(module.weight) for module in adding}
    entries = []
    for is_fresh in (False, True):
        peak = config.head_learning_rate if is_fresh else config.learning_rate
        parameters = [each for each in model.parameters() if (id(each) in fresh) == is_fresh and id(each) not in sums]
        entries += parameter_groups(parameters, peak, config.weight_decay)
    for module in adding:
        # a pretraining's backbone has classes still to learn, as a new one has
        rate = rate_of_sum(module.entries, trained=config.weights != "none")
        # what decays in a step is the rate times the decay, and stays what it is elsewhere
        entries += parameter_groups([module.weight], config.head_learning_rate * rate, config.weight_decay / rate)
    return torch.optim.AdamW(entries, fused=True)
