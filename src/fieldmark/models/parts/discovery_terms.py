"""What makes maps the maps of parts: terms that need no marked part.

Shapes: maps (B, K + 1, h, w), shares of the K parts and, last, of the background, summing to 1 in every cell.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

#: Named scalars that are minimised.
Terms = dict[str, Tensor]

#: Side, in cells of the finer grid, at which pictures are rebuilt.
_REBUILT_SIDE = 48

#: A background cell is rebuilt from a ring around it: what is nearer than the hole, and farther than the reach, as
#: shares of the picture's side, counts little.
_RING_REACH, _RING_HOLE = 0.15, 0.075

#: Width of the frame that is background, and radius of the disc that is not, as shares of the side.
_FRAME, _DISC = 1 / 16, 0.15

_TINY = 1e-4


@dataclass(frozen=True, slots=True)
class DiscoveryWeights:
    """How much each term counts.

    Attributes:
        colours: rebuild each part from one colour, the background from what is around it.
        features: rebuild each part's features from one vector.
        equivariance: when the picture moves, the maps move with it.
        smoothness: neighbouring cells belong together.
        decision: a cell is one part's, not a little of each.
        presence: every part is somewhere in half of a batch's pictures.
        balance: no part takes all of the object.
        frame: the picture's frame is background.
        centre: the picture's centre is not.
        hidden: what an occluder is known to cover is background, so that a part behind it has no presence.
    """

    colours: float = 1.0
    features: float = 1.0
    equivariance: float = 1.0
    smoothness: float = 0.1
    decision: float = 0.1
    presence: float = 0.3
    balance: float = 0.2
    frame: float = 1.0
    centre: float = 0.3
    hidden: float = 0.3


def discovery_loss(
    pictures: Tensor,
    features: Tensor,
    maps: Tensor,
    weights: DiscoveryWeights,
    covered: Tensor | None = None,
    theta: Tensor | None = None,
) -> tuple[Tensor, Terms]:
    """Add up the terms that one view of the pictures gives.

    Args:
        pictures: normalised (B, 3, H, W), as the backbone saw them.
        features: the backbone's (B, C, h, w); they are compared with, not changed.
        maps: (B, K + 1, h, w).
        weights: of the terms.
        covered: (B, H, W) booleans, what an occluder hides; ``None`` where none is drawn, and the term is left out.
        theta: affine maps (B, 2, 3) from the pictures' coordinates to those of the photos that they were cut from, both
            in -1..1: frame and centre are the photos'. ``None`` where nothing was cut.

    Returns:
        The weighted sum and the terms that have a weight, not weighted, detached.
    """
    with torch.autocast(maps.device.type, enabled=False):  # shares and distances of 16 bits would be too coarse
        maps = maps.float()
        hidden = None if covered is None else hidden_share(covered, maps)
        places = photo_places(maps, theta)
        measures: dict[str, Callable[[], Tensor]] = {
            "colours": lambda: colour_error(pictures, maps),
            "features": lambda: feature_error(features, maps),
            "smoothness": lambda: total_variation(maps),
            "decision": lambda: entropy(maps),
            "presence": lambda: absence(maps),
            "balance": lambda: imbalance(maps),
            "frame": lambda: framed(maps, places),
            "centre": lambda: hollow(maps, places, hidden),
        }
        if hidden is not None:
            measures["hidden"] = lambda: seen_through(maps, hidden)
        found = {name: measure() for name, measure in measures.items() if getattr(weights, name)}
    loss = sum((getattr(weights, name) * term for name, term in found.items()), start=maps.new_zeros(()))
    return loss, {name: term.detach() for name, term in found.items()}


def colour_error(pictures: Tensor, maps: Tensor) -> Tensor:
    """Rebuild pictures: each part of a picture from its one mean colour, the background from a ring around each place.

    The ring is the masked view of the background: a place is never told its own colour. An object on a background of
    other colours can't be rebuilt from around it, so it has to be rebuilt from parts; and a part that spans two
    colours is rebuilt badly.

    Returns:
        Mean squared error, in units of the pictures' variance.
    """
    side = _REBUILT_SIDE
    small = functional.interpolate(pictures.float(), (side, side), mode="area")
    fine = functional.interpolate(maps, (side, side), mode="bilinear", align_corners=False)
    parts, background = fine[:, :-1], fine[:, -1:]
    flat = parts.flatten(2)  # (B, K, side²)
    colours = flat @ small.flatten(2).transpose(1, 2) / (flat.sum(-1, keepdim=True) + _TINY)  # (B, K, 3)
    around = _around(background * small) / (_around(background) + _TINY)  # (B, 3, side, side)
    of_parts = (small.unsqueeze(1) - colours[..., None, None]).square().sum(2)  # (B, K, side, side)
    of_background = (small - around).square().sum(1)
    error = ((parts * of_parts).sum(1) + background[:, 0] * of_background).mean()
    return error / small.detach().var().clamp_min(_TINY)


def feature_error(features: Tensor, maps: Tensor) -> Tensor:
    """Rebuild the features of each picture from one vector a part, and one of the background.

    Returns:
        Mean squared distance between unit vectors, in 0..4.
    """
    target = functional.normalize(features.detach().float(), dim=1).flatten(2)  # (B, C, n)
    shares = maps.flatten(2)  # (B, K + 1, n)
    vectors = shares @ target.transpose(1, 2) / (shares.sum(-1, keepdim=True) + _TINY)  # (B, K + 1, C)
    # Σ_k m_k |t − v_k|² with |t| = 1, without ever forming (B, K + 1, C, n).
    distance = 1 - 2 * (vectors @ target) + vectors.square().sum(-1, keepdim=True)
    return (shares * distance).sum(1).mean()


def equivariance_error(maps: Tensor, moved_maps: Tensor, theta: Tensor) -> Tensor:
    """Compare the maps of moved pictures with the moved maps of the pictures.

    Args:
        maps: (B, K + 1, h, w) of the pictures.
        moved_maps: (B, K + 1, h, w) of the same pictures, moved by ``theta``.
        theta: affine maps (B, 2, 3) from the moved picture's coordinates to the picture's, both in -1..1.

    Returns:
        Mean squared difference over the places that both views show.
    """
    with torch.autocast(maps.device.type, enabled=False):  # 16 bits place cells coarsely, and know no map of one cell
        grid = functional.affine_grid(theta.float(), list(maps.shape), align_corners=False)
        inside = (grid.abs() <= 1).all(-1).unsqueeze(1)  # (B, 1, h, w)
        expected = functional.grid_sample(maps.float(), grid, padding_mode="border", align_corners=False)
        difference = (expected - moved_maps.float()).square().sum(1, keepdim=True)
        return (difference * inside).sum() / inside.sum().clamp_min(1)


def total_variation(maps: Tensor) -> Tensor:
    """Return the mean absolute difference between neighbours, summed over parts and both directions."""
    steps = (maps.diff(dim=2), maps.diff(dim=3))
    # A map of one row has no neighbours below each other, and nothing to smooth there.
    return torch.stack([step.abs().sum() * maps.shape[1] / max(step.numel(), 1) for step in steps]).sum()


def entropy(maps: Tensor) -> Tensor:
    """Return the mean entropy of a cell's shares, in nats."""
    return -(maps * (maps + _TINY).log()).sum(1).mean()


