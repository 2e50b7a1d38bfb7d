"""Where the parts of pictures are: around annotated keypoints, and where a recogniser finds parts of its own."""

import numpy as np
from numpy.typing import NDArray

from fieldmark.data.keypoints import Keypoints
from fieldmark.evaluation.corruptions import ANNOTATED, DISCOVERED, Region, disc, rectangle
from fieldmark.predict.regions import part_region, pixel_mask

#: A recogniser's part counts as seen where its largest share passes this (as in ``metrics.part_centres``).
_FOUND = 0.5


def annotated_regions(
    names: tuple[str, ...],
    keypoints: Keypoints,
    row: int,
    box: NDArray[np.float32],
    window: tuple[float, float, float, float],
    side: int,
) -> tuple[Region, ...]:
    """Return a disc for every keypoint of a picture that is seen.

    Args:
        names: the K keypoints' names.
        keypoints: of all pictures.
        row: the picture's place among them.
        box: of its object, left, top, width and height in 0..1 of the square.
        window: of the picture inside the square, in px.
        side: pixels R per side of the square.
    """
    inside = rectangle(*window, side)
    found = []
    for place in np.flatnonzero(keypoints.visible[row]):
        x, y = (float(value) for value in keypoints.positions[row, place])
        found.append(Region(ANNOTATED, names[place], disc(x, y, box, inside)))
    return tuple(region for region in found if region.mask.any())


def discovered_regions(
    names: tuple[str, ...], maps: NDArray[np.float32], window: tuple[float, float, float, float], side: int
) -> tuple[Region, ...]:
    """Return the region of every part of a recogniser that is seen in a picture; padding belongs to none.

    Args:
        names: of the recogniser's slots: those of the K parts, and perhaps one more of the rest, which is no place.
        maps: (K + 1, h, w), each cell's shares of the parts and, last, of the background.
        window: of the picture inside the square, in px.
        side: pixels R per side of the square.
    """
    if not maps[-1].any():  # no background: the whole picture is the part, and can't be hidden
        return ()
    inside = rectangle(*window, side)
    found = []
    for name, share in zip(names, maps[:-1], strict=False):
        if share.max() > _FOUND:
            found.append(Region(DISCOVERED, name, pixel_mask(part_region(share), side) & inside))
    return tuple(region for region in found if region.mask.any())
