"""The masked autoencoder of transformers: only shown patches are encoded (He et al. 2022)."""

import torch
from torch import Tensor, nn

from fieldmark.errors import ConfigError
from fieldmark.models.autoencoders.contract import CodeKind, InputKind, Terms
from fieldmark.models.autoencoders.corruption import Corruption, NoCorruption
from fieldmark.models.autoencoders.masking import BlockMasking
from fieldmark.models.backbones import Backbone
from fieldmark.models.backbones.tokens import PatchTokens
from fieldmark.models.layers.padding import pad_to_multiple

_HEAD_WIDTH = 32
_LONGEST_WAVE = 10_000


class MaskedViTAutoencoder(nn.Module):
    """Encode the shown patches, put mask tokens at the hidden places, decode all patches to pixels.

    The loss is the squared error of normalised patches at hidden places. Unlike in the paper, the decoder does not get
    the class token, so that it decodes a plain map of features as well.

    Args:
        tokens: the transformer, taken apart; ``tokens.backbone`` is what is pretrained.
        ratio: share of hidden patches, above 0 and below 1.
        decoder_width: width of the decoder, a multiple of 32.
        decoder_depth: blocks of the decoder, at least 1.
        corruption: noise on the shown places in training; ``None`` for none.

    Raises:
        ConfigError: an impossible ratio, width or depth.
    """

    code_kind: CodeKind = "map"
    input_kind: InputKind = "normalised"

    def __init__(
        self,
        tokens: PatchTokens,
        *,
        ratio: float,
        decoder_width: int,
        decoder_depth: int,
        corruption: Corruption | None = None,
    ) -> None:
        super().__init__()
        if decoder_width < 1 or decoder_width % _HEAD_WIDTH or decoder_depth < 1:
            raise ConfigError(
                f"A decoder can't be {decoder_width} wide and {decoder_depth} deep.",
                f"Use a multiple of {_HEAD_WIDTH} for the width and at least one block.",
            )
        self.backbone: Backbone = tokens.backbone
        self.preprocessing = tokens.backbone.preprocessing
        self.code_dim = tokens.backbone.feature_dim
        self.masking = BlockMasking(tokens.backbone.stride, ratio, "squared")
        self._tokens = tokens
        self._corruption = corruption or NoCorruption()
        self.narrow = nn.Linear(self.code_dim, decoder_width)
        self.mask_token = nn.Parameter(torch.empty(decoder_width))
        nn.init.normal_(self.mask_token, std=0.02)
        self.decoder = nn.ModuleList(
            nn.TransformerEncoderLayer(
                decoder_width,
                decoder_width // _HEAD_WIDTH,
                4 * decoder_width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(decoder_depth)
        )
        self.norm = nn.LayerNorm(decoder_width)
        self.pixels = nn.Linear(decoder_width, 3 * tokens.backbone.stride**2)

    def encode(self, x: Tensor) -> Tensor:
        """Turn whole pictures (B, 3, H, W) into the backbone's features (B, C, ⌈H / patch⌉, ⌈W / patch⌉)."""
        return self.backbone.forward_features(pad_to_multiple(x, self.masking.block))

    def encode_visible(self, x: Tensor, mask: Tensor) -> Tensor:
        """Turn padded pictures into the features (B, V, C) of the V patches that are shown, in reading order."""
        prefix, patches = self._tokens.embed(x)  # (B, P, C), (B, h·w, C)
        shown = take(patches, shown_first(mask)[:, : int((~mask[0]).sum())])
        return self._tokens.transform(torch.cat([prefix, shown], 1))[:, prefix.shape[1] :]

    def decode(self, z: Tensor) -> Tensor:
        """Turn features (B, C, h, w) into pictures (B, 3, h · patch, w · patch) of normalised patches."""
        return self._to_pictures(self.narrow(z.flatten(2).transpose(1, 2)), (z.shape[-2], z.shape[-1]))

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Terms]:
        """Return the loss of normalised pictures and its one term, ``pixels``.

        Raises:
            ConfigError: the pictures have one patch alone, or a size that the transformer does not take.
        """
        padded = pad_to_multiple(x, self.masking.block)
        mask = self.masking.draw(padded, generator)  # (B, h, w)
        shown = self._corruption(padded, generator) if self.training else padded
        prediction = self._predict(shown, mask)
        pixels = self.masking.errors(prediction, padded, mask, (x.shape[-2], x.shape[-1])).mean()
        return pixels, {"pixels": pixels.detach()}

    def reconstruct(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return normalised pictures with hidden patches, and with these filled in; both shaped like ``x``.

        A filled patch gets the true one's mean and standard deviation, which the network does not predict.
        """
        return self.masking.reconstruct(x, self._predict, self, generator)

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """Return each picture's mean pixel error (B,) under fixed masks that together hide every patch."""
        return self.masking.score(x, self._predict, self)

    def _predict(self, x: Tensor, mask: Tensor) -> Tensor:
        narrow = self.narrow(self.encode_visible(x, mask))  # (B, V, W)
        tokens = unshuffle(narrow, self.mask_token, mask)  # (B, h·w, W)
        return self._to_pictures(tokens, (mask.shape[-2], mask.shape[-1]))

    def _to_pictures(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        tokens = tokens + sine_positions(grid, tokens.shape[-1]).to(tokens)
        for layer in self.decoder:
            tokens = layer(tokens)
        patches = self.pixels(self.norm(tokens)).transpose(1, 2)  # (B, 3·patch², h·w)
        return nn.functional.pixel_shuffle(patches.unflatten(2, grid), self.masking.block)


def shown_first(mask: Tensor) -> Tensor:
    """Order cells (B, h·w) so that the shown ones come first; both kinds stay in reading order."""
    return mask.flatten(1).int().argsort(dim=1, stable=True)


def take(tokens: Tensor, places: Tensor) -> Tensor:
    """Pick tokens (B, M, W) of (B, N, W) by their places (B, M)."""
    return tokens.gather(1, places.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


def unshuffle(shown: Tensor, mask_token: Tensor, mask: Tensor) -> Tensor:
    """Put shown tokens back where they came from, and the mask token everywhere else.

    Args:
        shown: (B, V, W), in the order of ``shown_first``.
        mask_token: (W,).
        mask: (B, h, w), true at h·w − V places of each row.

    Returns:
        (B, h·w, W).
    """
    order = shown_first(mask)
    hidden = mask_token.to(shown.dtype).expand(len(shown), order.shape[1] - shown.shape[1], -1)
    return take(torch.cat([shown, hidden], 1), order.argsort(dim=1))


def sine_positions(grid: tuple[int, int], width: int) -> Tensor:
    """Return fixed positions (h·w, width): half of the channels say the row, half the column (Vaswani et al. 2017)."""
    quarter = width // 4
    rates = _LONGEST_WAVE ** -(torch.arange(quarter) / quarter)
    rows, columns = (torch.arange(side).unsqueeze(1) * rates for side in grid)  # (h, width / 4), (w, width / 4)
    vertical = torch.cat([rows.sin(), rows.cos()], 1).unsqueeze(1).expand(-1, grid[1], -1)
    horizontal = torch.cat([columns.sin(), columns.cos()], 1).unsqueeze(0).expand(grid[0], -1, -1)
    return torch.cat([vertical, horizontal], -1).flatten(0, 1)
