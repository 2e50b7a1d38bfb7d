"""Regions of pictures that are covered as a control of others."""

import numpy as np
from numpy.typing import NDArray
from scipy import signal


def elsewhere(
    mask: NDArray[np.bool_], inside: NDArray[np.bool_], count: int, generator: np.random.Generator
) -> list[NDArray[np.bool_]]:
    """Return regions of a region's shape that lie on the picture and do not touch it, at places drawn at random.

    Args:
        mask: (R, R), the region.
        inside: (R, R), where the picture is.
        count: how many are wanted; fewer come where there are fewer places.
        generator: draws the places.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows) or not count:
        return []
    shape = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    taken = (mask | ~inside).astype(np.float32)
    # how many taken pixels the shape would cover at every place
    covered = signal.fftconvolve(taken, shape[::-1, ::-1].astype(np.float32), mode="valid")
    free = np.argwhere(covered < 0.5)
    found = []
    for top, left in generator.permutation(free)[:count]:
        moved = np.zeros_like(mask)
        moved[top : top + shape.shape[0], left : left + shape.shape[1]] = shape
        found.append(moved)
    return found
