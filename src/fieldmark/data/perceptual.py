"""A 64-bit hash that is alike for pictures that look alike, and what tells such pictures apart."""

import numpy as np
import numpy.typing as npt
from PIL import Image

#: Side of the thumbnail that the cosine transform is taken of, and of the block of it that is kept.
_THUMBNAIL, _KEPT = 32, 8

#: Side of the block whose mean is taken off to leave the fine detail.
_AROUND = 5


def _cosines() -> npt.NDArray[np.float64]:
    """Return the first rows of the orthogonal DCT-II matrix (_KEPT, _THUMBNAIL)."""
    frequency, place = np.arange(_KEPT)[:, None], np.arange(_THUMBNAIL)[None]
    return np.cos(np.pi * frequency * (2 * place + 1) / (2 * _THUMBNAIL))


_TRANSFORM = _cosines()


def thumbnail(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Shrink a picture (H, W, 3) to grey (32, 32), 0..255."""
    grey = Image.fromarray(pixels).convert("L").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(grey, np.float64)


def fine_detail(grey: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Subtract from every value of a thumbnail (32, 32) the mean of the 5 × 5 values around it, edges reflected."""
    around = np.pad(grey, _AROUND // 2, mode="reflect")
    blocks = np.lib.stride_tricks.sliding_window_view(around, (_AROUND, _AROUND))
    detail: npt.NDArray[np.float64] = grey - blocks.mean(axis=(2, 3))
    return detail


def picture_hash(pixels: npt.NDArray[np.uint8]) -> np.uint64:
    """Hash a picture by the signs of its lowest frequencies (pHash: Zauner, 2010, section 3.2.1).

    Args:
        pixels: (H, W, 3) uint8 RGB.

    Returns:
        64 bits: whether each of the 8 × 8 lowest cosine coefficients lies above their median.
    """
    spectrum = _TRANSFORM @ thumbnail(np.ascontiguousarray(pixels)) @ _TRANSFORM.T
    bits = spectrum.ravel() > np.median(spectrum.ravel()[1:])
    return np.uint64(np.packbits(bits).view(np.uint64)[0])
