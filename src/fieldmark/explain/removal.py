"""Take a part out of a picture and measure what changes: the test of what an explanation claims.

A part's region is painted over from its surroundings; nothing of what it showed goes into the fill. The recogniser then
answers anew. As a control, regions of the same shape are taken out elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fieldmark.augment.regions import elsewhere
from fieldmark.errors import unknown_name
from fieldmark.explain.evidence import EvidenceReader
from fieldmark.records import NEUTRAL_FILL

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

#: How a region is painted over, where nothing else is asked for.
DEFAULT_FILL = "blur"

#: Places that serve as the control of each region.
PLACES = 4

#: By how much of the square's side a region is grown before it is removed: maps are coarse, and a part's edge tells.
_GROWN = 0.02

#: Blur's standard deviation over the square root of the region's area.
_SIGMA = 0.35

#: Share of the known pixels' mean weight that a pixel needs for its blurred colour to be trusted.
_TRUSTED = 1e-3

#: Diffusion ends when no colour changes by more than this (0..255), or after so many rounds.
_SETTLED, _MOST_ROUNDS = 0.05, 400


@dataclass(frozen=True)
class RemovalEffects:
    """By how much taking M regions out changed the log-odds of A against B.

    Attributes:
        measured: (M,) change of each region's own removal.
        elsewhere: (M,) mean change when the same shape is taken out elsewhere; NaN where there is no room for it.
    """

    measured: NDArray[np.float64]
    elsewhere: NDArray[np.float64]


def blur(pixels: Pixels, mask: Mask, inside: Mask) -> Pixels:
    """Paint a region over with the blurred colours around it.

    Normalised convolution (Knutsson and Westin, CVPR 1993): a Gaussian over the known colours, divided by the same
    Gaussian over where they are known, so that the removed content has no weight.

    Args:
        pixels: (R, R, 3).
        mask: (R, R), the region.
        inside: (R, R), where the picture is; padding gives no colour.

    Returns:
        A new picture, the same outside of the region.
    """
    known = inside & ~mask
    out = pixels.copy()
    if not known.any():
        out[mask] = NEUTRAL_FILL
        return out
    weight_of = known.astype(np.float32)
    colours = pixels.astype(np.float32) * weight_of[:, :, None]
    missing, sigma = mask.copy(), max(1.5, _SIGMA * float(np.sqrt(mask.sum())))
    while missing.any():
        weight = ndimage.gaussian_filter(weight_of, sigma)
        near = missing & (weight > _TRUSTED * weight_of.mean())
        if near.any():
            blurred = np.stack([ndimage.gaussian_filter(colours[:, :, channel], sigma) for channel in range(3)], 2)
            out[near] = np.clip(blurred[near] / weight[near, None] + 0.5, 0, 255).astype(np.uint8)
        missing &= ~near
        sigma *= 2  # the weight tends to its mean everywhere, so this ends
    return out


def inpaint(pixels: Pixels, mask: Mask, inside: Mask) -> Pixels:
    """Paint a region over by letting the colours of its edge diffuse into it.

    Solves Laplace's equation inside the region, with the colours around it as the boundary: Jacobi iterations that
    begin from the blurred fill. Padding takes no part.

    Args:
        pixels: (R, R, 3).
        mask: (R, R), the region.
        inside: (R, R), where the picture is.

    Returns:
        A new picture, the same outside of the region.
    """
    out = blur(pixels, mask, inside)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows) or not (inside & ~mask).any():
        return out
    window = slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2)
    hole, allowed = mask[window], (inside | mask)[window]
    colours = out[window].astype(np.float32)
    counts = np.maximum(_neighbours(allowed[:, :, None].astype(np.float32)), 1)
    for _ in range(_MOST_ROUNDS):
        means = (_neighbours(colours * allowed[:, :, None]) / counts)[hole]
        change = float(np.abs(means - colours[hole]).max())
        colours[hole] = means
        if change < _SETTLED:
            break
    out[window][hole] = np.clip(colours[hole] + 0.5, 0, 255).astype(np.uint8)
    return out


#: Name of a fill → what paints a region (R, R) of a picture (R, R, 3) over, given where in the square the picture is.
FILLS: dict[str, Callable[[Pixels, Mask, Mask], Pixels]] = {"blur": blur, "inpaint": inpaint}


def removal_effects(
    reader: EvidenceReader,
    pixels: Pixels,
    masks: Mask,
    inside: Mask,
    classes: tuple[int, int],
    *,
    fill: str = DEFAULT_FILL,
    places: int = PLACES,
    seed: int = 0,
) -> RemovalEffects:
    """Take regions out of one picture, each by itself, and measure what changes.

    Args:
        reader: the recogniser.
        pixels: the fitted picture (R, R, 3).
        masks: (M, R, R), the regions.
        inside: (R, R), where the picture is.
        classes: the places of A and B among the classes.
        fill: a name in ``FILLS``.
        places: how many regions of the same shape serve as each one's control; 0 measures none.
        seed: of where they lie.

    Raises:
        ConfigError: there is no such fill.
    """
    paint = painter(fill)
    pictures, owners = [pixels], [(-1, False)]
    generator = np.random.default_rng(seed)
    for place, mask in enumerate(masks):
        pictures.append(paint(pixels, mask, inside))
        owners.append((place, True))
        for control in elsewhere(mask, inside, places, generator):
            pictures.append(paint(pixels, control, inside))
            owners.append((place, False))
    first, second = classes
    logits = reader.logits(np.stack(pictures))
    odds = logits[:, first] - logits[:, second]
    changes = odds - odds[0]
    measured, others = np.zeros(len(masks)), np.full(len(masks), np.nan)
    for place in range(len(masks)):
        measured[place] = changes[owners.index((place, True))]
        controls = [changes[index] for index, owner in enumerate(owners) if owner == (place, False)]
        if controls:
            others[place] = np.mean(controls)
    return RemovalEffects(measured, others)


def removed_mask(region: Mask, inside: Mask) -> Mask:
    """Return what is removed of a picture to take out a region (R, R): the region, a little grown, no padding."""
    grow = max(1, round(_GROWN * len(region)))
    return np.asarray(ndimage.binary_dilation(region, iterations=grow) & inside) if region.any() else region


def painter(name: str) -> Callable[[Pixels, Mask, Mask], Pixels]:
    """Return what paints a region over.

    Raises:
        ConfigError: there is no such fill.
    """
    if name not in FILLS:
        raise unknown_name("fill", name, FILLS)
    return FILLS[name]


def _neighbours(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sum over the four neighbours of every pixel (H, W, C); beyond the edge there is nothing."""
    total = np.zeros_like(values)
    total[1:] += values[:-1]
    total[:-1] += values[1:]
    total[:, 1:] += values[:, :-1]
    total[:, :-1] += values[:, 1:]
    return total
