"""Reconstruction losses of values in 0..1; both take what the decoder gives before its sigmoid."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from fieldmark.errors import unknown_name

#: From logits and targets of one shape to the mean over all entries.
PixelLoss = Callable[[Tensor, Tensor], Tensor]


def bernoulli_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy in nats, mean over all entries; of the logits, which is stable and several times faster."""
    return functional.binary_cross_entropy_with_logits(logits.float(), target.float())


def squared_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Squared error of the sigmoid, mean over all entries."""
    return functional.mse_loss(logits.float().sigmoid(), target.float())


#: Loss name → function.
PIXEL_LOSSES: dict[str, PixelLoss] = {"bernoulli": bernoulli_loss, "squared": squared_loss}


def pixel_loss(name: str) -> PixelLoss:
    """Return the loss of a name in ``PIXEL_LOSSES``.

    Raises:
        ConfigError: an unknown name.
    """
    if name not in PIXEL_LOSSES:
        raise unknown_name("reconstruction loss", name, PIXEL_LOSSES)
    return PIXEL_LOSSES[name]
