"""The metrics against scikit-learn and against literal versions of their definitions."""

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from fieldmark.metrics import (
    accuracy_by_rank,
    accuracy_interval,
    auroc,
    confusion_counts,
    confusion_matrix,
    expected_calibration_error,
    macro_recall,
    macro_recall_interval,
    mean_difference_intervals,
    most_confused_pairs,
    negative_log_likelihood,
    per_class_scores,
    top_k_accuracy,
)

N = 7


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    truth = generator.integers(N - 1, size=240)  # class 6 never occurs among the truths
    logits = generator.normal(size=(240, N)) + 1.5 * np.eye(N)[truth]
    probabilities = np.exp(logits)
    return probabilities / probabilities.sum(axis=1, keepdims=True), truth


@pytest.mark.parametrize("k", [1, 2, 5, 7, 9])
def test_top_k_accuracy_is_that_of_sklearn(sample: tuple[np.ndarray, np.ndarray], k: int) -> None:
    probabilities, truth = sample
    expected = sk.top_k_accuracy_score(truth, probabilities, k=k, labels=range(N)) if k < N else 1.0
    assert top_k_accuracy(probabilities, truth, k) == pytest.approx(expected)


def test_top_1_of_ties_is_that_of_argmax() -> None:
    probabilities = np.full((3, 3), 1 / 3)
    truth = np.array([0, 1, 2])
    assert top_k_accuracy(probabilities, truth) == np.mean(probabilities.argmax(1) == truth)
    assert top_k_accuracy(probabilities, truth, 2) == pytest.approx(2 / 3)


def test_macro_recall_is_sklearns_balanced_accuracy(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = sample
    known = truth < 4
    predicted = np.minimum(probabilities.argmax(1), 3)
    expected = sk.balanced_accuracy_score(truth[known], predicted[known])
    assert macro_recall(truth[known], predicted[known]) == pytest.approx(expected)


def test_macro_recall_ignores_classes_without_truths() -> None:
    assert macro_recall(np.array([0, 0, 1]), np.array([0, 5, 1])) == pytest.approx(0.75)


def test_per_class_scores_are_those_of_sklearn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = sample
    predicted = probabilities.argmax(1)
    found = per_class_scores(truth, predicted, N)
    expected = sk.precision_recall_fscore_support(truth, predicted, labels=range(N), zero_division=np.nan)
    for mine, theirs in zip((found.precision, found.recall, found.f1, found.support), expected, strict=True):
        np.testing.assert_allclose(mine, theirs)
    assert math.isnan(found.recall[6])


def test_confusion_matrix_is_that_of_sklearn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = sample
    predicted = probabilities.argmax(1)
    matrix = confusion_matrix(truth, predicted, N)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(truth, predicted, labels=range(N)))
    rows = confusion_counts(truth, predicted, N)
    assert rows[:, 2].min() >= 1
    assert len(rows) == np.count_nonzero(matrix)


