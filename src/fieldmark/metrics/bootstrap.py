"""95 % intervals by the percentile bootstrap (Efron, 1979), over samples or over groups of samples.

Samples of one group (one animal, patient or product) are not independent: the grouped bootstrap draws whole groups
(the cluster bootstrap; Davison & Hinkley, 1997, section 3.8), so its intervals are as wide as they should be.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fieldmark.records import Interval

Indices = NDArray[np.integer]

#: From how often each sample counts (B,) to a figure.
Measure = Callable[[NDArray[np.float64]], float]

#: How many times the samples are drawn again.
RESAMPLES = 1000

#: The interval's ends, in per cent of the drawn values.
_ENDS = (2.5, 97.5)


def accuracy_interval(
    correct: NDArray[np.bool_],
    *,
    groups: Sequence[str | None] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the share of correct samples with its 95 % interval.

    Args:
        correct: (B,) booleans.
        groups: the group of every sample; ``None`` for a sample that is its own group, or for all.
        seed: of the drawing.
        resamples: how many times the samples are drawn again.
    """
    return mean_interval(correct.astype(np.float64), groups=groups, seed=seed, resamples=resamples)


def mean_interval(
    values: NDArray[np.floating],
    *,
    groups: Sequence[str | None] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the mean over samples with its 95 % interval.

    Args:
        values: (B,), in any unit.
        groups: the group of every sample; ``None`` for a sample that is its own group, or for all.
        seed: of the drawing.
        resamples: how many times the samples are drawn again.
    """
    means = [float(weights @ values / weights.sum()) for weights in draw_weights(len(values), groups, seed, resamples)]
    return percentile_interval(float(values.mean()), means)


def macro_recall_interval(
    truth: Indices,
    predicted: Indices,
    *,
    groups: Sequence[str | None] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the macro recall with its 95 % interval; a draw that misses a class averages over the others.

    Args:
        truth: (B,) class indices.
        predicted: (B,) class indices.
        groups: the group of every sample; ``None`` for a sample that is its own group, or for all.
        seed: of the drawing.
        resamples: how many times the samples are drawn again.
    """
    measure = weighted_macro_recall(truth, predicted)
    values = [measure(weights) for weights in draw_weights(len(truth), groups, seed, resamples)]
    return percentile_interval(measure(np.ones(len(truth))), values)


def mean_difference_intervals(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    first_groups: Sequence[str | None] | None = None,
    second_groups: Sequence[str | None] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[Interval, ...]:
    """Return, for every measured quantity, the mean of one kind of samples less that of another, with its interval.

    Both kinds are drawn again by themselves, each as often as it has samples or groups (Efron & Tibshirani, *An
    Introduction to the Bootstrap*, 1993, section 8.3).

    Args:
        first: (B, K), K quantities of B samples, in any unit.
        second: (C, K), the same quantities of C samples of the other kind.
        first_groups: the group of every sample; ``None`` for a sample that is its own group, or for all.
        second_groups: the same for the other kind.
        seed: of the drawing.
        resamples: how many times the samples are drawn again.

    Returns:
        K intervals, in the quantities' own unit.
    """
    draws = zip(
        draw_weights(len(first), first_groups, seed, resamples),
        draw_weights(len(second), second_groups, seed + 1, resamples),
        strict=True,
    )
    values = np.array([a @ first / a.sum() - b @ second / b.sum() for a, b in draws])  # (resamples, K)
    means = first.mean(axis=0) - second.mean(axis=0)
    return tuple(percentile_interval(float(mean), column) for mean, column in zip(means, values.T, strict=True))


def weighted_macro_recall(truth: Indices, predicted: Indices) -> Measure:
    """Return what measures the macro recall of weighted samples; classes without weight don't count.

    Args:
        truth: (B,) class indices.
        predicted: (B,) class indices.
    """
    correct = truth == predicted
    classes, places = np.unique(truth, return_inverse=True)

    def measure(weights: NDArray[np.float64]) -> float:
        support = np.bincount(places, weights=weights, minlength=len(classes))
        hits = np.bincount(places, weights=weights * correct, minlength=len(classes))
        drawn = support > 0
        return float((hits[drawn] / support[drawn]).mean())

    return measure


def draw_weights(
    count: int, groups: Sequence[str | None] | None, seed: int, resamples: int
) -> Iterator[NDArray[np.float64]]:
    """Yield, for every draw, how often each sample was drawn: (B,).

    Args:
        count: number B of samples.
        groups: the group of every sample; ``None`` for a sample that is its own group, or for all.
        seed: of the drawing.
        resamples: number of draws.
    """
    members = _members(count, groups)
    units = int(members.max()) + 1
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        drawn = np.bincount(generator.integers(units, size=units), minlength=units)
        yield drawn[members].astype(np.float64)


def _members(count: int, groups: Sequence[str | None] | None) -> NDArray[np.int64]:
    """Number the groups 0, 1, ... in order of appearance; (B,)."""
    if groups is None:
        return np.arange(count)
    numbers: dict[str | tuple[int], int] = {}
    keys: list[str | tuple[int]] = [(place,) if group is None else group for place, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def percentile_interval(value: float, values: Sequence[float] | NDArray[np.float64]) -> Interval:
    """Return a figure with the middle 95 % of what was drawn; draws that are no number don't count."""
    low, high = np.nanpercentile(values, _ENDS)
    return Interval(value, float(low), float(high))
