"""Paired tests and intervals over trainings against literal versions and known limits."""

import math

import numpy as np
import pytest

from fieldmark.metrics import (
    accuracy_interval,
    expected_calibration_error,
    macro_recall_interval,
    mcnemar,
    paired_difference,
    trainings_interval,
    weighted_calibration_error,
    weighted_macro_recall,
    weighted_mean,
    weighted_ratio,
)

B = 400


def correct(share: float, seed: int, count: int = B) -> np.ndarray:
    return np.random.default_rng(seed).random(count) < share


def tossed(first: int, second: int) -> float:
    """How likely a fair coin gives at least so uneven numbers of heads and tails, toss by toss counted out."""
    both = first + second
    ways = [math.comb(both, heads) for heads in range(both + 1)]
    return sum(way for way in ways if way <= ways[first]) / 2**both


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (8, 7), (2, 14), (20, 5), (0, 12)])
def test_mcnemar_is_the_toss_of_a_coin(only_first: int, only_second: int) -> None:
    first = np.array([True] * only_first + [False] * only_second + [True] * 9 + [False] * 3)
    second = np.array([False] * only_first + [True] * only_second + [True] * 9 + [False] * 3)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p == pytest.approx(tossed(only_first, only_second))


def test_the_interval_of_one_training_is_the_bootstrap_over_pictures() -> None:
    hits, groups = correct(0.7, 0), [str(place // 4) for place in range(B)]
    for given in (None, groups):
        expected = accuracy_interval(hits, groups=given, seed=3)
        assert trainings_interval([weighted_mean(hits)], B, groups=given, seed=3) == expected
    truth, predicted = np.arange(B) % 5, np.where(hits, np.arange(B) % 5, 0)
    expected = macro_recall_interval(truth, predicted, seed=3)
    assert trainings_interval([weighted_macro_recall(truth, predicted)], B, seed=3) == expected


def test_trainings_that_differ_make_the_interval_wider() -> None:
    same = [weighted_mean(correct(0.7, 0))] * 3
    apart = [weighted_mean(correct(share, 0)) for share in (0.6, 0.7, 0.8)]
    narrow, wide = (trainings_interval(measures, B) for measures in (same, apart))
    assert narrow.high - narrow.low < 0.6 * (wide.high - wide.low)
    assert wide.value == pytest.approx(np.mean([measure(np.ones(B)) for measure in apart]))


def test_the_interval_over_trainings_is_as_wide_as_the_variances_say() -> None:
    """Of crossed means the variance is that over trainings plus that over pictures (Owen 2007, section 4)."""
    generator = np.random.default_rng(5)
    of_training, of_picture = generator.normal(0, 1, (8, 1)), generator.normal(0, 12, (1, B))
    values = of_training + of_picture
    found = trainings_interval([weighted_mean(row) for row in values], B, resamples=8000)
    deviation = math.sqrt(of_training.var() / 8 + of_picture.var() / B)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(deviation, rel=0.05)


def test_the_paired_difference_is_narrower_than_that_of_two_samples() -> None:
    """What is hard for both cancels: of 400 pictures 40 differ, and nothing else counts."""
    first = correct(0.7, 0)
    second = first.copy()
    second[:40] = False
    found = paired_difference([weighted_mean(first)], [weighted_mean(second)], B)
    gain = first.astype(float) - second
    assert found.interval.value == pytest.approx(gain.mean())
    half = (found.interval.high - found.interval.low) / 2
    assert half == pytest.approx(1.96 * gain.std() / math.sqrt(B), rel=0.08)
    assert found.p == pytest.approx(2 / 4001)


def test_equal_sides_and_the_other_way_round() -> None:
    first, second = ([weighted_mean(correct(share, seed)) for seed in (1, 2)] for share in (0.7, 0.66))
    same = paired_difference(first[:1], first[:1], B)
    assert (same.interval.value, same.interval.low, same.interval.high, same.p) == (0, 0, 0, 1)
    there, back = paired_difference(first, second, B).interval, paired_difference(second, first, B).interval
    assert there.value == pytest.approx(-back.value)
    assert there.low == pytest.approx(-back.high, abs=0.02)


def test_groups_are_drawn_whole() -> None:
    gains = np.repeat(correct(0.5, 3, B // 20), 20)  # twenty pictures of one animal, all alike
    groups = [str(place // 20) for place in range(B)]
    sides = [weighted_mean(gains)], [weighted_mean(np.zeros(B))]
    alone, grouped = (paired_difference(*sides, B, groups=given).interval for given in (None, groups))
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)


def test_weights_are_how_often_samples_count() -> None:
    generator = np.random.default_rng(1)
    times = generator.integers(0, 4, 60)
    probabilities = generator.dirichlet(np.ones(5), 60)
    truth, predicted = generator.integers(5, size=60), probabilities.argmax(1)
    costs, wrong = generator.random(60), truth != predicted
    weights = times.astype(float)
    again = np.repeat(np.arange(60), times)
    assert weighted_mean(costs)(weights) == pytest.approx(costs[again].mean())
    assert weighted_ratio(costs, wrong)(weights) == pytest.approx(costs[again][wrong[again]].mean())
    assert math.isnan(weighted_ratio(costs, np.zeros(60, bool))(weights))
    expected = expected_calibration_error(probabilities[again], truth[again])
    assert weighted_calibration_error(probabilities, truth)(weights) == pytest.approx(expected)
