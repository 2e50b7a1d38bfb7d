"""Pictures that are hard to use: blurred, nearly black, nearly white."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fieldmark.data.cache import CachedImages
from fieldmark.data.copies import inside_window

#: Length in pixels of the average that a picture is blurred with once more (Crété et al. use 9).
_REBLUR = 9

#: From this blur on a picture counts as blurred.
BLURRED = 0.6

#: Share of a picture's pixels that may be brighter than ``_DARK`` (darker than ``_BRIGHT``), both in 0..1.
_DARK, _BRIGHT = 0.12, 0.95
_REST = 0.02


@dataclass(frozen=True, slots=True)
class PictureQuality:
    """What can be measured of one picture.

    Attributes:
        blur: 0 (sharp) to 1 (flat), as ``blur_of`` says; ``None`` of pictures that had to be enlarged.
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
        blur = blur_of(grey) if int(size.max()) >= side else None
        low, high = np.quantile(grey, [_REST, 1 - _REST])
        yield PictureQuality(blur, float(grey.mean()), bool(high < _DARK), bool(low > _BRIGHT))


def blur_of(grey: npt.NDArray[np.float64]) -> float:
    """Measure how blurred a picture (H, W) is, whatever it shows: how little one more blur takes from it.

    Differences between neighbours are compared before and after averaging along them; of the two directions the more
    blurred one counts, so that motion blur counts in full (F. Crété, T. Dolmiere, P. Ladret and M. Nicolas, *The blur
    effect: perception and estimation with a new no-reference perceptual blur metric*, SPIE 6492, 2007, section 2).

    Args:
        grey: brightness on any scale.

    Returns:
        0 (sharp) to 1 (blurred). A picture without any contrast has nothing that is sharp: 1.
    """
    found = [blur for blur in (_blur_along(grey), _blur_along(grey.T)) if blur is not None]
    return max(found, default=1.0)


def _blur_along(grey: npt.NDArray[np.float64]) -> float | None:
    """Return the blur down the rows of (H, W); ``None`` where nothing changes that way, as along stripes."""
    padded = np.pad(grey, ((_REBLUR // 2, _REBLUR // 2), (0, 0)), mode="edge")
    sums = np.cumsum(np.concatenate([np.zeros((1, grey.shape[1])), padded]), axis=0)
    blurred = (sums[_REBLUR:] - sums[:-_REBLUR]) / _REBLUR
    before, after = np.abs(np.diff(grey, axis=0)), np.abs(np.diff(blurred, axis=0))
    there = float(before.sum())
    if there <= 1e-6 * grey.size:
        return None
    lost = float(np.maximum(before - after, 0).sum())
    return 1 - lost / there


def _brightness(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the luma (H, W) in 0..1 of RGB (H, W, 3), after ITU-R BT.601."""
    luma: npt.NDArray[np.float64] = pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114]) / 255
    return luma
