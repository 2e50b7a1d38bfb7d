"""What the rest of Fieldmark may ask of an autoencoder."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

#: What one code is: a vector (D,) or a map (C, h, w).
CodeKind = Literal["vector", "map"]

#: What a batch holds:
#: ``unit``        pictures or vectors with values in 0..1;
#: ``normalised``  pictures with the backbone's mean and standard deviation taken out;
#: ``frames``      (B, T, F) floats, NaN after the end of a sequence;
#: ``tokens``      (B, T) integers, the padding id after the end of a sequence.
InputKind = Literal["unit", "normalised", "frames", "tokens"]

#: The named terms of a loss: detached scalars, for logs.
Terms = dict[str, Tensor]


class Autoencoder(Protocol):
    """A network that learns a code by rebuilding its input; every one is a ``torch.nn.Module`` as well.

    Whatever is drawn at random (masks, noise, codes, dropped inputs) comes from the ``generator`` that is passed, or
    from torch's own where none is; so a run that is resumed with the generator's state goes on bit for bit.

    Attributes:
        code_kind: whether a code is a vector or a map.
        code_dim: number D of the vector's entries, or C of the map's channels.
        input_kind: what a batch holds.
    """

    code_kind: CodeKind
    code_dim: int
    input_kind: InputKind

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes (B, D) or (B, C, h, w) of a batch; nothing is masked, corrupted or drawn."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Return the batch that codes stand for."""
        ...

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Terms]:
        """Return the scalar to minimise and its named terms."""
        ...

    def reconstruct(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return what the network is shown of a batch and what it makes of it, both shaped like the batch."""
        ...

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """Return one error (B,) per sample, higher for what is unlike the training data; nothing is drawn."""
        ...


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode without gradients, and back into its own mode at the end."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(was_training)
