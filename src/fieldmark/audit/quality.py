"""Pictures that are hard to use: blurred, nearly black, nearly white."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fieldmark.data.cache import CachedImages
from fieldmark.data.copies import inside_window

#: Length in pixels of the average that a picture is blurred with once more (Crété et al. use 9).
_REBLUR = 9

#: Tiles per side that are judged each for itself, and the share of the mean change that makes one worth judging.
_TILES = 4
_BUSY = 0.5

#: Sums of changes up to this are rounding.
_NOTHING = 1e-6

#: From this blur of its sharpest tile on a picture counts as blurred. Of groceries and birds none reaches it by itself,
#: of skin lesions 1 in 500; of pictures of 256 px blurred by a Gaussian of 6 px all do, of one of 4 px nine in ten.
BLURRED = 0.5

#: Share of a picture's pixels that may be brighter than ``_DARK`` (darker than ``_BRIGHT``), both in 0..1.
_DARK, _BRIGHT = 0.12, 0.95
_REST = 0.02


@dataclass(frozen=True, slots=True)
class PictureQuality:
    """What can be measured of one picture.

    Attributes:
        blur: 0 (sharp) to 1 (flat) of its sharpest tile, as ``blur_of`` says; ``None`` of pictures that had to be
            enlarged.
        brightness: mean brightness, in 0..1.
        dark: whether nearly all of it is black.
        bright: whether nearly all of it is white.
    """

    blur: float | None
    brightness: float
    dark: bool
    bright: bool


def qualities(images: CachedImages) -> Iterator[PictureQuality]:
    """Measure each picture, at the resolution it is cached in, padding left out."""
    side = images.pixels.shape[1]
    for row, size in enumerate(images.sizes):
        grey = _brightness(inside_window(images, row))
        # What was enlarged is smooth by that alone, and says nothing of the camera.
        blur = blur_of(grey, _TILES) if int(size.max()) >= side else None
        low, high = np.quantile(grey, [_REST, 1 - _REST])
        yield PictureQuality(blur, float(grey.mean()), bool(high < _DARK), bool(low > _BRIGHT))


def blur_of(grey: npt.NDArray[np.float64], tiles: int = 1) -> float:
    """Measure how blurred a picture (H, W) is, whatever it shows: how little one more blur takes from it.

    Differences between neighbours are compared before and after averaging along them; of the two directions the more
    blurred one counts, so that motion blur counts in full (F. Crété, T. Dolmiere, P. Ladret and M. Nicolas, *The blur
    effect: perception and estimation with a new no-reference perceptual blur metric*, SPIE 6492, 2007, section 2).

    Args:
        grey: brightness on any scale.
        tiles: tiles per side that are judged each for itself. The sharpest counts, of those in which there is something
            to see: a background out of focus makes no photo blurred.

    Returns:
        0 (sharp) to 1 (blurred). A picture without any contrast has nothing that is sharp: 1.
    """
    changes = [_tile_sums(each, tiles) for each in _changes(grey)]
    across = [_tile_sums(each.T, tiles) for each in _changes(grey.T)]
    blurs = np.stack([_share_kept(*changes), _share_kept(*across)])
    there = changes[0] + across[0]
    busy = (there >= _BUSY * there.mean()) & ~np.isnan(blurs).all(0)
    if there.mean() <= _NOTHING or not busy.any():
        return 1.0
    return float(np.nanmax(blurs[:, busy], axis=0).min())


def _changes(grey: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the differences (H - 1, W) down the rows, and how much of each is lost to one more blur."""
    padded = np.pad(grey, ((_REBLUR // 2, _REBLUR // 2), (0, 0)), mode="edge")
    sums = np.cumsum(np.concatenate([np.zeros((1, grey.shape[1])), padded]), axis=0)
    blurred = (sums[_REBLUR:] - sums[:-_REBLUR]) / _REBLUR
    before, after = np.abs(np.diff(grey, axis=0)), np.abs(np.diff(blurred, axis=0))
    return before, np.maximum(before - after, 0)


def _tile_sums(values: npt.NDArray[np.float64], tiles: int) -> npt.NDArray[np.float64]:
    """Return the sums (tiles, tiles) over tiles of (H, W); of fewer rows or columns than tiles some are empty."""
    rows = [band.sum(0) for band in np.array_split(values, tiles)]
    return np.array([[part.sum() for part in np.array_split(row, tiles)] for row in rows])


def _share_kept(before: npt.NDArray[np.float64], lost: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the share that one more blur leaves; not a number where nothing changes, as along stripes."""
    kept = np.full(before.shape, np.nan)
    np.divide(before - lost, before, out=kept, where=before > _NOTHING)
    return kept


def _brightness(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the luma (H, W) in 0..1 of RGB (H, W, 3), after ITU-R BT.601."""
    luma: npt.NDArray[np.float64] = pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114]) / 255
    return luma
