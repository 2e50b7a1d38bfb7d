"""The training loop: epochs, learning rate, validation, checkpoints, a time limit; what is trained is a task's."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, cast

import torch
from lightning.fabric import Fabric

from fieldmark.errors import TrainingError
from fieldmark.training.checkpoint import (
    LogRow,
    TrainingState,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from fieldmark.training.logs import write_csv, write_tensorboard
from fieldmark.training.observer import TrainObserver
from fieldmark.training.run_folder import CHECKPOINTS, LOG_FILE
from fieldmark.training.sampling import stream_seed
from fieldmark.training.schedule import Plan, ScheduleOptions, cut_plan, learning_rate_factor, plan_epochs
from fieldmark.training.task import LOSS, Batch, StepTerms, Task

#: A loss this many times the loss of guessing means that the weights are gone.
_EXPLODED = 20.0

#: Steps timed to plan a limited training; the first is not counted.
_TIMED_STEPS = 4

#: What an epoch takes beside its steps: validation, checkpoint, log.
_BESIDE_STEPS = 1.1


@dataclass
class Loop(Generic[Batch]):
    """One training run.

    Attributes:
        fabric: where it runs.
        options: epochs, resolutions, learning rate, seed.
        task: the model, its data and its loss.
        out: the run's folder.
        observer: hears what happens.
    """

    fabric: Fabric
    options: ScheduleOptions
    task: Task[Batch]
    out: Path
    observer: TrainObserver

    def run(self, deadline: float | None) -> TrainingState:
        """Train to the end of the plan, from the last checkpoint where there is one.

        Args:
            deadline: the ``time.monotonic`` by which to end; epochs that do not fit are dropped.

        Raises:
            TrainingError: the loss is not a number, or exploded, or the checkpoint can't be used.
            ConfigError: not even one epoch fits.
        """
        state = self._begin(deadline)
        self._announce(state.plan)
        costs: dict[bool, float] = {}
        while state.plan.next_epoch < state.plan.total:
            started, processor = time.monotonic(), time.process_time()
            finishing = state.plan.finishing
            row = self._epoch(state.plan)
            seconds = time.monotonic() - started
            costs[finishing] = seconds
            seen = self.task.steps * self.task.samples_per_step
            row |= {"seconds": round(seconds, 2), "images_per_second": round(seen / seconds, 1)}
            average = self.task.average
            state = TrainingState(
                plan=self._fitted(state.plan.advanced(), costs, deadline),
                rows=(*state.rows, row),
                seconds=state.seconds + seconds,
                processor_seconds=state.processor_seconds + time.process_time() - processor,
                averaged=0 if average is None else int(average.n_averaged),
            )
            self._keep(state, row)
        return state

    def _begin(self, deadline: float | None) -> TrainingState:
        """Return the last checkpoint's state, or a fresh one with as many epochs as fit."""
        task, options = self.task, self.options
        checkpoint = latest_checkpoint(self.out / CHECKPOINTS)
        if checkpoint is not None:
            state = load_checkpoint(checkpoint, task.model, task.average, task.optimizer)
            if task.average is not None:
                task.average.n_averaged.fill_(state.averaged)
            self.observer.message(f"Going on after epoch {state.plan.next_epoch} of {state.plan.total}.")
            return state
        plan = Plan(options.epochs, options.finish_epochs)
        if deadline is not None:
            sides = (options.resolution, options.finish_resolution or options.resolution)
            costs = [self._epoch_cost(side) for side in sides]
            plan = plan_epochs(options, deadline - time.monotonic(), costs[0], costs[1])
            plan = cast("Plan", self.fabric.broadcast(plan))
            wanted = options.epochs + options.finish_epochs
            if plan.total < wanted:
                self.observer.message(f"{plan.total} of {wanted} epochs fit the time limit.")
        return TrainingState(plan, rows=(), seconds=0.0, processor_seconds=0.0, averaged=0)

    def _epoch_cost(self, resolution: int) -> float:
        """Time a few steps, take them back, and return the seconds of an epoch."""
        times = []
        with self._taken_back():
            self.task.begin_epoch()
            batches = self.task.batches(0, resolution)
            for _ in range(_TIMED_STEPS):
                started = time.monotonic()
                for batch in islice(batches, 1):
                    self.task.update(batch)
                    times.append(time.monotonic() - started)
        return sorted(times[1:] or times)[len(times[1:]) // 2] * self.task.steps * _BESIDE_STEPS

    @contextmanager
    def _taken_back(self) -> Iterator[None]:
        """Undo at the end what happens to the model, its average and the optimizer inside."""
        modules = [module for module in (self.task.model, self.task.average) if module is not None]
        before = [{name: tensor.clone() for name, tensor in module.state_dict().items()} for module in modules]
        try:
            yield
        finally:
            for module, tensors in zip(modules, before, strict=True):
                module.load_state_dict(tensors)
            self.task.optimizer.state.clear()

    def _keep(self, state: TrainingState, row: LogRow) -> None:
        if self.fabric.global_rank == 0:
            task = self.task
            save_checkpoint(self.out / CHECKPOINTS, state, task.model, task.average, task.optimizer)
            write_csv(self.out / LOG_FILE, state.rows)
            write_tensorboard(self.out / "tensorboard", row)
            task.after_epoch(state.plan.next_epoch)
        self.observer.epoch(row)
        self.fabric.barrier()

    def _announce(self, plan: Plan) -> None:
        self.observer.start(plan.total * self.task.steps, plan.next_epoch * self.task.steps)

    def _fitted(self, plan: Plan, costs: dict[bool, float], deadline: float | None) -> Plan:
        """Drop epochs that will not end before the deadline; processes agree on the first one's view."""
        if deadline is None:
            return plan
        side = self.options
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
        resolution = self.options.finish_resolution if plan.finishing else self.options.resolution
        torch.manual_seed(stream_seed(self.options.seed, plan.next_epoch))  # dropout's chance
        self.task.begin_epoch()
        sums: StepTerms = {}
        rate, steps = 0.0, self.task.steps
        for step, batch in enumerate(self.task.batches(plan.next_epoch, resolution)):
            rate = self._set_learning_rate(plan, step)
            terms = self.task.update(batch)
            loss = float(terms[LOSS])
            self._check(loss, plan.next_epoch)
            sums = {name: sums[name] + term if name in sums else term for name, term in terms.items()}
            self.observer.step(plan.next_epoch * steps + step + 1, loss)
        means = {name: self._mean(total / steps) for name, total in sums.items()}
        row: LogRow = {
            "epoch": plan.next_epoch + 1,
            "stage": "finish" if plan.finishing else "main",
            "resolution": resolution,
            "learning_rate": round(rate, 8),
            "train_loss": means.pop(LOSS),
        }
        return row | self.task.validate(resolution) | means

    def _mean(self, value: torch.Tensor) -> float:
        return round(float(self.fabric.all_reduce(value.float(), reduce_op="mean")), 6)

    def _set_learning_rate(self, plan: Plan, step: int) -> float:
        factor = learning_rate_factor(plan, step, self.task.steps, self.options.warmup_epochs)
        for group in self.task.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        return self.options.learning_rate * factor

    def _check(self, loss: float, epoch: int) -> None:
        if math.isfinite(loss) and loss < _EXPLODED * self.task.guessing_loss:
            return
        last = max((path.name for path in (self.out / CHECKPOINTS).glob("epoch-????")), default=None)
        good = (
            f"The last good checkpoint is {self.out / CHECKPOINTS / last}." if last else "There is no checkpoint yet."
        )
        raise TrainingError(
            f"The loss became {loss:.4g} in epoch {epoch + 1}. {good}",
            "Lower --learning-rate, lengthen --warmup-epochs or use --precision 32, in a new --out folder.",
        )
