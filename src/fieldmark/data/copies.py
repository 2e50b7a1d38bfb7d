"""Whether two pictures are copies of one: hashes that are close, then pixels that agree, straight or mirrored."""

import numpy as np
import numpy.typing as npt

from fieldmark.data.cache import CachedImages
from fieldmark.data.perceptual import fine_detail, thumbnail

#: Bits in which the hashes of two copies of a picture may differ; unrelated pictures differ in about 32 of 64.
HASH_BITS = 8

#: Least correlation of the fine detail of two copies. Whole thumbnails won't do: shape and light alone agree in many
#: pictures (two dark moles at the centre: up to 0.998). Of copies re-encoded at JPEG quality 40, halved, blurred or
#: brightened, the detail of 99 % agrees to 0.90 or more, on birds, groceries and skin alike. The centre must agree as
#: well: the dark corners that one lens leaves in all its photos bring different moles to 0.92, but to 0.87 at the
#: centre (all pairs of HAM10000 with close hashes, on which this was chosen).
_DETAIL = 0.90

#: Rows and columns of a thumbnail that are left out on each side to leave its centre.
_BORDER = 6

#: Pictures whose longer side is below this many px (digits, icons) hold so little detail that two drawn alike reach
#: 0.97; of them only the next to equal count.
_SMALL = 64
_DETAIL_OF_SMALL = 0.99

#: Pairs whose pixels are compared at once.
_PAIRS = 4096


class PictureComparison:
    """Tells copies by their pixels; thumbnails are made once, and only of the rows that are asked for.

    Args:
        images: the pictures. Memory: 2 kB for each that was asked for.
    """

    def __init__(self, images: CachedImages) -> None:
        self._images = images
        count = len(images.pixels)
        self._known = np.zeros(count, np.bool_)
        # Half precision bounds the memory to 2 kB a picture; memory that is never written to is never taken.
        self._detail = np.empty((count, 32, 32), np.float16)
        self._small = images.sizes.max(1, initial=0) < _SMALL

    def same_picture(self, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], mirrored: bool) -> npt.NDArray[np.bool_]:
        """Tell of rows (n,) and (n,), the second mirrored or not, which show the same picture."""
        least = np.where(self._small[a] | self._small[b], _DETAIL_OF_SMALL, _DETAIL)
        same: npt.NDArray[np.bool_] = self.agreement(a, b, mirrored) >= least
        return same

    def agreement(self, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], mirrored: bool) -> npt.NDArray[np.float32]:
        """Return how far the fine detail of rows (n,) and (n,) agrees, -1..1, the second mirrored or not."""
        for row in np.unique(np.concatenate([a, b])):
            self._learn(int(row))
        found = np.empty(len(a), np.float32)
        for start in range(0, len(a), _PAIRS):
            here = slice(start, start + _PAIRS)
            one, other = self._detail[a[here]].astype(np.float32), self._detail[b[here]].astype(np.float32)
            if mirrored:
                other = other[:, :, ::-1]
            centre = slice(_BORDER, -_BORDER)
            whole, middle = _correlation(one, other), _correlation(one[:, centre, centre], other[:, centre, centre])
            found[here] = np.minimum(whole, middle)
        return found

    def _learn(self, row: int) -> None:
        if self._known[row]:
            return
        # The padding around two pictures of one shape is alike, and says nothing of them.
        self._detail[row] = _unit(fine_detail(thumbnail(inside_window(self._images, row))))
        self._known[row] = True


def _unit(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Scale to mean 0 and length 1; to zeros where all values are (but for rounding) the same."""
    centred = values - values.mean()
    length = float(np.linalg.norm(centred))
    # Two pictures without any contrast are told apart by nothing here; calling them copies would be a guess.
    return centred / length if length > 1e-3 else np.zeros_like(centred)


def _correlation(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the correlation, -1..1, of each of (n, H, W) with its partner; 0 where one of them has no contrast."""
    a, b = (values - values.mean(axis=(1, 2), keepdims=True) for values in (a, b))
    lengths = np.sqrt(np.einsum("nhw,nhw->n", a, a) * np.einsum("nhw,nhw->n", b, b))
    products: npt.NDArray[np.float32] = np.einsum("nhw,nhw->n", a, b)
    correlation: npt.NDArray[np.float32] = np.zeros_like(products)
    np.divide(products, lengths, out=correlation, where=lengths > 1e-6)
    return correlation


def inside_window(images: CachedImages, row: int) -> npt.NDArray[np.uint8]:
    """Return a picture (h, w, 3) without the padding around it."""
    left, top, width, height = images.windows[row].round().astype(int)
    inside = images.pixels[row, max(top, 0) : max(top + height, 1), max(left, 0) : max(left + width, 1)]
    return np.ascontiguousarray(inside)
