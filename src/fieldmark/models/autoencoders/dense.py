"""The dense autoencoder: fully connected layers down to a short code and back."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fieldmark.errors import ConfigError
from fieldmark.models.autoencoders.bottleneck import Bottleneck, PlainBottleneck
from fieldmark.models.autoencoders.contract import CodeKind, InputKind, Terms, evaluating
from fieldmark.models.autoencoders.corruption import Corruption, NoCorruption
from fieldmark.models.autoencoders.pixel_losses import PixelLoss, bernoulli_loss
from fieldmark.models.layers import dense_layers


class DenseAutoencoder(nn.Module):
    """Layers of ``sizes`` down to the code and the same sizes back, ReLU between them, a sigmoid at the end.

    Args:
        sizes: entries of the input, of each hidden layer, and of the code last; at least two, all positive.
        bottleneck: what makes the code; ``None`` for the plain one, with a ReLU.
        corruption: noise on the input in training; ``None`` for none.
        pixel_loss: the reconstruction loss, of logits and targets.

    Raises:
        ConfigError: fewer than two sizes, or one that isn't positive.
    """

    code_kind: CodeKind = "vector"
    input_kind: InputKind = "unit"

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        bottleneck: Bottleneck | None = None,
        corruption: Corruption | None = None,
        pixel_loss: PixelLoss = bernoulli_loss,
    ) -> None:
        super().__init__()
        self._bottleneck = bottleneck or PlainBottleneck(nn.ReLU())
        self._corruption = corruption or NoCorruption()
        self._pixel_loss = pixel_loss
        per_code = self._bottleneck.inputs_per_code
        self.encoder = dense_layers([*sizes[:-1], *(size * per_code for size in sizes[-1:])])
        self.decoder = dense_layers(sizes[::-1])
        self.code_dim = sizes[-1]
        self.inputs = sizes[0]

    def encode(self, x: Tensor) -> Tensor:
        """Turn a batch (B, ...) of values in 0..1 into codes (B, D).

        Raises:
            ConfigError: a sample hasn't as many values as the first layer.
        """
        return self._bottleneck.code(self.encoder(self._flat(x)))

    def decode(self, z: Tensor) -> Tensor:
        """Turn codes (B, D) into values (B, inputs) in 0..1."""
        return self.decoder(z).sigmoid()  # type: ignore[no-any-return]

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Terms]:
        """Return the loss of a batch (B, ...) in 0..1, with ``reconstruction`` and, if variational, ``divergence``.

        Noise is added and codes are drawn in training mode only.

        Raises:
            ConfigError: a sample hasn't as many values as the first layer.
        """
        target = self._flat(x)  # (B, inputs)
        h = self.encoder(self._corruption(target, generator) if self.training else target)
        z = self._bottleneck.sample(h, generator) if self.training else self._bottleneck.code(h)  # (B, D)
        reconstruction = self._pixel_loss(self.decoder(z), target)
        return self._bottleneck.with_penalty(reconstruction, h, self.inputs)

    def reconstruct(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the batch with its noise and the reconstruction in 0..1, both shaped like ``x``."""
        with evaluating(self):
            shown = self._corruption(self._flat(x), generator)
            return shown.view_as(x), self.decode(self.encode(shown)).view_as(x)

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """Return each sample's mean squared error (B,)."""
        with evaluating(self):
            flat = self._flat(x)
            return (self.decode(self.encode(flat)).float() - flat).square().mean(1)

    def _flat(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        if flat.shape[1] != self.inputs:
            raise ConfigError(
                f"The dense autoencoder takes {self.inputs} values; the batch has {flat.shape[1]} per sample.",
                f"Build it with {flat.shape[1]} as the first size.",
            )
        return flat
