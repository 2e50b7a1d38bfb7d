"""How much accuracy stays when pictures get worse."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def area_under_curve(severities: Sequence[float], scores: Floats) -> NDArray[np.float64]:
    """Return the mean height of curves over the severities that they span, by the trapezoid rule.

    A score that stays the same has an area of that score. The area is linear in the scores: the mean of single
    pictures' areas is the area of their mean.

    Args:
        severities: S values, rising, two or more.
        scores: (..., S), in any unit.

    Returns:
        (...), in the scores' unit.

    Raises:
        ValueError: fewer than two severities, or severities that don't rise.
    """
    steps = np.diff(np.asarray(severities, np.float64))
    if not len(steps) or (steps <= 0).any():
        raise ValueError("an area needs two severities or more, rising")
    heights = np.asarray(scores, np.float64)
    area: NDArray[np.float64] = ((heights[..., 1:] + heights[..., :-1]) / 2 * steps).sum(-1) / steps.sum()
    return area


def relative_degradation(clean: float, scores: Sequence[float]) -> float | None:
    """Return which share of a score is lost on average, negative where it is gained; ``None`` where there was none.

    Args:
        clean: the score without corruption.
        scores: the scores with corruptions, one or more.
    """
    return float((clean - np.mean(scores)) / clean) if clean > 0 else None