def absence(maps: Tensor) -> Tensor:
    """Return 1 − presence, averaged over parts and the half of the pictures that show each part best.

    Presence is looked for in means over 3 × 3 cells, so that a single cell doesn't count (PDiscoNet, section 3.4).
    """
    presence = functional.avg_pool2d(maps[:, :-1], 3, 1, 1).flatten(2).amax(-1)  # (B, K)
    half = max(1, len(presence) // 2)
    return (1 - presence.topk(half, 0).values).mean()


def imbalance(maps: Tensor) -> Tensor:
    """Return how far the parts' shares of the batch's objects are from equal ones: a divergence, in nats."""
    area = maps[:, :-1].mean((0, 2, 3))
    share = area / area.sum().clamp_min(_TINY)
    return (share * (share * len(share) + _TINY).log()).sum()


def photo_places(maps: Tensor, theta: Tensor | None = None) -> Tensor:
    """Return where the cells of maps (B, K + 1, h, w) lie in the photos: (B, h, w, 2), x and y in -1..1.

    Args:
        maps: the maps.
        theta: (B, 2, 3), as of ``discovery_loss``.
    """
    if theta is None:
        theta = torch.eye(2, 3, device=maps.device).expand(len(maps), -1, -1)
    size = [len(maps), 1, maps.shape[-2], maps.shape[-1]]
    places: Tensor = functional.affine_grid(theta.float(), size, align_corners=False)
    return places


def framed(maps: Tensor, places: Tensor) -> Tensor:
    """Return the mean −log share of the background in the photo's frame: photos are taken of what is inside.

    The frame is a cell wide at least. 0 where the pictures are cut from within it.

    Args:
        maps: (B, K + 1, h, w).
        places: (B, h, w, 2), ``photo_places``.
    """
    height, width = maps.shape[-2:]
    wide = places.new_tensor([max(1, round(_FRAME * side)) / side for side in (width, height)])
    # A bit less than the frame: the centre of a cell on its edge is no number to be equal to.
    frame = (places.abs() > 1 - 1.99 * wide).any(-1).float()
    return (-(maps[:, -1] + _TINY).log() * frame).sum() / frame.sum().clamp_min(1)


def hidden_share(covered: Tensor, maps: Tensor) -> Tensor:
    """Return the share of each cell of maps (B, K + 1, h, w) that is covered (B, H, W): (B, h, w) in 0..1."""
    shares = functional.adaptive_avg_pool2d(covered.to(maps).unsqueeze(1), (maps.shape[-2], maps.shape[-1]))
    return shares.squeeze(1)


def seen_through(maps: Tensor, hidden: Tensor) -> Tensor:
    """Return the mean −log share of the background where pictures are covered (B, h, w), in 0..1.

    A part behind a leaf is not to be seen in the leaf: its presence falls, and with it its evidence.
    """
    return -((maps[:, -1] + _TINY).log() * hidden).sum() / hidden.sum().clamp_min(1)


def hollow(maps: Tensor, places: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Return the mean −log share of all parts together in a disc at the photo's centre, where it isn't covered.

    With ``framed`` this is learning from positive and unlabelled places: what looks like the frame is background, even
    in the centre; what is never seen in the frame is an object, even far from the centre.

    Args:
        maps: (B, K + 1, h, w).
        places: (B, h, w, 2), ``photo_places``.
        hidden: (B, h, w), the share of each cell that is covered; ``None`` where nothing is.
    """
    distance = places.square().sum(-1).sqrt() / 2  # in sides of the photo
    nearest = distance.flatten(1).amin(1).view(-1, 1, 1)
    # Of cells that are too coarse for the disc the middle one counts, if the picture shows the middle at all.
    disc = ((distance <= _DISC) | ((distance == nearest) & (distance <= _DISC + 1 / min(maps.shape[-2:])))).float()
    counted = disc if hidden is None else disc * (1 - hidden)
    return (-(1 - maps[:, -1] + _TINY).log() * counted).sum() / counted.sum().clamp_min(1)


def _around(values: Tensor) -> Tensor:
    """Add up every channel of (B, C, side, side) over a soft ring around each place, reflecting at the edges.

    The ring is the wide Gaussian times one minus the narrow one, which is a difference of two Gaussians.
    """
    side = values.shape[-1]
    far, near = _RING_REACH * side, _RING_HOLE * side
    both = (1 / (1 / far**2 + 1 / near**2)) ** 0.5
    return _gaussian_sum(values, far) - _gaussian_sum(values, both)


def _gaussian_sum(values: Tensor, deviation: float) -> Tensor:
    across = _gaussian_matrix(values.shape[-1], deviation).to(values)
    return across @ values @ across.T


def _gaussian_matrix(side: int, deviation: float) -> Tensor:
    """Return the matrix (side, side) whose product with a row of values adds them up under a Gaussian.

    Two products with it are many times as fast as a convolution of so few channels with so wide a kernel.
    """
    reach = min(max(1, round(2 * deviation)), side - 1)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-(steps**2) / (2 * deviation**2)).view(1, 1, -1)
    single = functional.pad(torch.eye(side).unsqueeze(1), (reach, reach), mode="reflect")
    return functional.conv1d(single, kernel).squeeze(1).T
