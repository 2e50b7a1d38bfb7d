"""What occluders look like: for each kind, what it paints and in which order it spreads over an object.

An occluder is drawn on a square sheet that spans the longer side of the object's box, so that it is as coarse on a
near object as on a far one. In shapes, B is pictures and S cells per side of the sheet.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from fieldmark.records import OCCLUDER_NAMES

#: Cells per side of a sheet.
SHEET = 96

#: Cells per side on which superpixels are found.
_COARSE = 48

#: Blobs across the sheet; a finer field at half the size makes their edges uneven.
_BLOBS = 5
_FINE_SHARE = 0.35

#: Leaves on a sheet, half of a leaf's length as a share of the sheet, and its half width over that.
_LEAVES = 64
_LEAF_LENGTH = (0.14, 0.30)
_LEAF_WIDTH = (0.32, 0.55)

#: Superpixels along a side; how much a place counts beside its colour; rounds of clustering.
_CELLS = 7
_COMPACTNESS = 3.0
_ROUNDS = 3

#: Greens, an olive and two browns, RGB in 0..1.
_FOLIAGE = ((0.34, 0.48, 0.21), (0.47, 0.56, 0.26), (0.24, 0.38, 0.23), (0.60, 0.55, 0.28), (0.54, 0.38, 0.22))
_UNDERGROWTH = (0.13, 0.18, 0.10)


class Sheet(NamedTuple):
    """A drawn occluder.

    Attributes:
        paint: (B, 3, S, S), its colours in 0..1.
        order: (B, S, S), the lower, the sooner a place is covered when the occluder grows.
    """

    paint: Tensor
    order: Tensor


#: Draws an occluder for the objects (B, 3, S, S) that it will cover.
Occluder = Callable[[Tensor, torch.Generator], Sheet]


def grey(objects: Tensor, generator: torch.Generator) -> Sheet:
    """Blobs of middle grey."""
    return Sheet(torch.full_like(objects, 0.5), _blobs(len(objects), generator))


def noise(objects: Tensor, generator: torch.Generator) -> Sheet:
    """Blobs of independent random colours."""
    return Sheet(torch.rand(objects.shape, generator=generator), _blobs(len(objects), generator))


def texture(objects: Tensor, generator: torch.Generator) -> Sheet:
    """Blobs of bent stripes or checks in two random colours."""
    batch = len(objects)
    order = _blobs(batch, generator)
    first, second = torch.rand(2, batch, 3, 1, 1, generator=generator)
    angle, frequency, checked = torch.rand(3, batch, 1, 1, generator=generator)
    angle, frequency = math.pi * angle, 2 * math.pi * (4 + 10 * frequency)
    across, down = _places(SHEET)
    bent = 0.9 * _smooth(batch, _BLOBS, generator)
    along = torch.sin(frequency * (across * torch.cos(angle) + down * torch.sin(angle)) + bent)
    athwart = torch.sin(frequency * (down * torch.cos(angle) - across * torch.sin(angle)) + bent)
    wave = torch.where(checked < 0.5, along, along * athwart)
    share = (0.5 + 0.5 * torch.tanh(3 * wave)).unsqueeze(1)
    return Sheet(first * share + second * (1 - share), order)


def leaves(objects: Tensor, generator: torch.Generator) -> Sheet:
    """Leaves, one after the other, each grown from its stem; earlier ones lie on top, undergrowth shows between."""
    batch = len(objects)
    draws = torch.rand(6, _LEAVES, batch, 1, 1, generator=generator)
    length = _LEAF_LENGTH[0] + (_LEAF_LENGTH[1] - _LEAF_LENGTH[0]) * draws[3]
    width = length * (_LEAF_WIDTH[0] + (_LEAF_WIDTH[1] - _LEAF_WIDTH[0]) * draws[4])
    cosine, sine = torch.cos(2 * math.pi * draws[2]), torch.sin(2 * math.pi * draws[2])
    across, down = _places(SHEET)
    right, below = across - draws[0], down - draws[1]  # (L, B, 1, S), (L, B, S, 1)
    seen = torch.full((batch, SHEET, SHEET), _LEAVES)  # which leaf; that many: none
    along, athwart = torch.zeros(2, batch, SHEET, SHEET)
    for leaf in reversed(range(_LEAVES)):  # one at a time stays in the processor's cache
        u = right[leaf] * (cosine[leaf] / length[leaf]) + below[leaf] * (sine[leaf] / length[leaf])  # -1 at the stem
        v = below[leaf] * (cosine[leaf] / width[leaf]) - right[leaf] * (sine[leaf] / width[leaf])
        inside = u.square().add_(v.abs()) < 1
        seen.masked_fill_(inside, leaf)
        along, athwart = torch.where(inside, u, along), torch.where(inside, v, athwart)
    bare = seen == _LEAVES
    order = torch.where(bare, _LEAVES + 1 + torch.sigmoid(_blobs(batch, generator)), seen + 0.45 * (along + 1))
    colours = torch.tensor(_FOLIAGE)[(draws[5, :, :, 0, 0].t() * len(_FOLIAGE)).long()]  # (B, L, 3)
    colours = colours * (0.75 + 0.5 * torch.rand(batch, _LEAVES, 1, generator=generator))
    colours = torch.cat([colours, torch.tensor(_UNDERGROWTH).expand(batch, 1, 3)], 1).transpose(1, 2)
    paint = colours.gather(2, seen.flatten(1).unsqueeze(1).expand(-1, 3, -1)).view(batch, 3, SHEET, SHEET)
    light = (1 - 0.35 * torch.exp(-(12 * athwart).square())) * (0.9 + 0.1 * along)  # darker at the vein and the stem
    return Sheet((paint * torch.where(bare, 1.0, light).unsqueeze(1)).clamp(0, 1), order)


def superpixels(objects: Tensor, generator: torch.Generator) -> Sheet:
    """The object's own cells in another order: each shows what is seen around the middle of another.

    Cells hang together in place and colour, after SLIC (Achanta et al., TPAMI 2012), from a jittered grid.
    """
    batch = len(objects)
    small = functional.interpolate(objects, size=(_COARSE, _COARSE), mode="bilinear", antialias=True)
    cells, middles = _clusters(small, generator)  # (B, s · s), (B, M, 2)
    count = middles.shape[1]
    turn = torch.rand(batch, count, generator=generator).argsort(1)
    following = torch.empty_like(turn).scatter_(1, turn, turn.roll(1, 1))  # one cycle: no cell stays where it is
    moved = middles.gather(1, following.unsqueeze(2).expand(-1, -1, 2)) - middles
    by_place = moved.gather(1, cells.unsqueeze(2).expand(-1, -1, 2)).view(batch, _COARSE, _COARSE, 2)
    by_place = functional.interpolate(by_place.permute(0, 3, 1, 2), size=(SHEET, SHEET), mode="nearest")
    across, down = _places(SHEET)
    grid = torch.stack([2 * (across + by_place[:, 0]) - 1, 2 * (down + by_place[:, 1]) - 1], 3)
    paint = functional.grid_sample(objects, grid, padding_mode="reflection", align_corners=False)
    turns = torch.rand(batch, count, generator=generator).gather(1, cells).view(batch, 1, _COARSE, _COARSE)
    return Sheet(paint.clamp(0, 1), functional.interpolate(turns, size=(SHEET, SHEET), mode="nearest")[:, 0])


#: Name → what draws it; the names are those of ``records.OCCLUDER_NAMES``, which options can ask for without torch.
OCCLUDERS: dict[str, Occluder] = dict(zip(OCCLUDER_NAMES, (grey, noise, texture, leaves, superpixels), strict=True))


def _places(side: int) -> tuple[Tensor, Tensor]:
    """Return how far each cell's middle is from the left (1, side) and from the top (side, 1), in 0..1."""
    middle = (torch.arange(side) + 0.5) / side
    return middle.view(1, side), middle.view(side, 1)


