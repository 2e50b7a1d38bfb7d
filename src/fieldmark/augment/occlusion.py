"""Cover a given share of an object: the protocol by which robustness is measured, and what training does of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fieldmark.augment.occluders import OCCLUDERS, SHEET
from fieldmark.errors import ConfigError, unknown_name

#: Shares of the object that the protocol covers; 0 is the picture as it is.
FRACTIONS = tuple(tenth / 10 for tenth in range(10))

#: In training: sides of the place that is occluded, as shares of the picture, and the share of it that is covered. Of
#: more, little of what a label stands for would be left in many pictures.
_PLACE_SIDES = (0.4, 1.0)
_TRAINED_FRACTIONS = (0.1, 0.6)


class Cover(NamedTuple):
    """An occluder laid over B pictures, before it is said how much of it is there.

    Attributes:
        paint: (B, 3, R, R), its colours in 0..1.
        rank: (B, R, R) int64, the place of each of the box's pixels in the order of being covered, from 0; outside of
            the box R · R.
        size: (B,) int64, pixels of the box; at least 1.
    """

    paint: Tensor
    rank: Tensor
    size: Tensor

    def mask(self, fractions: Tensor) -> Tensor:
        """Return what is covered (B, R, R) when a share (B,) in 0..1 of each box is, to the nearest pixel.

        What a smaller share covers, a larger one covers as well.
        """
        count = (fractions * self.size).round().long()
        return self.rank < count.view(-1, 1, 1)


class Occluded(NamedTuple):
    """Occluded pictures.

    Attributes:
        pictures: (B, 3, R, R) in 0..1.
        covered: (B, R, R), what of them is hidden.
    """

    pictures: Tensor
    covered: Tensor


def lay(pictures: Tensor, boxes: Tensor, kind: str, generator: torch.Generator) -> Cover:
    """Draw an occluder of one kind for every picture.

    Args:
        pictures: (B, 3, R, R) in 0..1, on the processor.
        boxes: (B, 4), left, top, width and height of the objects in 0..1 of the picture; what reaches beyond it is cut.
        kind: a name in ``OCCLUDERS``.
        generator: source of all chance.

    Raises:
        ConfigError: there is no such kind.
    """
    if kind not in OCCLUDERS:
        raise unknown_name("occluder", kind, OCCLUDERS)
    side = pictures.shape[-1]
    low, high = _corners(boxes, side)
    middle, reach = (low + high) / 2, (high - low).amax(1, keepdim=True) / 2  # of the square around the box, px
    theta = torch.zeros(len(pictures), 2, 3)
    theta[:, [0, 1], [0, 1]] = 2 * reach / side
    theta[:, :, 2] = 2 * middle / side - 1
    grid = functional.affine_grid(theta, [len(pictures), 3, SHEET, SHEET], align_corners=False)
    objects = functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    sheet = OCCLUDERS[kind](objects, generator)
    # and back: which cell of the sheet lies on each pixel; beside the sheet, the nearest
    centres = (torch.arange(side) + 0.5).view(1, 1, side)
    cells = ((centres - middle.unsqueeze(2)) / reach.unsqueeze(2) + 1) / 2 * SHEET
    across, down = cells.floor().long().clamp(0, SHEET - 1).unbind(1)  # (B, R) each
    places = (down.unsqueeze(2) * SHEET + across.unsqueeze(1)).flatten(1)  # (B, R · R)
    paint = sheet.paint.flatten(2).gather(2, places.unsqueeze(1).expand(-1, 3, -1)).view(-1, 3, side, side)
    within = (centres > low.unsqueeze(2)) & (centres < high.unsqueeze(2))  # (B, 2, R)
    inside = (within[:, 1].unsqueeze(2) & within[:, 0].unsqueeze(1)).flatten(1)
    order = sheet.order.flatten(1).gather(1, places)
    return Cover(paint, _ranks(order, inside).view(-1, side, side), inside.sum(1))


def occlude(pictures: Tensor, boxes: Tensor, fractions: Tensor, kind: str, generator: torch.Generator) -> Occluded:
    """Cover a share of every object.

    Args:
        pictures: (B, 3, R, R) in 0..1.
        boxes: (B, 4), left, top, width and height of the objects in 0..1 of the picture.
        fractions: (B,), the shares of the boxes to cover, in 0..1.
        kind: a name in ``OCCLUDERS``.
        generator: source of all chance.

    Raises:
        ConfigError: there is no such kind.
    """
    cover = lay(pictures, boxes, kind, generator)
    covered = cover.mask(fractions)
    return Occluded(torch.where(covered.unsqueeze(1), cover.paint, pictures), covered)


def occlusion_series(
    pixels: NDArray[np.uint8], box: NDArray[np.floating], kind: str, fractions: Sequence[float], seed: int
) -> NDArray[np.uint8]:
    """Cover more and more of one picture's object with one occluder that grows.

    Args:
        pixels: the picture (R, R, 3), RGB.
        box: left, top, width and height of the object in 0..1 of the square.
        kind: a name in ``OCCLUDERS``.
        fractions: F shares of the box, in 0..1.
        seed: the same one gives the same occluder.

    Returns:
        The occluded pictures (F, R, R, 3); what isn't covered stays as it is, byte for byte.

    Raises:
        ConfigError: there is no such kind.
    """
    picture = torch.from_numpy(np.array(pixels)).permute(2, 0, 1).unsqueeze(0).to(torch.float32).div_(255)
    chosen = torch.from_numpy(np.asarray(box, np.float32)).view(1, 4)
    cover = lay(picture, chosen, kind, torch.Generator().manual_seed(seed))
    paint = (cover.paint[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    covered = np.stack([cover.mask(torch.tensor([fraction]))[0].numpy() for fraction in fractions])
    return np.where(covered[..., None], paint[None], pixels[None])


@dataclass(frozen=True, slots=True)
class Occlusion:
    """Occlusion as an augmentation: in some pictures, a place anywhere is covered; no annotation is used.

    Attributes:
        share: share of the pictures that are occluded, in 0..1.
        kinds: names in ``OCCLUDERS``, each drawn equally often.

    Raises:
        ConfigError: an unknown kind, or none.
    """

    share: float
    kinds: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.kinds:
            raise ConfigError("Occlusion needs an occluder.", f"Name some of: {', '.join(OCCLUDERS)}.")
        for kind in self.kinds:
            if kind not in OCCLUDERS:
                raise unknown_name("occluder", kind, OCCLUDERS)

    def __call__(self, pictures: Tensor, generator: torch.Generator) -> Occluded:
        """Occlude some pictures of a batch (B, 3, R, R) in 0..1; those are written over in place."""
        batch = len(pictures)
        covered = torch.zeros(batch, *pictures.shape[2:], dtype=torch.bool, device=pictures.device)
        draws = torch.rand(7, batch, generator=generator)
        chosen = torch.where(draws[0] < self.share, (draws[1] * len(self.kinds)).long(), -1)
        sides = _PLACE_SIDES[0] + (_PLACE_SIDES[1] - _PLACE_SIDES[0]) * draws[2:4]
        boxes = torch.cat([(1 - sides) * draws[4:6], sides]).t()  # (B, 4)
        fractions = _TRAINED_FRACTIONS[0] + (_TRAINED_FRACTIONS[1] - _TRAINED_FRACTIONS[0]) * draws[6]
        for number, kind in enumerate(self.kinds):
            rows = (chosen == number).nonzero()[:, 0]
            if len(rows):
                found = occlude(pictures[rows].cpu(), boxes[rows], fractions[rows], kind, generator)
                pictures[rows] = found.pictures.to(pictures.device)
                covered[rows] = found.covered.to(pictures.device)
        return Occluded(pictures, covered)


def _corners(boxes: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Return left and top, right and bottom (B, 2) in whole pixels, cut at the picture; at least one pixel apart."""
    low = (boxes[:, :2] * side).round().clamp(0, side - 1)
    high = ((boxes[:, :2] + boxes[:, 2:]) * side).round().clamp_max(side)
    return low, torch.maximum(high, low + 1)


def _ranks(order: Tensor, inside: Tensor) -> Tensor:
    """Number the pixels (B, P) inside by their order; equals by their place, so that every number occurs once."""
    pixels = order.shape[1]
    ranking = torch.where(inside, order, torch.inf).argsort(dim=1, stable=True)
    rank = torch.empty_like(ranking).scatter_(1, ranking, torch.arange(pixels).expand_as(ranking))
    return torch.where(inside, rank, pixels)
