"""Which epoch runs at which resolution, and the learning rate at each step of it."""

import math
from dataclasses import dataclass, replace
from typing import Protocol

from fieldmark.errors import ConfigError

#: Share of a time limit kept for the last validation and for writing the result.
_TIME_RESERVE = 0.04


class ScheduleOptions(Protocol):
    """What the schedule must know of a training's options; ``TrainConfig`` tells what each means."""

    @property
    def epochs(self) -> int:
        """Passes at ``resolution``."""
        ...

    @property
    def finish_epochs(self) -> int:
        """Further passes at ``finish_resolution``."""
        ...

    @property
    def resolution(self) -> int:
        """Side of the training input in pixels."""
        ...

    @property
    def finish_resolution(self) -> int:
        """Side in pixels of the last passes; 0 where there are none."""
        ...

    @property
    def learning_rate(self) -> float:
        """Peak learning rate."""
        ...

    @property
    def warmup_epochs(self) -> float:
        """Epochs of linear warm-up."""
        ...

    @property
    def seed(self) -> int:
        """The run's seed."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """The epochs still to come and what has been used of the schedule.

    The plan can be cut while it runs: the cosine then falls faster over the epochs that remain, without a jump.

    Attributes:
        epochs: passes at the training resolution, in all.
        finish_epochs: passes at the finishing resolution, in all.
        next_epoch: index of the next epoch.
        progress: share of the schedule used before ``next_epoch``, in 0..1.
    """

    epochs: int
    finish_epochs: int
    next_epoch: int = 0
    progress: float = 0.0

    @property
    def total(self) -> int:
        """Epochs in all."""
        return self.epochs + self.finish_epochs

    @property
    def finishing(self) -> bool:
        """Whether the next epoch runs at the finishing resolution."""
        return self.next_epoch >= self.epochs

    @property
    def per_epoch(self) -> float:
        """Share of the schedule that each remaining epoch uses."""
        return (1 - self.progress) / max(1, self.total - self.next_epoch)

    def advanced(self) -> "Plan":
        """Return the plan after the next epoch."""
        return replace(self, next_epoch=self.next_epoch + 1, progress=self.progress + self.per_epoch)


def learning_rate_factor(plan: Plan, step: int, steps: int, warmup_epochs: float) -> float:
    """Return the share of the peak learning rate at a step: linear warm-up, then half a cosine to zero.

    Args:
        plan: the plan before the current epoch.
        step: index of the step in this epoch.
        steps: steps in an epoch.
        warmup_epochs: length of the warm-up.
    """
    within = step / steps
    progress = plan.progress + plan.per_epoch * within
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    if warmup_epochs <= 0:
        return cosine
    return cosine * min(1.0, (plan.next_epoch + (step + 1) / steps) / warmup_epochs)


def plan_epochs(config: ScheduleOptions, seconds: float | None, epoch_cost: float, finish_cost: float) -> Plan:
    """Plan as many of the wanted epochs as fit.

    Args:
        config: the wanted epochs at either resolution.
        seconds: time there is; ``None`` is no limit.
        epoch_cost: seconds of one epoch at the training resolution.
        finish_cost: seconds of one epoch at the finishing resolution.

    Raises:
        ConfigError: not even one epoch fits.
    """
    if seconds is None:
        return Plan(config.epochs, config.finish_epochs)
    wanted = config.epochs * epoch_cost + config.finish_epochs * finish_cost
    share = min(1.0, seconds / wanted)
    finish = math.floor(config.finish_epochs * share)
    epochs = min(config.epochs, math.floor((seconds - finish * finish_cost) / epoch_cost))
    if epochs < 1:
        raise ConfigError(
            f"One epoch takes about {epoch_cost:.0f} s; {max(0, seconds):.0f} s are left of the time limit.",
            "Give more time, a lower resolution or a smaller backbone.",
        )
    return Plan(epochs, finish)


def cut_plan(plan: Plan, seconds: float, epoch_cost: float, finish_cost: float) -> Plan:
    """Drop epochs that no longer fit; at least the running stage's state is kept.

    Args:
        plan: the plan before the next epoch.
        seconds: time left.
        epoch_cost: seconds of one epoch at the training resolution.
        finish_cost: seconds of one epoch at the finishing resolution.

    Returns:
        A plan whose remaining epochs fit, or the plan itself where they do.
    """
    epochs, finish = plan.epochs, plan.finish_epochs
    while True:
        coarse = max(0, epochs - plan.next_epoch)
        fine = finish if not plan.finishing else epochs + finish - plan.next_epoch
        if coarse * epoch_cost + fine * finish_cost <= seconds:
            break
        if coarse > 0:
            epochs -= 1
        elif fine > 0:
            finish -= 1
        else:
            break
    return replace(plan, epochs=epochs, finish_epochs=finish)


def deadline_of(time_limit: float | None, started: float) -> float | None:
    """Return the ``time.monotonic`` by which the epochs must end.

    Args:
        time_limit: minutes that a training may take; ``None`` is no limit.
        started: the ``time.monotonic`` at which it began.
    """
    return None if time_limit is None else started + 60 * time_limit * (1 - _TIME_RESERVE)
