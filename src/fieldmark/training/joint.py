"""Two tasks on one backbone: telling classes apart, and rebuilding what is hidden."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fieldmark.models.autoencoders import Autoencoder
from fieldmark.models.recognizer import Recognizer


class JointModel(nn.Module):
    """A recogniser and an autoencoder around the same backbone.

    Args:
        recognizer: tells classes apart.
        autoencoder: a masked autoencoder whose ``backbone`` is the recogniser's.
    """

    def __init__(self, recognizer: Recognizer, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.recognizer = recognizer
        self.autoencoder = autoencoder

    def forward(self, x: Tensor, pictures: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the logits (B, N) of labelled pictures and the loss of rebuilding others.

        Args:
            x: normalised pictures (B, 3, H, W) to be told apart.
            pictures: normalised pictures (U, 3, H, W) to be rebuilt.
            generator: decides what is hidden.
        """
        logits: Tensor = self.recognizer(x)
        # Pictures with holes have statistics of their own; prediction sees whole pictures.
        with kept_statistics(self.recognizer.backbone):  # type: ignore[arg-type]  # every backbone is a module
            loss, _ = self.autoencoder.loss(pictures, generator)
        return logits, loss


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
