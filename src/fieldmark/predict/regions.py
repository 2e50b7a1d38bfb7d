"""Where a part is: from its map to a region, a box and a centre, and from there to pixels.

Boxes are (left, top, width, height). Inside the network's square they are in 0..1 of its side; of a picture they are in
its own pixels.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fieldmark.data.images import FittedImage
from fieldmark.records import Box

#: A part reaches as far as its share exceeds this part of its largest share.
REACH = 0.5


def part_region(share: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where a part is: the cells around its maximum whose share exceeds half of it.

    Args:
        share: (h, w), the cells' shares of the part; none negative.

    Returns:
        (h, w): the cells that hang together with the maximum, sides touching; none where every share is 0.
    """
    peak = np.unravel_index(int(share.argmax()), share.shape)
    if share[peak] <= 0:
        return np.zeros(share.shape, np.bool_)
    labels, _ = ndimage.label(share > REACH * share[peak])
    return np.asarray(labels == labels[peak])


def region_box(region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the box of a region (h, w), in 0..1 of the square; four NaN where the region is empty."""
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    if not len(rows):
        return np.full(4, np.nan, np.float32)
    height, width = region.shape
    left, top = columns[0] / width, rows[0] / height
    return np.array([left, top, (columns[-1] + 1) / width - left, (rows[-1] + 1) / height - top], np.float32)


def region_centre(share: NDArray[np.float32], region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the centre (x, y) of the shares (h, w) inside a region, in 0..1; NaN where the region is empty."""
    weights = np.where(region, share, 0).astype(np.float64)
    total = weights.sum()
    if total <= 0:
        return np.full(2, np.nan, np.float32)
    height, width = share.shape
    x = (weights.sum(0) @ (np.arange(width) + 0.5)) / (total * width)
    y = (weights.sum(1) @ (np.arange(height) + 0.5)) / (total * height)
    return np.array([x, y], np.float32)


def pixel_mask(region: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Spread a region's cells (h, w) over the pixels of a square of ``side`` pixels R per side: (R, R)."""
    height, width = region.shape
    rows, columns = np.arange(side) * height // side, np.arange(side) * width // side
    return np.asarray(region[rows[:, None], columns[None, :]])


def inside_mask(fitted: FittedImage) -> NDArray[np.bool_]:
    """Return where in the square (R, R) the picture is, not its padding."""
    side = fitted.pixels.shape[0]
    left, top, width, height = fitted.window
    middle = np.arange(side) + 0.5
    across = (middle > left) & (middle < left + width)
    down = (middle > top) & (middle < top + height)
    return np.asarray(down[:, None] & across[None, :])


def box_in_picture(
    box: NDArray[np.float32], side: int, window: tuple[float, float, float, float], size: tuple[int, int]
) -> Box | None:
    """Take a box from the square to the original picture, undoing the fit.

    Args:
        box: in 0..1 of the square.
        side: pixels per side of the square.
        window: left, top, width and height of the picture inside the square in px, as ``FittedImage`` gives it.
        size: width and height of the original in px.

    Returns:
        The box in px of the original, cut at its edges; ``None`` where nothing of it lies on the picture.
    """
    if np.isnan(box).any():
        return None
    start, extent = np.asarray(box[:2], np.float64) * side, np.asarray(box[2:], np.float64) * side
    offset, scale = np.array(window[:2]), np.array(size) / np.array(window[2:])
    low = np.clip((start - offset) * scale, 0, size)
    high = np.clip((start + extent - offset) * scale, 0, size)
    if (high <= low).any():
        return None
    (left, top), (width, height) = low.tolist(), (high - low).tolist()
    return left, top, width, height
