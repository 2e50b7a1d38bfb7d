"""The supervised task: augmented batches, and a loss of cross-entropy and what else is wanted beside it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from fieldmark.augment import BatchAugment, Occlusion, mix_batch
from fieldmark.models.parts import KeypointParts
from fieldmark.models.parts.motion import draw_motion, move, recolour
from fieldmark.models.recognizer import Recognizer
from fieldmark.records import Preprocessing
from fieldmark.training.attribute_targets import AttributeSource, AttributeTargets
from fieldmark.training.checkpoint import LogRow
from fieldmark.training.config import TrainConfig
from fieldmark.training.keypoint_targets import KeypointSource
from fieldmark.training.rank_targets import rank_loss
from fieldmark.training.samples import Samples
from fieldmark.training.sampling import epoch_order, stream_seed
from fieldmark.training.supervised_model import Moved, Outputs, SupervisedBatch, SupervisedModel, ToRebuild
from fieldmark.training.task import LOSS, StepTerms
from fieldmark.training.teacher import AGREEMENT, teacher_loss

#: Keeps the pictures to rebuild, their augmentation and their masks apart from those of the labelled ones.
_REBUILT_STREAM = 1 << 20

#: What is learned beside the classes → the option that weighs it.
_WEIGHTS = {
    "reconstruction": "unlabelled_weight",
    "keypoints": "keypoint_weight",
    "attributes": "attribute_weight",
    "ranks": "rank_weight",
    "discovery": "discovery_weight",
    "rest": "rest_penalty",
    "teacher": "teacher_weight",
}

#: About what the loss of discovery is before anything was learned.
_GUESSED_DISCOVERY = 4.0

#: Share of the epochs in which occlusion and lighting grow to their strength: marks are learned undisturbed first.
_GROWING = 0.5

#: Share of the epochs in which discovered parts come to count. Until then the classes are learned from the picture as a
#: whole: parts that are just being found change from step to step, and are hardly anywhere.
_TRUSTING = 0.5

#: Share of a batch's pictures that are looked at a second time, moved, to see whether their parts move along.
_MOVED_SHARE = 0.5


@dataclass
class SupervisedTask:
    """Everything that supervised training works with.

    Attributes:
        fabric: where it runs.
        config: the options.
        recognizer: what is wanted in the end.
        model: the recogniser with what else is trained beside it.
        module: what is called in the forward pass: ``model`` as Fabric wraps it.
        optimizer: AdamW, wrapped by Fabric.
        average: the averaged recogniser, which is validated and kept.
        frozen: layers that stay as they are.
        train: the labelled training rows.
        validation: the validation rows; may be empty.
        rebuilt: places in the cache of the rows to rebuild; empty without a second task.
        preprocessing: of the final resolution.
        keypoints: the annotated keypoints of ``train``; ``None`` where they are not learned.
        attributes: the attributes of ``train``; ``None`` where they are not learned.
        ranks: (R - 1, N), the nodes of the classes at the lineage's coarser ranks; ``None`` where they are not learned.
    """

    fabric: Fabric
    config: TrainConfig
    recognizer: Recognizer
    model: SupervisedModel
    module: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel
    frozen: list[nn.Module]
    train: Samples
    validation: Samples
    rebuilt: Samples
    preprocessing: Preprocessing
    keypoints: KeypointSource | None = None
    attributes: AttributeSource | None = None
    ranks: Tensor | None = None

    @property
    def steps(self) -> int:
        """Steps in an epoch; an incomplete last batch is left to the next epoch's shuffle."""
        return max(1, len(self.train) // self.config.batch_size)

    @property
    def samples_per_step(self) -> int:
        """Labelled pictures in a step."""
        return min(self.config.batch_size, len(self.train))

    @property
    def guessing_loss(self) -> float:
        """Cross-entropy of guessing, and what the other losses are without any knowledge."""
        ranks = self.config.rank_weight if self.ranks is not None else 0.0
        loss = (1 + ranks) * math.log(max(3, self.classes)) + self.config.unlabelled_weight
        loss += self.config.attribute_weight * math.log(2)
        if self.model.teacher is not None:
            loss += self.config.teacher_weight * (1 + AGREEMENT) * math.log(max(3, self.classes))
        parts = self.recognizer.parts
        if isinstance(parts, KeypointParts):
            loss += self.config.keypoint_weight * parts.guessing_loss
        return loss + (_GUESSED_DISCOVERY * self.config.discovery_weight if self.model.discovery else 0.0)

    @property
    def classes(self) -> int:
        """Number N of classes."""
        return len(self.recognizer.bias)

    def begin_epoch(self) -> None:
        """Put the model into training mode, frozen layers excepted."""
        self.module.train()
        for layer in self.frozen:
            layer.eval()

    def batches(self, epoch: int, resolution: int) -> Iterator[SupervisedBatch]:
        """Yield this process's share of an epoch's augmented batches."""
        config, rank, world = self.config, self.fabric.global_rank, self.fabric.world_size
        augment = self.augmentation(resolution, epoch)
        order = epoch_order(self.train.labels, epoch, config.seed, class_balanced=config.class_balanced)
        others = self._rebuilt_order(epoch)
        for step in range(self.steps):
            here = slice(step * config.batch_size, (step + 1) * config.batch_size)
            generator = torch.Generator().manual_seed(stream_seed(config.seed, epoch, 1 + step * world + rank))
            places = order[here][rank::world]
            pixels, labels = self.fabric.to_device(self.train.batch(places))
            x, theta, covered = augment.drawn(pixels, generator)
            targets = functional.one_hot(labels, self.classes).to(torch.float32)
            attributes = self.attributes.batch(places, x.device) if self.attributes is not None else None
            if config.mixup:
                x, targets, attributes = mixed(x, targets, attributes, config.mixup, generator)
            yield SupervisedBatch(
                x,
                targets,
                to_rebuild=self._to_rebuild(others[here][rank::world], step, epoch, augment),
                keypoints=self.keypoints.batch(places, theta, covered) if self.keypoints is not None else None,
                moved=moved_share(x, generator) if self.model.discovery is not None else None,
                attributes=attributes,
                covered=covered,
                theta=theta if self.model.discovery is not None else None,
                trust=min(1.0, (epoch + step / self.steps) / (_TRUSTING * config.total_epochs)),
            )

    def _to_rebuild(
        self, places: npt.NDArray[np.int64], step: int, epoch: int, augment: BatchAugment
    ) -> ToRebuild | None:
        if not len(places):
            return None
        rank, world = self.fabric.global_rank, self.fabric.world_size
        seed = stream_seed(self.config.seed, epoch, _REBUILT_STREAM + step * world + rank)
        chance = torch.Generator().manual_seed(seed)
        pixels, _ = self.fabric.to_device(self.rebuilt.batch(places))
        # an occluder is nothing to rebuild, and places are hidden anyway
        return ToRebuild(replace(augment, occlusion=None)(pixels, chance), chance)

    def augmentation(self, resolution: int, epoch: int) -> BatchAugment:
        """Return what changes the pictures of an epoch (counted from 0), for a square of ``resolution`` pixels."""
        config = self.config
        grown = min(1.0, (epoch + 1) / (_GROWING * config.total_epochs))
        return BatchAugment(
            resolution,
            self.preprocessing.mean,
            self.preprocessing.std,
            flip=config.flip,
            crop_scale=config.crop_scale,
            rotation=config.rotation,
            color=config.color,
            occlusion=Occlusion(grown * config.occlusion, config.occluders) if config.occlusion else None,
            lighting=grown * config.lighting,
        )

    def _rebuilt_order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return which rows are rebuilt at each step, as often as the steps need them; none without that task."""
        if not len(self.rebuilt):
            return np.empty(0, np.int64)
        generator = np.random.default_rng(stream_seed(self.config.seed, epoch, _REBUILT_STREAM - 1))
        wanted = self.steps * self.config.batch_size
        rounds = -(-wanted // len(self.rebuilt))
        return np.concatenate([generator.permutation(len(self.rebuilt)) for _ in range(rounds)])[:wanted]

    def update(self, batch: SupervisedBatch) -> StepTerms:
        """Take one optimizer step; the terms are named where there are several."""
        loss, terms = self._loss(batch)
        self.fabric.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update_parameters(self.recognizer)
        return {LOSS: loss.detach(), **terms}

    def _loss(self, batch: SupervisedBatch) -> tuple[Tensor, StepTerms]:
        config = self.config
        found: Outputs = self.module(batch)
        loss = functional.cross_entropy(found.logits, batch.targets, label_smoothing=config.label_smoothing)
        terms = {"classification": loss.detach()}
        losses = dict(found.losses)
        if config.rest:
            losses["rest"] = rest_size(found.parts.evidence)
        if self.ranks is not None:
            losses["ranks"] = rank_loss(found.logits, batch.targets, self.ranks, label_smoothing=config.label_smoothing)
        if found.taught is not None:
            losses["teacher"] = teacher_loss(
                found.taught, found.logits, batch.targets, label_smoothing=config.label_smoothing
            )
        for name, beside in losses.items():
            loss = loss + getattr(config, _WEIGHTS[name]) * beside
            terms[name] = beside.detach()
        return loss, terms | found.terms if len(terms) > 1 else {}

    @torch.inference_mode()
    def validate(self, resolution: int) -> LogRow:
        """Measure the averaged weights on the validation rows."""
        if not len(self.validation):
            return {"val_loss": None, "val_top1": None}
        self.average.eval()
        right, loss = 0, 0.0
        view = replace(self.preprocessing, resolution=resolution)
        for batch in self.validation.plain_batches(view, self.config.batch_size):
            x, labels = self.fabric.to_device(batch)
            with self.fabric.autocast():
                logits = self.average(x).float()
            right += int((logits.argmax(1) == labels).sum())
            loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
        count = len(self.validation)
        return {"val_loss": round(loss / count, 6), "val_top1": round(right / count, 6)}

    def after_epoch(self, epochs_done: int) -> None:
        """Do nothing more."""


def mixed(
    x: Tensor, targets: Tensor, attributes: AttributeTargets | None, strength: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, AttributeTargets | None]:
    """Blend pictures (B, 3, R, R) with their class shares (B, N) and attributes, all by the same shares."""
    if attributes is None:
        return (*mix_batch(x, targets, strength, generator), None)
    together = torch.cat([targets, *attributes], 1)  # (B, N + 2 A)
    x, together = mix_batch(x, together, strength, generator)
    classes, count = targets.shape[1], attributes.shares.shape[1]
    shares, known = together[:, classes : classes + count], together[:, classes + count :]
    return x, together[:, :classes], AttributeTargets(shares, known)


def moved_share(x: Tensor, generator: torch.Generator) -> Moved:
    """Move and recolour the first of a batch's pictures (B, 3, R, R)."""
    some = x[: max(1, round(_MOVED_SHARE * len(x)))]
    theta = draw_motion(len(some), generator, x.device)
    return Moved(recolour(move(some, theta), generator).contiguous(memory_format=torch.channels_last), theta)


def rest_size(evidence: Tensor) -> Tensor:
    """Return how much the rest of the picture says: its mean squared evidence, centred over classes.

    What it gives all classes alike changes no probability, and so is not counted.

    Args:
        evidence: (B, P, N) in log-odds, the rest last.
    """
    rest = evidence[:, -1].float()  # (B, N)
    return (rest - rest.mean(1, keepdim=True)).square().mean()
