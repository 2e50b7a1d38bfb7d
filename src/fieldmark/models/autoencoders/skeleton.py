"""The autoencoder of a skeleton: a picture is rebuilt from a few linked keypoints and a glimpse of its colours."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.models.autoencoders.contract import CodeKind, InputKind, Terms, evaluating
from fieldmark.models.autoencoders.drawing import draw_uniform
from fieldmark.models.autoencoders.masking import random_masks, spread, to_grid
from fieldmark.models.backbones import Backbone
from fieldmark.models.layers.padding import pad_to_multiple
from fieldmark.models.parts.linked_keypoints import LinkedKeypoints, draw_links

#: Side of the square picture that is rebuilt.
SIDE = 64

#: Blocks of the glimpse, in pixels of the rebuilt picture, and the share of them that is hidden (AutoLink hides 0.8).
_BLOCK, _HIDDEN = 8, 0.8

#: Standard deviation of a drawn link, in units of -1..1.
_THICKNESS = 0.08

_LEVELS = 3


class SkeletonAutoencoder(nn.Module):
    """Learns keypoints without labels: where the links must be drawn so that the picture can be completed around them.

    In the manner of AutoLink (He et al., NeurIPS 2022): the decoder gets the drawn skeleton and a glimpse of the
    picture, four fifths of which is hidden; what the glimpse doesn't tell, the shape, has to come from the skeleton.

    Args:
        backbone: gives the features.
        parts: finds the keypoints in them; ``self.parts`` initialises a recogniser's afterwards.
        width: channels of the decoder's finest layer.
    """

    pairs: Tensor
    code_kind: CodeKind = "vector"
    input_kind: InputKind = "normalised"

    def __init__(self, backbone: Backbone, parts: LinkedKeypoints, *, width: int = 32) -> None:
        super().__init__()
        self.backbone = backbone
        self.parts = parts
        self.preprocessing = backbone.preprocessing
        self.code_dim = 2 * len(parts.names)
        pairs = torch.triu_indices(len(parts.names), len(parts.names), offset=1)
        self.register_buffer("pairs", pairs, persistent=False)
        self.links = nn.Parameter(torch.zeros(pairs.shape[1]))
        widths = [width * 2**level for level in range(_LEVELS + 1)]
        self.enter = _step(4, widths[0], stride=1)
        self.down = nn.ModuleList(_step(fine, coarse, stride=2) for fine, coarse in pairwise(widths))
        self.up = nn.ModuleList(_step(coarse + fine, fine, stride=1) for fine, coarse in pairwise(widths))
        self.paint = nn.Conv2d(widths[0], 3, 3, padding=1)

    def encode(self, x: Tensor) -> Tensor:
        """Turn pictures (B, 3, H, W) into keypoints (B, 2 · K): x and y of each in -1..1."""
        return self._locate(x).flatten(1)

    def decode(self, z: Tensor) -> Tensor:
        """Turn keypoints (B, 2 · K) into pictures (B, 3, 64, 64), without any glimpse of their colours."""
        return self._complete(z.view(len(z), -1, 2), z.new_zeros(len(z), 3, SIDE, SIDE))

    def loss(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Terms]:
        """Return the mean absolute error of the completed pictures."""
        small = _shrink(x)
        loss = (
            (self._complete(self._locate(x), small.masked_fill(_draw_mask(small, generator), 0.0)).float() - small)
            .abs()
            .mean()
        )
        return loss, {"pixels": loss.detach()}

    def reconstruct(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return the glimpses and the completed pictures, enlarged to the size of ``x``."""
        with evaluating(self):
            small = _shrink(x)
            glimpse = small.masked_fill(_draw_mask(small, generator), 0.0)
            completed = self._complete(self._locate(x), glimpse).float()
            size = (x.shape[-2], x.shape[-1])
            return functional.interpolate(glimpse, size), functional.interpolate(completed, size, mode="bilinear")

    def reconstruction_error(self, x: Tensor) -> Tensor:
        """Return each picture's mean absolute error (B,) under one fixed glimpse."""
        with evaluating(self):
            small = _shrink(x)
            hidden = _draw_mask(small[:1], torch.Generator().manual_seed(0))
            completed = self._complete(self._locate(x), small.masked_fill(hidden, 0.0)).float()
            error: Tensor = (completed - small).abs().mean((1, 2, 3))
            return error

    def _locate(self, x: Tensor) -> Tensor:
        stride = self.backbone.stride
        padded = pad_to_multiple(x, stride)
        features = self.backbone.forward_features(padded)
        return self.parts.locate(to_grid(features, (padded.shape[-2] // stride, padded.shape[-1] // stride)))

    def _complete(self, keypoints: Tensor, glimpse: Tensor) -> Tensor:
        # Which keypoints are linked is the same in all pictures; a link counts from 0 up (section 3.2: softplus).
        weights = functional.softplus(self.links.float())
        links = draw_links(keypoints, self.pairs, weights, SIDE, _THICKNESS)  # (B, 1, 64, 64)
        seen = [self.enter(torch.cat([glimpse, links], 1))]
        for halve in self.down:
            seen.append(halve(seen[-1]))
        out = seen.pop()
        for join in reversed(self.up):
            finer = seen.pop()
            raised = functional.interpolate(out, finer.shape[-2:], mode="bilinear", align_corners=False)
            out = join(torch.cat([finer, raised], 1))
        painted: Tensor = self.paint(out)
        return painted


def _shrink(x: Tensor) -> Tensor:
    return functional.interpolate(x.float(), (SIDE, SIDE), mode="area")


def _draw_mask(small: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return what is hidden of each picture: (B, 1, 64, 64) booleans."""
    cells = SIDE // _BLOCK
    return spread(random_masks((cells, cells), _HIDDEN, draw_uniform((len(small), cells**2), small, generator)), _BLOCK)


def _step(before: int, after: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.GroupNorm(after // 8, after), nn.ReLU()
    )
