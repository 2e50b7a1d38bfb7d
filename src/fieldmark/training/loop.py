"""The training loop: epochs of augmented batches, a weight average, validation, checkpoints."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from fieldmark.augment import BatchAugment, mix_batch
from fieldmark.errors import TrainingError
from fieldmark.models.recognizer import Recognizer
from fieldmark.records import Preprocessing
from fieldmark.training.checkpoint import LogRow, TrainingState, save_checkpoint
from fieldmark.training.config import TrainConfig
from fieldmark.training.logs import write_csv, write_tensorboard
from fieldmark.training.observer import TrainObserver
from fieldmark.training.run_folder import CHECKPOINTS, LOG_FILE
from fieldmark.training.samples import Samples
from fieldmark.training.sampling import epoch_order, stream_seed
from fieldmark.training.schedule import Plan, cut_plan, learning_rate_factor

#: A loss this many times the loss of guessing means that the weights are gone.
_EXPLODED = 20.0


@dataclass
class Trainer:
    """Everything that one training run works with; ``run`` does it.

    Attributes:
        fabric: where it runs.
        config: the options.
        recognizer: the model in training; ``module`` is the same, as Fabric wraps it.
        module: what is called in the forward pass.
        optimizer: AdamW, wrapped by Fabric.
        average: the averaged model, which is validated and kept.
        frozen: layers that stay as they are.
        train: the training samples.
        validation: the validation samples; may be empty.
        preprocessing: of the final resolution.
        out: the run's folder.
        observer: hears what happens.
    """

    fabric: Fabric
    config: TrainConfig
    recognizer: Recognizer
    module: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel
    frozen: list[nn.Module]
    train: Samples
    validation: Samples
    preprocessing: Preprocessing
    out: Path
    observer: TrainObserver

    @property
    def steps(self) -> int:
        """Steps in an epoch; an incomplete last batch is left to the next epoch's shuffle."""
        return max(1, len(self.train) // self.config.batch_size)

    def run(self, state: TrainingState, deadline: float | None) -> TrainingState:
        """Train from a state to the end of its plan.

        Args:
            state: where to begin.
            deadline: the ``time.monotonic`` by which to end; epochs that no longer fit are dropped.

        Raises:
            TrainingError: the loss is not a number, or exploded.
        """
        self._announce(state.plan)
        costs: dict[bool, float] = {}
        while state.plan.next_epoch < state.plan.total:
            started, processor = time.monotonic(), time.process_time()
            finishing = state.plan.finishing
            row = self._epoch(state.plan)
            seconds = time.monotonic() - started
            costs[finishing] = seconds
            row |= {"seconds": round(seconds, 2), "images_per_second": round(self._seen / seconds, 1)}
            plan = self._fitted(state.plan.advanced(), costs, deadline)
            averaged = int(self.average.n_averaged)
            state = TrainingState(
                plan=plan,
                rows=(*state.rows, row),
                seconds=state.seconds + seconds,
                processor_seconds=state.processor_seconds + time.process_time() - processor,
                averaged=averaged,
            )
            self._keep(state, row)
        return state

    @property
    def _seen(self) -> int:
        return self.steps * min(self.config.batch_size, len(self.train))

    def _keep(self, state: TrainingState, row: LogRow) -> None:
        if self.fabric.global_rank == 0:
            save_checkpoint(self.out / CHECKPOINTS, state, self.recognizer, self.average, self.optimizer)
            write_csv(self.out / LOG_FILE, state.rows)
            write_tensorboard(self.out / "tensorboard", row)
        self.observer.epoch(row)
        self.fabric.barrier()

    def _announce(self, plan: Plan) -> None:
        self.observer.start(plan.total * self.steps, plan.next_epoch * self.steps)

    def _fitted(self, plan: Plan, costs: dict[bool, float], deadline: float | None) -> Plan:
        """Drop epochs that will not end before the deadline; processes agree on the first one's view."""
        if deadline is None:
            return plan
        side = self.config
        growth = (side.finish_resolution / side.resolution) ** 2 if side.finish_resolution else 1.0
        coarse = costs.get(False, costs.get(True, 0.0) / growth)
        fine = costs.get(True, coarse * growth)
        fitted = cut_plan(plan, deadline - time.monotonic(), coarse, fine)
        fitted = cast("Plan", self.fabric.broadcast(fitted))
        if fitted != plan:
            self.observer.message(
                f"Slower than planned: {plan.total - fitted.total} epochs dropped to keep the time limit."
            )
            self._announce(fitted)
        return fitted

    def _epoch(self, plan: Plan) -> LogRow:
        resolution = self.config.finish_resolution if plan.finishing else self.config.resolution
        torch.manual_seed(stream_seed(self.config.seed, plan.next_epoch))  # dropout's chance
        self.module.train()
        for layer in self.frozen:
            layer.eval()
        total, rate = 0.0, 0.0
        for step, (x, targets) in enumerate(self.batches(plan.next_epoch, resolution)):
            rate = self._set_learning_rate(plan, step)
            loss = self.update(x, targets)
            self._check(loss, plan.next_epoch)
            total += loss
            self.observer.step(plan.next_epoch * self.steps + step + 1, loss)
        mean = float(self.fabric.all_reduce(torch.tensor(total / self.steps), reduce_op="mean"))
        row: LogRow = {
            "epoch": plan.next_epoch + 1,
            "stage": "finish" if plan.finishing else "main",
            "resolution": resolution,
            "learning_rate": round(rate, 8),
            "train_loss": round(mean, 6),
            "val_loss": None,
            "val_top1": None,
        }
        return row | self._validate(resolution)

    def batches(self, epoch: int, resolution: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's share of an epoch's augmented batches with their targets (B, N)."""
        config, rank, world = self.config, self.fabric.global_rank, self.fabric.world_size
        augment = BatchAugment(
            resolution,
            self.preprocessing.mean,
            self.preprocessing.std,
            flip=config.flip,
            crop_scale=config.crop_scale,
            rotation=config.rotation,
            color=config.color,
        )
        order = epoch_order(self.train.labels, epoch, config.seed, class_balanced=config.class_balanced)
        classes = len(self.recognizer.bias)
        for step in range(self.steps):
            places = order[step * config.batch_size : (step + 1) * config.batch_size][rank::world]
            generator = torch.Generator().manual_seed(stream_seed(config.seed, epoch, 1 + step * world + rank))
            pixels, labels = self.fabric.to_device(self.train.batch(places))
            x, targets = augment(pixels, generator), functional.one_hot(labels, classes).to(torch.float32)
            yield mix_batch(x, targets, config.mixup, generator) if config.mixup else (x, targets)

    def _set_learning_rate(self, plan: Plan, step: int) -> float:
        factor = learning_rate_factor(plan, step, self.steps, self.config.warmup_epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        return self.config.learning_rate * factor

    def update(self, x: Tensor, targets: Tensor) -> float:
        """Take one optimizer step on pictures (B, 3, R, R) and targets (B, N); return the loss."""
        loss = functional.cross_entropy(self.module(x), targets, label_smoothing=self.config.label_smoothing)
        self.fabric.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update_parameters(self.recognizer)
        return float(loss.detach())

    def _check(self, loss: float, epoch: int) -> None:
        guessing = math.log(max(3, len(self.recognizer.bias)))
        if math.isfinite(loss) and loss < _EXPLODED * guessing:
            return
        last = max((path.name for path in (self.out / CHECKPOINTS).glob("epoch-????")), default=None)
        good = (
            f"The last good checkpoint is {self.out / CHECKPOINTS / last}." if last else "There is no checkpoint yet."
        )
        raise TrainingError(
            f"The loss became {loss:.4g} in epoch {epoch + 1}. {good}",
            "Lower --learning-rate, lengthen --warmup-epochs or use --precision 32, in a new --out folder.",
        )

    @torch.inference_mode()
    def _validate(self, resolution: int) -> LogRow:
        """Measure the averaged weights on the validation rows."""
        if not len(self.validation):
            return {}
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
