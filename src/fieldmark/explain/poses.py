"""Which pictures of another class stand as a picture does, by where their parts are; and what they say at its places.

In shapes, K parts and the background make K + 1 maps of h × w cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

#: How far a picture is moved to stand as another does, in shares of its side.
_REACH = 1 / 8

#: Times as many pictures as are asked for that are moved about.
_TRIED = 5


@dataclass(frozen=True, slots=True)
class Pose:
    """How one of many pictures has to be taken to stand as another.

    Attributes:
        row: its place among the many.
        mirrored: whether it is to be mirrored first, left to right.
        down: by how many cells it is then to be moved down.
        across: and to the right.
        distance: how far its parts then lie from the other's: the total variation of the shares of a cell, in the mean
            over the cells; 0 (the same) to 1.
    """

    row: int
    mirrored: bool
    down: int
    across: int
    distance: float

    def moved(self, cells: NDArray[np.floating]) -> NDArray[np.float64]:
        """Move figures (h, w) of the picture, mirrored already, to the cells of the other; their sum stays.

        What would leave the picture is gathered in the cells at its edge.
        """
        height, width = cells.shape
        rows = np.clip(np.arange(height) + self.down, 0, height - 1)
        columns = np.clip(np.arange(width) + self.across, 0, width - 1)
        found = np.zeros((height, width))
        np.add.at(found, (rows[:, None], columns[None, :]), cells)
        return found


def nearest_poses(
    maps: NDArray[np.floating], others: NDArray[np.floating], count: int, *, mirrored: Sequence[int] | None = None
) -> tuple[Pose, ...]:
    """Find the pictures whose parts lie most as one picture's do, mirrored and moved by up to an eighth of the side.

    Pictures are moved that are among the nearest as they are, or mirrored: ``_TRIED`` times as many as asked for.

    Args:
        maps: (K + 1, h, w), the picture's shares; every cell's add up to 1.
        others: (n, K + 1, h, w), those of the pictures to search.
        count: how many to return, at least 1.
        mirrored: K places: which part's map, mirrored, is each one's in the mirror image, where that of a left eye is
            a right eye; by default its own.

    Returns:
        Each picture at most once, in its best position, the nearest first; fewer than ``count`` where n is smaller.
    """
    maps, others = maps.astype(np.float32), others.astype(np.float32)
    partners = [*(range(len(maps) - 1) if mirrored is None else mirrored), len(maps) - 1]
    turned = others[:, partners, :, ::-1]
    unmoved = np.stack([_distances(maps, each, 0, 0) for each in (others, turned)])
    tried = np.argsort(unmoved.min(0), kind="stable")[: _TRIED * count]
    height, width = maps.shape[1:]
    positions = list(product((False, True), _steps(height), _steps(width)))
    found = {False: others[tried], True: turned[tried]}
    distances = np.stack([_distances(maps, found[turn], *move) for turn, *move in positions])  # (positions, tried)
    order = np.argsort(distances.min(0), kind="stable")[:count]
    return tuple(_pose(int(tried[place]), distances[:, place], positions) for place in order)


def _pose(row: int, distances: NDArray[np.float64], positions: Sequence[tuple[bool, int, int]]) -> Pose:
    best = int(distances.argmin())
    mirrored, down, across = positions[best]
    return Pose(row, mirrored, down, across, float(distances[best]))


def _steps(side: int) -> Sequence[int]:
    """Return the moves to try along a side of so many cells, the smallest first: of equal ones, the first is taken."""
    reach = round(_REACH * side)
    return sorted(range(-reach, reach + 1), key=abs)


def _distances(maps: NDArray[np.floating], others: NDArray[np.floating], down: int, across: int) -> NDArray[np.float64]:
    """Return the distance (n,) of every picture, moved; what comes into sight is background."""
    height, width = maps.shape[1:]
    into = _slices(height, down), _slices(width, across)
    out_of = _slices(height, -down), _slices(width, -across)
    uncovered = 2 * (1 - maps[-1].astype(np.float64))  # Σ|share - background|, where all is background
    apart = uncovered.sum() - uncovered[into].sum()
    differing = others[(..., *out_of)] - maps[(slice(None), *into)]
    seen = np.abs(differing, out=differing).sum((1, 2, 3))
    return np.asarray((seen + apart) / (2 * height * width))


def _slices(side: int, step: int) -> slice:
    return slice(max(step, 0), side + min(step, 0))
