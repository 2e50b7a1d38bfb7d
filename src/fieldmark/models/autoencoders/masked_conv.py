"""The masked autoencoder around any backbone: hide blocks, fill them in from the backbone's last map."""

import torch
from torch import Tensor, nn

from fieldmark.errors import ConfigError, ModelError, unknown_name
from fieldmark.models.autoencoders.contract import CodeKind, InputKind, Terms
from fieldmark.models.autoencoders.corruption import Corruption, NoCorruption
from fieldmark.models.autoencoders.feature_target import FEATURE_DISTANCES, FrozenFeatures
from fieldmark.models.autoencoders.masking import BlockMasking, hide, spread, to_grid
from fieldmark.models.backbones import Backbone
from fieldmark.models.layers.padding import pad_to_multiple

#: The decoder convolves down to this many pixels per cell; one linear map gives the pixels below.
_FINEST_STRIDE = 4
_NARROWEST = 32


class MaskedConvAutoencoder(nn.Module):
    """Hidden blocks are filled with the mean colour before the backbone sees the picture.

    The decoder gets the backbone's last map and nothing else. Skip connections would spare the backbone what it is to
    learn, and could leak what is hidden. Pixels are compared as in He et al. (2022) and Xie et al. (2022, SimMIM):
    absolute differences of normalised blocks, at hidden places only.

    Args:
        backbone: what is pretrained; ``self.backbone`` initialises a recogniser afterwards.
        block: side of a hidden block in pixels, a multiple of the backbone's stride.
        ratio: share of hidden blocks, above 0 and below 1.
        decoder_width: channels of the decoder's first layer; each rise halves them, to 32 at least.
        target_dim: channels of the feature network's map; 0 for pixels alone.
        target_weight: weight of the feature term.
        target_distance: a name in ``FEATURE_DISTANCES``.
        corruption: noise on the shown places in training; ``None`` for none.

    Raises:
        ConfigError: the block is no multiple of the stride, an impossible ratio or an unknown distance.
    """

    code_kind: CodeKind = "map"
    input_kind: InputKind = "normalised"

    def __init__(
        self,
        backbone: Backbone,
        *,
        block: int,
        ratio: float,
        decoder_width: int,
        target_dim: int = 0,
        target_weight: float = 1.0,
        target_distance: str = "cosine",
        corruption: Corruption | None = None,
    ) -> None:
        super().__init__()
        stride = backbone.stride
        if block < 1 or block % stride:
            nearest = max(round(block / stride), 1) * stride
            raise ConfigError(
                f"Blocks of {block} px don't fit the backbone's stride of {stride} px.", f"Use {nearest} px."
            )
        if target_distance not in FEATURE_DISTANCES:
            raise unknown_name("feature distance", target_distance, FEATURE_DISTANCES)
        self.masking = BlockMasking(block, ratio, "absolute")
        self.backbone = backbone
        self.preprocessing = backbone.preprocessing
        self.code_dim = backbone.feature_dim
        self.decoder = _rising_decoder(backbone.feature_dim, stride, decoder_width)
        self.target_head = nn.Conv2d(backbone.feature_dim, target_dim, 1) if target_dim else None
        self._target: FrozenFeatures | None = None
        self._target_weight = target_weight
        self._target_distance = FEATURE_DISTANCES[target_distance]
        self._corruption = corruption or NoCorruption()

    def attach_target(self, network: Backbone) -> None:
        """Give the frozen feature network, which is neither trained nor saved with this one.

        Raises:
            ModelError: it gives another number of channels than ``target_dim``, or is no torch module.
        """
        expected = self.target_head.out_channels if self.target_head else 0
        if network.feature_dim != expected:
            raise ModelError(
                f"The feature network gives {network.feature_dim} channels; this autoencoder predicts {expected}.",
                f"Build the autoencoder with target_dim={network.feature_dim}.",
            )
        self._target = FrozenFeatures(network, self.preprocessing)

    def encode(self, x: Tensor) -> Tensor:
        """Turn whole pictures (B, 3, H, W) into the backbone's features (B, C, ⌈H / stride⌉, ⌈W / stride⌉)."""
        return self._features(pad_to_multiple(x, self.backbone.stride))

    def encode_visible(self, x: Tensor, mask: Tensor) -> Tensor:
        """Turn padded pictures, whose hidden blocks are filled in, into features (B, C, H / stride, W / stride)."""
        return self._features(hide(x, mask, self.masking.block))

    def decode(self, z: Tensor) -> Tensor:
        """Turn features (B, C, h, w) into pictures (B, 3, h · stride, w · stride) of normalised blocks."""
        return self.decoder(z)  # type: ignore[no-any-return]

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Terms]:
        """Return the loss of normalised pictures and the terms ``pixels`` and, with a target, ``features``.

        Raises:
            ConfigError: the pictures have one block alone.
            ModelError: features are to be predicted, but ``attach_target`` was not called.
        """
        padded = pad_to_multiple(x, self.masking.block)
        mask = self.masking.draw(padded, generator)  # (B, H / block, W / block)
        shown = self._corruption(padded, generator) if self.training else padded
        z = self.encode_visible(shown, mask)  # (B, C, h, w)
        pixels = self.masking.errors(self.decode(z), padded, mask, (x.shape[-2], x.shape[-1])).mean()
        if self.target_head is None:
            return pixels, {"pixels": pixels.detach()}
        features = self._feature_error(z, padded, mask)
        terms = {"pixels": pixels.detach(), "features": features.detach()}
        return pixels + self._target_weight * features, terms

    def reconstruct(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return normalised pictures with hidden blocks, and with these filled in; both shaped like ``x``.

        A filled block gets the true one's mean and standard deviation, which the network does not predict.
        """
        return self.masking.reconstruct(x, self._predict, self, generator)

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """Return each picture's mean pixel error (B,) under fixed masks that together hide every block."""
        return self.masking.score(x, self._predict, self)

    def _predict(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.decode(self.encode_visible(x, mask))

    def _features(self, x: Tensor) -> Tensor:
        stride = self.backbone.stride
        return to_grid(self.backbone.forward_features(x), (x.shape[-2] // stride, x.shape[-1] // stride))

    def _feature_error(self, z: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        if self._target is None or self.target_head is None:
            raise ModelError("There is no feature network to learn from.", "Call attach_target first.")
        target = to_grid(self._target(x), (z.shape[-2], z.shape[-1]))
        distance = self._target_distance(self.target_head(z), target)  # (B, h, w)
        hidden = spread(mask, self.masking.block // self.backbone.stride)[:, 0]
        return (distance * hidden).sum() / hidden.sum()


def _rising_decoder(feature_dim: int, stride: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(feature_dim, width, 1)]
    while stride > _FINEST_STRIDE and stride % 2 == 0:
        narrower = max(width // 2, _NARROWEST)
        layers += [
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, narrower, 3, padding=1, bias=False),
            nn.BatchNorm2d(narrower),
            nn.ReLU(),
        ]
        width, stride = narrower, stride // 2
    return nn.Sequential(*layers, nn.Conv2d(width, 3 * stride**2, 3, padding=1), nn.PixelShuffle(stride))
