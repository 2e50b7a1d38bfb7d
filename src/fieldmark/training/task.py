"""What the loop asks of whatever it trains."""

from collections.abc import Iterator
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from fieldmark.training.checkpoint import LogRow

Batch = TypeVar("Batch")

#: The terms of a step's loss: detached scalars; ``"loss"`` is their sum, which was minimised.
StepTerms = dict[str, Tensor]

#: The name of the sum among a step's terms.
LOSS = "loss"


class Task(Protocol[Batch]):
    """A model with its data and its loss.

    Attributes:
        model: what is trained, as checkpoints keep it.
        average: its averaged weights; ``None`` where they are not wanted.
        optimizer: with the group entry ``peak``, the group's highest learning rate.
        steps: steps in an epoch.
        samples_per_step: samples that one step sees, over all processes.
        guessing_loss: the loss of a model that knows nothing; many times that means that the weights are gone.
    """

    @property
    def model(self) -> nn.Module:
        """What is trained."""
        ...

    @property
    def average(self) -> AveragedModel | None:
        """Its averaged weights, if any."""
        ...

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """What steps."""
        ...

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        ...

    @property
    def samples_per_step(self) -> int:
        """Samples that one step sees, over all processes."""
        ...

    @property
    def guessing_loss(self) -> float:
        """The loss of a model that knows nothing."""
        ...

    def begin_epoch(self) -> None:
        """Put the model into training mode, layers that stay as they are excepted."""
        ...

    def batches(self, epoch: int, resolution: int) -> Iterator[Batch]:
        """Yield this process's share of an epoch's batches; a function of the seed and the epoch alone."""
        ...

    def update(self, batch: Batch) -> StepTerms:
        """Take one optimizer step and return the terms of its loss."""
        ...

    def validate(self, resolution: int) -> LogRow:
        """Measure on validation rows, under names that begin with ``val_``; empty where there are none."""
        ...

    def after_epoch(self, epochs_done: int) -> None:
        """Do what else belongs to the end of an epoch, such as drawing what is rebuilt; first process only."""
        ...
