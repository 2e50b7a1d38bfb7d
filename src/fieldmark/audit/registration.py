"""Whether one picture is a piece of another: thumbnails laid over each other at every place and at several scales.

The hash sees copies whose every pixel stays in its place. A copy that was cut at the edges, or squeezed, is met by its
embedding, but so are other photos of the same thing; only what can be laid over another picture is a copy of it.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import fft, ndimage

from fieldmark.data.cache import CachedImages
from fieldmark.data.copies import inside_window

Floats = npt.NDArray[np.float32]

#: Sides in px of the thumbnails of the first look and of the second, and the scales that each tries: shares of the
#: other picture's width and height that are left.
_FIRST_SIDE, _FIRST_SCALES = 32, (1.0, 0.92, 0.84, 0.76)
_SIDE, _SCALES = 64, tuple(1 - 0.025 * step for step in range(11))

#: Least correlation at the first look for a second, and at the second for a copy. On groceries, copies cut to 95 to
#: 80 % and re-encoded reach 0.83 to 0.91. Photos of one scene count too where they reach it, as those taken moments
#: apart by a steady hand do (up to 0.97): who has seen one has seen the other. Photos of one thing stay below 0.8.
_FIRST_LEAST = 0.4
PIECE = 0.85

#: Side of the block whose mean is taken off, in cells of the second look; half as large at the first.
_AROUND = 9

#: Pairs laid over each other at once; the memory is about 0.3 MB a pair.
_PAIRS = 64


class Registration:
    """Lays pictures over each other.

    Args:
        images: the pictures.
    """

    def __init__(self, images: CachedImages) -> None:
        self._images = images

    def agreement(self, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> Floats:
        """Return the correlation (n,), -1..1, of rows (n,) and (n,) where they agree best; either may be the piece.

        A pair that hardly agrees at the first, coarse look gets that look's correlation.
        """
        found = np.empty(len(a), np.float32)
        for start in range(0, len(a), _PAIRS):
            here = slice(start, start + _PAIRS)
            found[here] = self._look(a[here], b[here], _FIRST_SIDE, _FIRST_SCALES)
            again = start + np.flatnonzero(found[here] >= _FIRST_LEAST)
            if len(again):
                found[again] = self._look(a[again], b[again], _SIDE, _SCALES)
        return found

    def _look(self, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], side: int, scales: Sequence[float]) -> Floats:
        one, other = (np.stack([self._thumbnail(int(row), side) for row in rows]) for rows in (a, b))
        return np.maximum(best_place(one, other, scales), best_place(other, one, scales))

    def _thumbnail(self, row: int, side: int) -> Floats:
        grey = Image.fromarray(inside_window(self._images, row)).convert("L")
        return np.asarray(grey.resize((side, side), Image.Resampling.BOX), np.float32)


def best_place(whole: Floats, piece: Floats, scales: Sequence[float]) -> Floats:
    """Shrink pieces (n, S, S) to each scale, lay them over pictures (n, S, S) at every place, and correlate.

    What is correlated is the detail: values minus the mean around them (normalised cross-correlation, J. P. Lewis,
    *Fast normalized cross-correlation*, 1995, with sums over windows from running totals).

    Args:
        whole: brightness on any scale.
        piece: brightness on the same scale; laid as it is, and mirrored.
        scales: shares of the side, in 0..1.

    Returns:
        The highest correlation (n,) of each pair, -1..1; 0 where one has no contrast.
    """
    side = whole.shape[1]
    around = _AROUND * side // _SIDE | 1
    detail = _detail(whole, around)
    spectrum = fft.rfft2(detail)
    totals = [_running_totals(values) for values in _powers(detail)]
    best = np.zeros(len(whole), np.float32)
    for scale in scales:
        small = max(round(side * scale), 3)
        template = _detail(np.stack([_resized(each, small) for each in piece]), around)
        template -= template.mean(axis=(1, 2), keepdims=True)
        lengths = np.sqrt(np.einsum("nhw,nhw->n", template, template))
        total, squares = (_window_sums(values, small) for values in totals)
        bottom = np.sqrt(np.maximum(squares - total * total / small**2, 0)) * lengths[:, None, None]
        for turned in (template, template[:, :, ::-1]):
            product = fft.irfft2(spectrum * np.conj(fft.rfft2(turned, (side, side))), (side, side))
            correlation = np.zeros_like(bottom)
            last = side - small + 1
            np.divide(product[:, :last, :last], bottom, out=correlation, where=bottom > 1e-2 * small * small)
            best = np.maximum(best, correlation.max(axis=(1, 2)).astype(np.float32))
    return np.minimum(best, 1)


def _detail(grey: Floats, around: int) -> Floats:
    smooth: Floats = ndimage.uniform_filter(grey, (0, around, around), mode="reflect")
    return grey - smooth


def _resized(grey: Floats, side: int) -> Floats:
    if len(grey) == side:
        return grey
    return np.asarray(Image.fromarray(grey).resize((side, side), Image.Resampling.BOX), np.float32)


def _powers(values: Floats) -> Iterator[npt.NDArray[np.float64]]:
    exact = values.astype(np.float64)
    yield exact
    yield exact * exact


def _running_totals(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.pad(values, ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)


def _window_sums(totals: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """Return the sum over every window of a side, from running totals (n, S + 1, S + 1)."""
    sums: npt.NDArray[np.float64] = (
        totals[:, side:, side:] - totals[:, :-side, side:] - totals[:, side:, :-side] + totals[:, :-side, :-side]
    )
    return sums