def test_most_confused_pairs_against_the_matrix(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = sample
    predicted = probabilities.argmax(1)
    matrix = sk.confusion_matrix(truth, predicted, labels=range(N))
    pairs = most_confused_pairs(truth, predicted, N)
    expected = sorted((int(matrix[a, b] + matrix[b, a]) for a in range(N) for b in range(a)), reverse=True)
    assert [pair.mistakes for pair in pairs] == [count for count in expected if count]
    for pair in pairs:
        assert pair.first_as_second == matrix[pair.first, pair.second] >= pair.second_as_first
        assert pair.second_as_first == matrix[pair.second, pair.first]
        total = matrix[pair.first].sum() + matrix[pair.second].sum()
        assert pair.rate == pytest.approx(pair.mistakes / total)


def test_calibration_error_against_the_literal_sum(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = sample
    expected = 0.0
    for m in range(1, 16):
        inside = [
            (row.max(), float(row.argmax() == true))
            for row, true in zip(probabilities, truth, strict=True)
            if (m - 1) / 15 < row.max() <= m / 15
        ]
        if inside:
            gap = abs(np.mean([hit for _, hit in inside]) - np.mean([sure for sure, _ in inside]))
            expected += len(inside) / len(truth) * gap
    assert expected_calibration_error(probabilities, truth) == pytest.approx(expected)


def test_negative_log_likelihood_is_sklearns_log_loss(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = sample
    expected = sk.log_loss(truth, probabilities, labels=range(N))
    assert negative_log_likelihood(probabilities, truth) == pytest.approx(expected)


def test_accuracy_by_rank_of_a_tree_known_by_heart() -> None:
    classes = ("robin", "wren", "oak")
    lineage = {"robin": ("animal", "robin"), "wren": ("animal", "wren"), "oak": ("plant", "oak")}
    truth, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 2, 2])
    found = accuracy_by_rank(truth, predicted, classes, ("kingdom", "species"), lineage)
    assert found == {"kingdom": 0.75, "species": 0.5}


def test_accuracy_interval_agrees_with_the_normal_approximation() -> None:
    correct = np.arange(2000) % 4 > 0
    interval = accuracy_interval(correct, resamples=4000)
    half = 1.96 * math.sqrt(0.75 * 0.25 / 2000)
    assert interval.value == 0.75
    assert interval.low == pytest.approx(0.75 - half, abs=0.002)
    assert interval.high == pytest.approx(0.75 + half, abs=0.002)


def test_groups_of_copies_are_worth_one_sample_each() -> None:
    """400 samples in 100 groups of 4 copies carry the information of 100 samples: twice as wide."""
    correct = np.repeat(np.arange(100) % 2 == 0, 4)
    groups = [f"animal {place // 4}" for place in range(400)]
    grouped = accuracy_interval(correct, groups=groups, resamples=4000)
    single = accuracy_interval(correct, resamples=4000)
    assert (grouped.high - grouped.low) / (single.high - single.low) == pytest.approx(2, rel=0.1)


def test_mean_difference_intervals_agree_with_the_normal_approximation() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(3, 1, (400, 2)), generator.normal(1, 2, (100, 2))
    first[:, 1] *= 10  # in another unit
    for column, interval in enumerate(mean_difference_intervals(first, second, resamples=4000)):
        a, b = first[:, column], second[:, column]
        half = 1.96 * math.sqrt(a.var() / len(a) + b.var() / len(b))
        assert interval.value == pytest.approx(a.mean() - b.mean())
        assert interval.low == pytest.approx(interval.value - half, abs=0.08 * half)
        assert interval.high == pytest.approx(interval.value + half, abs=0.08 * half)


def test_mean_difference_intervals_draw_whole_groups() -> None:
    first, second = np.repeat(np.arange(10.0), 20)[:, None], np.zeros((50, 1))
    (single,) = mean_difference_intervals(first, second)
    (grouped,) = mean_difference_intervals(first, second, first_groups=[str(value) for value in first[:, 0]])
    assert grouped.value == single.value == 4.5
    assert grouped.high - grouped.low > 3 * (single.high - single.low)


def test_macro_recall_interval_against_drawing_rows(sample: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = sample
    predicted = probabilities.argmax(1)
    generator = np.random.default_rng(1)
    values = []
    for _ in range(1500):
        rows = generator.integers(len(truth), size=len(truth))
        values.append(sk.recall_score(truth[rows], predicted[rows], average="macro", labels=range(N - 1)))
    found = macro_recall_interval(truth, predicted, resamples=4000)
    assert found.value == pytest.approx(macro_recall(truth, predicted))
    assert [found.low, found.high] == pytest.approx(np.percentile(values, [2.5, 97.5]).tolist(), abs=0.01)


def test_auroc_is_that_of_sklearn() -> None:
    generator = np.random.default_rng(8)
    positive = generator.random(300) < 0.3
    for scores in (generator.normal(size=300) + positive, generator.integers(4, size=300) + positive):
        assert auroc(scores, positive) == pytest.approx(sk.roc_auc_score(positive, scores))


def test_auroc_of_known_orders() -> None:
    positive = np.array([False, False, True, True])
    assert auroc(np.array([1.0, 2.0, 3.0, 4.0]), positive) == 1
    assert auroc(np.array([4.0, 3.0, 2.0, 1.0]), positive) == 0
    assert auroc(np.array([1.0, 3.0, 2.0, 4.0]), positive) == 0.75
    assert auroc(np.ones(4), positive) == 0.5


def test_auroc_needs_both_kinds_and_numbers() -> None:
    with pytest.raises(ValueError, match="positive and negative"):
        auroc(np.arange(3.0), np.ones(3, bool))
    with pytest.raises(ValueError, match="no number"):
        auroc(np.array([0.0, np.nan]), np.array([True, False]))
