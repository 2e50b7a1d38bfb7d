"""The autoencoder of parts: a picture is rebuilt from a few vectors, each spread over the place of one part."""

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.models.autoencoders.contract import CodeKind, InputKind, Terms, evaluating
from fieldmark.models.autoencoders.masking import to_grid
from fieldmark.models.backbones import Backbone
from fieldmark.models.layers.padding import pad_to_multiple
from fieldmark.models.parts import DiscoveredParts, DiscoveryWeights, discovery_loss, equivariance_error
from fieldmark.models.parts.motion import draw_motion, move, recolour
from fieldmark.models.pooling import pool_parts


class PartAutoencoder(nn.Module):
    """Learns parts without labels: what is rebuilt well from one vector a part, and moves with the picture, is a part.

    The code is a map that holds, in every cell, the vectors of the parts at their shares; all that it tells of a
    picture is where each part is and what it is like. In the manner of MPAE (ICCV 2025), whose terms are those of
    ``fieldmark.models.parts.discovery_terms``.

    Args:
        backbone: gives the features; ``self.backbone`` initialises a recogniser afterwards.
        parts: finds the parts in them; ``self.parts`` initialises a recogniser's afterwards.
        frozen: leave the backbone as it is and learn the parts alone.
        weights: of the terms.
    """

    code_kind: CodeKind = "map"
    input_kind: InputKind = "normalised"

    def __init__(
        self,
        backbone: Backbone,
        parts: DiscoveredParts,
        *,
        frozen: bool = False,
        weights: DiscoveryWeights | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.parts = parts
        self.preprocessing = backbone.preprocessing
        self.code_dim = backbone.feature_dim
        self.paint = nn.Conv2d(backbone.feature_dim, 3, 1)
        self.frozen = frozen
        self._weights = weights or DiscoveryWeights()
        if frozen:
            self._network.requires_grad_(False)

    @property
    def _network(self) -> nn.Module:
        return self.backbone  # type: ignore[return-value]  # every backbone is a module

    def train(self, mode: bool = True) -> "PartAutoencoder":
        """Set the mode; a frozen backbone stays in evaluation mode, so that its statistics stay, too."""
        super().train(mode)
        if self.frozen:
            self._network.eval()
        return self

    def encode(self, x: Tensor) -> Tensor:
        """Turn pictures (B, 3, H, W) into the map (B, C, h, w) of their parts' vectors."""
        features = self._features(x)
        return self._spread(features, self.parts(features))

    def decode(self, z: Tensor) -> Tensor:
        """Turn the map of the parts' vectors (B, C, h, w) into pictures (B, 3, h · stride, w · stride)."""
        return functional.interpolate(self.paint(z), scale_factor=self.backbone.stride, mode="bilinear")

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Terms]:
        """Return the loss of normalised pictures (B, 3, H, W) and its terms, unweighted."""
        features = self._features(x)  # (B, C, h, w)
        maps = self.parts(features)  # (B, K + 1, h, w)
        theta = draw_motion(len(x), generator, x.device)
        moved = self.parts(self._features(recolour(move(x, theta), generator)))
        loss, terms = discovery_loss(x, features, maps, self._weights)
        equivariance = equivariance_error(maps, moved, theta)
        painted = self._painting_error(x, features, maps)
        terms |= {"equivariance": equivariance.detach(), "pixels": painted.detach()}
        return loss + self._weights.equivariance * equivariance + painted, terms

    def reconstruct(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Return the pictures, of which nothing is hidden, and what their parts' vectors make of them."""
        with evaluating(self):
            return x, self._cut(self.decode(self.encode(x)).float(), x)

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """Return each picture's mean squared error (B,) when it is painted from its parts' vectors."""
        with evaluating(self):
            painted = self._cut(self.decode(self.encode(x)).float(), x)
            error: Tensor = (painted - x.float()).square().mean((1, 2, 3))
            return error

    def _features(self, x: Tensor) -> Tensor:
        padded = pad_to_multiple(x, self.backbone.stride)
        grid = (padded.shape[-2] // self.backbone.stride, padded.shape[-1] // self.backbone.stride)
        with torch.no_grad() if self.frozen else nullcontext():
            return to_grid(self.backbone.forward_features(padded), grid)

    def _spread(self, features: Tensor, maps: Tensor) -> Tensor:
        vectors, _ = pool_parts(features, maps.to(features), rest=True)  # (B, K + 1, C)
        return torch.einsum("bkhw,bkc->bchw", maps.to(vectors), vectors)

    def _painting_error(self, x: Tensor, features: Tensor, maps: Tensor) -> Tensor:
        # The painter learns from finished maps: that they suit the pictures is the other terms' business.
        painted: Tensor = self.paint(self._spread(features.detach(), maps.detach())).float()
        small = functional.interpolate(x.float(), painted.shape[-2:], mode="area")
        return (painted - small).square().mean()

    def _cut(self, painted: Tensor, x: Tensor) -> Tensor:
        return painted[..., : x.shape[-2], : x.shape[-1]]
