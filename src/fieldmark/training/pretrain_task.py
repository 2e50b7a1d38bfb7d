"""The task of rebuilding: batches of samples without labels, and an autoencoder's loss."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from fieldmark.models.autoencoders import Autoencoder, Terms
from fieldmark.training.checkpoint import LogRow
from fieldmark.training.pretrain_config import PretrainConfig
from fieldmark.training.pretrain_inputs import Inputs
from fieldmark.training.sampling import stream_seed
from fieldmark.training.task import LOSS, StepTerms

#: Batches within which sequences are sorted by length.
_SORTED = 32


class ReconstructionLoss(nn.Module):
    """An autoencoder whose forward pass is its loss, as wrappers of the forward pass want it.

    Args:
        autoencoder: a torch module, as all of ours are.
    """

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """Return the loss of a batch and its terms."""
        return self.autoencoder.loss(x, generator)


@dataclass(frozen=True)
class RebuiltBatch:
    """One step's samples, with what decides on masks and noise."""

    x: Tensor
    generator: torch.Generator


@dataclass
class PretrainTask:
    """Everything that pretraining works with.

    Attributes:
        fabric: where it runs.
        config: the options.
        model: the autoencoder.
        module: what is called in the forward pass: the loss as Fabric wraps it.
        optimizer: AdamW, wrapped by Fabric.
        inputs: samples of all rows.
        train: places of the rows to train on (N,).
        validation: places of the rows to measure on (M,); may be empty.
        guessing_loss: the loss of a network that knows nothing.
        draw: draws reconstructions, given the number of epochs done.
    """

    fabric: Fabric
    config: PretrainConfig
    model: nn.Module
    module: nn.Module
    optimizer: torch.optim.Optimizer
    inputs: Inputs
    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    guessing_loss: float
    draw: Callable[[int], None]
    average: None = field(default=None, init=False)

    @property
    def steps(self) -> int:
        """Steps in an epoch; the last batch may be smaller, but never a single sample."""
        count, size = len(self.train), self.config.batch_size
        whole, rest = divmod(count, size)
        return max(1, whole + int(rest >= 2 * self.fabric.world_size))

    @property
    def samples_per_step(self) -> int:
        """Samples in a step, rounded down."""
        return min(self.config.batch_size, len(self.train))

    def begin_epoch(self) -> None:
        """Put the autoencoder into training mode."""
        self.module.train()

    def batches(self, epoch: int, resolution: int) -> Iterator[RebuiltBatch]:  # noqa: ARG002
        """Yield this process's share of an epoch's batches."""
        config, rank, world = self.config, self.fabric.global_rank, self.fabric.world_size
        order = self._order(epoch)
        for step in range(self.steps):
            places = order[step * config.batch_size : (step + 1) * config.batch_size][rank::world]
            generator = torch.Generator().manual_seed(stream_seed(config.seed, epoch, 1 + step * world + rank))
            yield RebuiltBatch(self.fabric.to_device(self.inputs.batch(places, generator)), generator)

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Shuffle the rows; sequences of like length come together, so that little of a batch is padding."""
        generator = np.random.default_rng(stream_seed(self.config.seed, epoch))
        order = generator.permutation(self.train)
        if self.inputs.lengths is None:
            return order
        size = self.config.batch_size
        chunks = [order[start : start + _SORTED * size] for start in range(0, len(order), _SORTED * size)]
        lengths = self.inputs.lengths
        ordered = np.concatenate([chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks])
        whole = len(ordered) // size
        batches = generator.permutation(ordered[: whole * size].reshape(whole, size), axis=0).reshape(-1)
        return np.concatenate([batches, ordered[whole * size :]])

    def update(self, batch: RebuiltBatch) -> StepTerms:
        """Take one optimizer step."""
        loss, terms = self.module(batch.x, batch.generator)
        self.fabric.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        # A loss of one term is that term: it stands in the log once.
        return {LOSS: loss.detach(), **(terms if len(terms) > 1 else {})}

    @torch.inference_mode()
    def validate(self, resolution: int) -> LogRow:  # noqa: ARG002
        """Measure the loss on the validation rows, under the same masks every time."""
        if not len(self.validation):
            return {"val_loss": None}
        self.module.eval()
        generator = torch.Generator().manual_seed(self.config.seed)
        size, total = 4 * self.config.batch_size, 0.0
        for start in range(0, len(self.validation), size):
            places = self.validation[start : start + size]
            loss, _ = self.module(self.fabric.to_device(self.inputs.batch(places)), generator)
            total += float(loss) * len(places)
        return {"val_loss": round(total / len(self.validation), 6)}

    def after_epoch(self, epochs_done: int) -> None:
        """Draw reconstructions, where it is time."""
        every = self.config.picture_every
        if every and epochs_done % every == 0:
            self.draw(epochs_done)


def loss_of_guessing(config: PretrainConfig, vocabulary: int) -> float:
    """Return about what the loss is before anything was learned.

    Args:
        config: names the loss's terms.
        vocabulary: number of token ids; 0 where the samples are no texts.
    """
    if vocabulary:
        return math.log(vocabulary)
    return 1.0 + (config.feature_loss_weight if config.feature_weights != "none" else 0.0) + (config.beta or 0.0)
