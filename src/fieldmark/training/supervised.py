"""The supervised task: augmented batches, cross-entropy, and rebuilding as a second task where it is wanted."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from fieldmark.augment import BatchAugment, mix_batch
from fieldmark.models.parts import KeypointParts
from fieldmark.models.recognizer import Recognizer
from fieldmark.records import Preprocessing
from fieldmark.training.checkpoint import LogRow
from fieldmark.training.config import TrainConfig
from fieldmark.training.keypoint_targets import KeypointSource, KeypointTargets
from fieldmark.training.samples import Samples
from fieldmark.training.sampling import epoch_order, stream_seed
from fieldmark.training.task import LOSS, StepTerms

#: Keeps the pictures to rebuild, their augmentation and their masks apart from those of the labelled ones.
_REBUILT_STREAM = 1 << 20


@dataclass(frozen=True)
class SupervisedBatch:
    """One step's pictures.

    Attributes:
        x: augmented, normalised pictures (B, 3, R, R).
        targets: class shares (B, N).
        rebuilt: augmented, normalised pictures (U, 3, R, R) of the second task; ``None`` without one.
        generator: decides what is hidden of them.
        keypoints: where the keypoints of ``x`` are; ``None`` where they are not learned.
    """

    x: Tensor
    targets: Tensor
    rebuilt: Tensor | None = None
    generator: torch.Generator | None = None
    keypoints: KeypointTargets | None = None


@dataclass
class SupervisedTask:
    """Everything that supervised training works with.

    Attributes:
        fabric: where it runs.
        config: the options.
        recognizer: what is wanted in the end.
        model: the recogniser, or the model around it that has a second loss.
        module: what is called in the forward pass: ``model`` as Fabric wraps it.
        optimizer: AdamW, wrapped by Fabric.
        average: the averaged recogniser, which is validated and kept.
        frozen: layers that stay as they are.
        train: the labelled training rows.
        validation: the validation rows; may be empty.
        rebuilt: places in the cache of the rows to rebuild; empty without a second task.
        preprocessing: of the final resolution.
        keypoints: the annotated keypoints of ``train``; ``None`` where they are not learned.
    """

    fabric: Fabric
    config: TrainConfig
    recognizer: Recognizer
    model: nn.Module
    module: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel
    frozen: list[nn.Module]
    train: Samples
    validation: Samples
    rebuilt: Samples
    preprocessing: Preprocessing
    keypoints: KeypointSource | None = None

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
        """Cross-entropy of guessing, and what the second loss is without any knowledge."""
        loss = math.log(max(3, self.classes)) + self.config.unlabelled_weight
        parts = self.recognizer.parts
        return loss + self.config.keypoint_weight * parts.guessing_loss if isinstance(parts, KeypointParts) else loss

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
        augment = self._augment(resolution)
        order = epoch_order(self.train.labels, epoch, config.seed, class_balanced=config.class_balanced)
        others = self._rebuilt_order(epoch)
        for step in range(self.steps):
            here = slice(step * config.batch_size, (step + 1) * config.batch_size)
            generator = torch.Generator().manual_seed(stream_seed(config.seed, epoch, 1 + step * world + rank))
            places = order[here][rank::world]
            pixels, labels = self.fabric.to_device(self.train.batch(places))
            x, theta = augment.drawn(pixels, generator)
            targets = functional.one_hot(labels, self.classes).to(torch.float32)
            if config.mixup:
                x, targets = mix_batch(x, targets, config.mixup, generator)
            if others is None:
                keypoints = self.keypoints.batch(places, theta) if self.keypoints is not None else None
                yield SupervisedBatch(x, targets, keypoints=keypoints)
                continue
            seed = stream_seed(config.seed, epoch, _REBUILT_STREAM + step * world + rank)
            chance = torch.Generator().manual_seed(seed)
            more = self.fabric.to_device(self.rebuilt.batch(others[here][rank::world])[0])
            yield SupervisedBatch(x, targets, augment(more, chance), chance)

    def _augment(self, resolution: int) -> BatchAugment:
        config = self.config
        return BatchAugment(
            resolution,
            self.preprocessing.mean,
            self.preprocessing.std,
            flip=config.flip,
            crop_scale=config.crop_scale,
            rotation=config.rotation,
            color=config.color,
        )

    def _rebuilt_order(self, epoch: int) -> np.ndarray | None:
        """Return which rows are rebuilt at each step; they come round as often as the steps need."""
        if not len(self.rebuilt):
            return None
        generator = np.random.default_rng(stream_seed(self.config.seed, epoch, _REBUILT_STREAM - 1))
        wanted = self.steps * self.config.batch_size
        rounds = -(-wanted // len(self.rebuilt))
        return np.concatenate([generator.permutation(len(self.rebuilt)) for _ in range(rounds)])[:wanted]

    def update(self, batch: SupervisedBatch) -> StepTerms:
        """Take one optimizer step; the terms name both tasks where there are two."""
        loss, terms = self._loss(batch)
        self.fabric.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update_parameters(self.recognizer)
        return {LOSS: loss.detach(), **terms}

    def _loss(self, batch: SupervisedBatch) -> tuple[Tensor, StepTerms]:
        smoothing = self.config.label_smoothing
        if batch.keypoints is not None:
            return self._loss_with_keypoints(batch.x, batch.targets, batch.keypoints)
        if batch.rebuilt is None:
            return functional.cross_entropy(self.module(batch.x), batch.targets, label_smoothing=smoothing), {}
        logits, rebuilding = self.module(batch.x, batch.rebuilt, batch.generator)
        telling = functional.cross_entropy(logits, batch.targets, label_smoothing=smoothing)
        terms = {"classification": telling.detach(), "reconstruction": rebuilding.detach()}
        return telling + self.config.unlabelled_weight * rebuilding, terms

    def _loss_with_keypoints(self, x: Tensor, targets: Tensor, keypoints: KeypointTargets) -> tuple[Tensor, StepTerms]:
        logits, finding, terms = self.module(x, keypoints)
        telling = functional.cross_entropy(logits, targets, label_smoothing=self.config.label_smoothing)
        return telling + self.config.keypoint_weight * finding, {"classification": telling.detach(), **terms}

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
