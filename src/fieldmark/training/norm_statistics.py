"""Running statistics of batch normalisation, measured anew or left alone."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

#: Pictures that are enough for a mean and a variance per channel.
ENOUGH = 2048


@torch.no_grad()
def reestimate_statistics(module: nn.Module, forward: Callable[[Tensor], Tensor], batches: Iterable[Tensor]) -> None:
    """Measure the running statistics of batch normalisation on other data; the weights stay.

    A backbone that learned from pictures with holes has their statistics; whole pictures have others.

    Args:
        module: its layers of batch normalisation are changed in place; nothing happens where it has none.
        forward: what to run in training mode on each batch.
        batches: batches (B, ...) of the other data; about ``ENOUGH`` samples are taken.
    """
    norms = [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    norms = [layer for layer in norms if layer.track_running_stats]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    modes = [layer.training for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # the plain average over all batches
        layer.train()
    seen = 0
    for batch in batches:
        if len(batch) < 2:  # of one sample a channel may hold one value alone, which has no variance
            continue
        forward(batch)
        seen += len(batch)
        if seen >= ENOUGH:
            break
    for layer, momentum, mode in zip(norms, momenta, modes, strict=True):
        layer.momentum = momentum
        layer.train(mode)


@contextmanager
def kept_statistics(module: nn.Module) -> Iterator[None]:
    """Keep the running statistics of batch normalisation as they are; batches are still normalised by their own."""
    norms = [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    before = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(norms, before, strict=True):
            layer.momentum = momentum
