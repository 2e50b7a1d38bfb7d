"""Corners of the metrics that a reference does not cover."""

import numpy as np

from fieldmark.metrics import (
    accuracy_by_rank,
    accuracy_interval,
    expected_calibration_error,
    macro_recall_interval,
    most_confused_pairs,
    negative_log_likelihood,
)


def test_a_certain_mistake_has_a_finite_likelihood() -> None:
    value = negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1]))
    assert np.isfinite(value)
    assert value > 20


def test_certain_and_right_is_perfectly_calibrated() -> None:
    assert expected_calibration_error(np.eye(3), np.arange(3)) == 0
    assert expected_calibration_error(np.eye(3), np.array([1, 2, 0])) == 1


def test_no_mistakes_no_pairs() -> None:
    assert most_confused_pairs(np.arange(4), np.arange(4), 4) == ()


def test_limit_keeps_the_worst_pair() -> None:
    truth = np.array([0, 0, 1, 1, 2, 2])
    predicted = np.array([1, 1, 0, 1, 0, 2])
    (pair,) = most_confused_pairs(truth, predicted, 3, limit=1)
    assert (pair.first, pair.second, pair.first_as_second, pair.second_as_first) == (0, 1, 2, 1)
    assert pair.rate == 0.75


def test_the_same_seed_draws_the_same_interval() -> None:
    correct = np.arange(50) % 3 > 0
    assert accuracy_interval(correct, seed=4) == accuracy_interval(correct, seed=4)
    assert accuracy_interval(correct, seed=4) != accuracy_interval(correct, seed=5)


def test_a_sample_without_a_group_is_its_own() -> None:
    truth = np.repeat([0, 1], 20)
    predicted = np.where(np.arange(40) % 3 == 0, 1 - truth, truth)
    plain = macro_recall_interval(truth, predicted, seed=1)
    assert macro_recall_interval(truth, predicted, groups=[None] * 40, seed=1) == plain
    one_each = [f"lesion {place}" for place in range(40)]
    assert macro_recall_interval(truth, predicted, groups=one_each, seed=1) == plain


def test_one_group_leaves_nothing_to_draw() -> None:
    interval = accuracy_interval(np.array([True, False]), groups=["a", "a"])
    assert (interval.low, interval.high) == (0.5, 0.5)


def test_same_names_in_different_branches_differ() -> None:
    lineage = {"a": ("birds", "other", "a"), "b": ("trees", "other", "b")}
    found = accuracy_by_rank(np.array([0]), np.array([1]), ("a", "b"), ("kingdom", "genus", "species"), lineage)
    assert found == {"kingdom": 0.0, "genus": 0.0, "species": 0.0}


def test_without_a_lineage_the_class_stands_for_itself() -> None:
    assert accuracy_by_rank(np.array([0, 1]), np.array([0, 0]), ("a", "b"), ("class",), {}) == {"class": 0.5}