def _smooth(batch: int, coarse: int, generator: torch.Generator) -> Tensor:
    """Return random fields (B, S, S) that change over about 1 / ``coarse`` of the sheet."""
    drawn = torch.randn(batch, 1, coarse + 1, coarse + 1, generator=generator)
    return functional.interpolate(drawn, size=(SHEET, SHEET), mode="bicubic", align_corners=True)[:, 0]


def _blobs(batch: int, generator: torch.Generator) -> Tensor:
    return _smooth(batch, _BLOBS, generator) + _FINE_SHARE * _smooth(batch, 4 * _BLOBS, generator)


def _clusters(pictures: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return each place's superpixel (B, s · s) and the superpixels' middles (B, M, 2) in 0..1."""
    batch, side = len(pictures), pictures.shape[-1]
    across, down = _places(side)
    place = torch.stack([across.expand(side, side), down.expand(side, side)]).flatten(1).t()  # (s · s, 2)
    jitter = torch.rand(batch, _CELLS**2, 2, generator=generator)
    row, column = torch.meshgrid(torch.arange(_CELLS), torch.arange(_CELLS), indexing="ij")
    middles = (torch.stack([column, row], 2).flatten(0, 1) + 0.2 + 0.6 * jitter) / _CELLS  # (B, M, 2)
    start = (middles * side).long().clamp(max=side - 1)
    known = torch.cat([_COMPACTNESS * place.expand(batch, -1, -1), pictures.flatten(2).transpose(1, 2)], 2)
    sites = known.gather(1, (start[..., 1] * side + start[..., 0]).unsqueeze(2).expand(-1, -1, 5))
    for _ in range(_ROUNDS):
        cells = torch.cdist(known, sites).argmin(2)  # (B, s · s)
        member = functional.one_hot(cells, _CELLS**2).float().transpose(1, 2)  # (B, M, s · s)
        size = member.sum(2, keepdim=True)
        sites = torch.where(size > 0, member @ known / size.clamp_min(1), sites)
    return torch.cdist(known, sites).argmin(2), sites[..., :2] / _COMPACTNESS
