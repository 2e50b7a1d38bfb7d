"""The convolutional autoencoder: a strided encoder and an upsampling decoder."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from fieldmark.models.autoencoders.bottleneck import Bottleneck, PlainBottleneck
from fieldmark.models.autoencoders.contract import CodeKind, InputKind, Terms, evaluating
from fieldmark.models.autoencoders.corruption import Corruption, NoCorruption
from fieldmark.models.autoencoders.pixel_losses import PixelLoss, bernoulli_loss
from fieldmark.models.layers import doubling_stage, halving_layers, pad_to_multiple


class ConvAutoencoder(nn.Module):
    """Each width is a stage that halves the picture; the decoder mirrors them.

    Any size goes in: pictures are padded to a multiple of ``stride`` by repeating their edge, and cut back.

    Args:
        channels: channels of the pictures.
        widths: channels of each stage, finest first; at least one.
        code_dim: channels of the code map.
        bottleneck: what makes the code; ``None`` for the plain one.
        corruption: noise on the input in training; ``None`` for none.
        pixel_loss: the reconstruction loss, of logits and targets.

    Raises:
        ConfigError: no widths.
    """

    code_kind: CodeKind = "map"
    input_kind: InputKind = "unit"

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        code_dim: int,
        *,
        bottleneck: Bottleneck | None = None,
        corruption: Corruption | None = None,
        pixel_loss: PixelLoss = bernoulli_loss,
    ) -> None:
        super().__init__()
        self._bottleneck = bottleneck or PlainBottleneck()
        self._corruption = corruption or NoCorruption()
        self._pixel_loss = pixel_loss
        self.code_dim = code_dim
        self.stride = 2 ** len(widths)
        self.encoder = halving_layers(channels, widths, code_dim * self._bottleneck.inputs_per_code)
        back = [*widths[::-1], widths[0]]
        rises = [doubling_stage(inputs, outputs) for inputs, outputs in pairwise(back)]
        self.decoder = nn.Sequential(
            nn.Conv2d(code_dim, widths[-1], 1), nn.ReLU(), *rises, nn.Conv2d(widths[0], channels, 3, padding=1)
        )

    def encode(self, x: Tensor) -> Tensor:
        """Turn pictures (B, channels, H, W) in 0..1 into codes (B, C, ⌈H / stride⌉, ⌈W / stride⌉)."""
        return self._bottleneck.code(self.encoder(pad_to_multiple(x, self.stride)))

    def decode(self, z: Tensor) -> Tensor:
        """Turn codes (B, C, h, w) into pictures (B, channels, h · stride, w · stride) in 0..1."""
        return self.decoder(z).sigmoid()  # type: ignore[no-any-return]

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Terms]:
        """Return the loss of pictures in 0..1 and the terms ``reconstruction`` and, if variational, ``divergence``.

        Noise is added and codes are drawn in training mode only; padding costs nothing.
        """
        height, width = x.shape[-2:]
        shown = self._corruption(x, generator) if self.training else x
        h = self.encoder(pad_to_multiple(shown, self.stride))  # (B, n·C, h, w)
        z = self._bottleneck.sample(h, generator) if self.training else self._bottleneck.code(h)
        logits = self.decoder(z)[..., :height, :width]
        return self._bottleneck.with_penalty(self._pixel_loss(logits, x), h, x[0].numel())

    def reconstruct(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the pictures with their noise and the reconstructions in 0..1, both shaped like ``x``."""
        with evaluating(self):
            shown = self._corruption(x, generator)
            return shown, self.decode(self.encode(shown))[..., : x.shape[-2], : x.shape[-1]]

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """Return each picture's mean squared error (B,)."""
        with evaluating(self):
            rebuilt = self.decode(self.encode(x))[..., : x.shape[-2], : x.shape[-1]]
            return (rebuilt.float() - x).square().flatten(1).mean(1)
