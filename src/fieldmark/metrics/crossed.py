"""Figures of several trainings on the same pictures, with intervals over both at once; and paired tests of two runs.

Trainings differ by chance (the seed), and which pictures were taken is chance too. Every draw takes trainings and, by
itself, pictures with replacement: the pigeonhole bootstrap of crossed factors (Owen, *Annals of Applied Statistics* 1,
2007). Of one training it is the bootstrap over pictures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldmark.metrics.bootstrap import RESAMPLES, Measure, draw_weights, percentile_interval
from fieldmark.records import Interval

#: Draws of a comparison: its p is read off the tails.
COMPARED = 4000

#: Sets the drawing of trainings apart from that of pictures, and both sides' from each other.
_FIRST, _SECOND = 1, 2


@dataclass(frozen=True, slots=True)
class Difference:
    """How much larger a figure is on the first side than on the second.

    Attributes:
        interval: the difference with its 95 % interval, in the figure's unit.
        p: two-sided: how often draws fall on the other side of 0, twice; at least 2 / (draws + 1).
    """

    interval: Interval
    p: float


@dataclass(frozen=True, slots=True)
class McNemar:
    """The exact McNemar test of two recognisers on the same samples.

    Attributes:
        only_first: samples that the first alone gets right.
        only_second: samples that the second alone gets right.
        p: two-sided: how likely at least such an imbalance is if both are equally good.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first_correct: NDArray[np.bool_], second_correct: NDArray[np.bool_]) -> McNemar:
    """Test whether two recognisers are right equally often, on the same independent samples.

    Where one alone is right, it is either by the toss of a coin if they are equally good (McNemar, *Psychometrika* 12,
    1947; for classifiers Dietterich, *Neural Computation* 10, 1998; here in its exact, binomial form).

    Args:
        first_correct: (B,) booleans.
        second_correct: (B,) booleans, of the same samples.
    """
    from scipy.stats import binomtest

    only_first = int((first_correct & ~second_correct).sum())
    only_second = int((second_correct & ~first_correct).sum())
    either = only_first + only_second
    return McNemar(only_first, only_second, float(binomtest(only_first, either).pvalue) if either else 1.0)


def trainings_interval(
    trainings: Sequence[Measure],
    count: int,
    *,
    groups: Sequence[str | None] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the mean of a figure over trainings, with its 95 % interval over trainings and samples.

    Args:
        trainings: what measures each training on the same samples, one or more.
        count: number B of samples.
        groups: the group of every sample; ``None`` for a sample that is its own group, or for all.
        seed: of the drawing.
        resamples: how many times trainings and samples are drawn again.
    """
    chosen = _drawn(len(trainings), seed, _FIRST, resamples)
    draws = zip(chosen, draw_weights(count, groups, seed, resamples), strict=True)
    values = [_mean(trainings, shares, weights) for shares, weights in draws]
    return percentile_interval(_mean(trainings, np.ones(len(trainings)), np.ones(count)), values)


def paired_difference(
    first: Sequence[Measure],
    second: Sequence[Measure],
    count: int,
    *,
    groups: Sequence[str | None] | None = None,
    seed: int = 0,
    resamples: int = COMPARED,
) -> Difference:
    """Return the mean over the first trainings less that over the second, on the same samples.

    Both sides are measured on the same drawn samples, so what is hard for both cancels; each side's trainings are drawn
    by themselves.

    Args:
        first: what measures each training of the first side, one or more.
        second: the same of the second side.
        count: number B of samples.
        groups: the group of every sample; ``None`` for a sample that is its own group, or for all.
        seed: of the drawing.
        resamples: how many times trainings and samples are drawn again.
    """
    draws = zip(
        _drawn(len(first), seed, _FIRST, resamples),
        _drawn(len(second), seed, _SECOND, resamples),
        draw_weights(count, groups, seed, resamples),
        strict=True,
    )
    values = np.array([_mean(first, one, weights) - _mean(second, other, weights) for one, other, weights in draws])
    whole = np.ones(count)
    value = _mean(first, np.ones(len(first)), whole) - _mean(second, np.ones(len(second)), whole)
    return Difference(percentile_interval(value, values), _two_sided(values))


def weighted_mean(values: NDArray[np.floating] | NDArray[np.bool_]) -> Measure:
    """Return what measures the mean of weighted samples' values (B,)."""
    exact = values.astype(np.float64)
    return lambda weights: float(weights @ exact / weights.sum())


def weighted_ratio(values: NDArray[np.floating], counted: NDArray[np.bool_]) -> Measure:
    """Return what measures the mean of values (B,) over the counted (B,) of weighted samples; NaN where none is."""
    exact, kept = values.astype(np.float64) * counted, counted.astype(np.float64)

    def measure(weights: NDArray[np.float64]) -> float:
        weight = float(weights @ kept)
        return float(weights @ exact) / weight if weight else float("nan")

    return measure


def _drawn(count: int, seed: int, side: int, resamples: int) -> Iterator[NDArray[np.float64]]:
    """Yield, for every draw, how often each training was drawn: (count,)."""
    generator = np.random.default_rng((seed, side))
    for _ in range(resamples):
        yield np.bincount(generator.integers(count, size=count), minlength=count).astype(np.float64)


def _mean(trainings: Sequence[Measure], shares: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the mean of drawn trainings on drawn samples."""
    found = [share * training(weights) for training, share in zip(trainings, shares, strict=True) if share]
    return float(sum(found) / shares.sum())


def _two_sided(values: NDArray[np.float64]) -> float:
    beyond = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(values) + 1))
