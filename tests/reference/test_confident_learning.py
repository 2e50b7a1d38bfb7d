"""Confident learning against the paper's definitions, written out, and against cleanlab."""

import numpy as np
import pytest

from fieldmark.audit.confident import confident_classes, confident_joint, judge_labels, thresholds


def noisy(seed: int, classes: int = 5, rows: int = 300, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a fair classifier, and labels some of which were changed."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, rows)
    logits = generator.normal(0, 1, (rows, classes))
    logits[np.arange(rows), truth] += 2.5
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.where(generator.random(rows) < noise, generator.integers(0, classes, rows), truth)
    labels[:classes] = np.arange(classes)
    return probabilities, labels


def literal_joint(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Equations 1 to 3 of Northcutt, Jiang and Chuang (2021), row by row."""
    rows, classes = probabilities.shape
    means = [
        np.mean([p[k] for p, label in zip(probabilities, labels, strict=True) if label == k]) for k in range(classes)
    ]
    counted, off = np.zeros((classes, classes)), []
    for row in range(rows):
        reached = [k for k in range(classes) if probabilities[row, k] >= means[k] - 1e-6]
        if reached:
            likely = max(reached, key=lambda k: probabilities[row, k])
            counted[labels[row], likely] += 1
            off += [row] if likely != labels[row] else []
    for k in range(classes):
        counted[k, k] = max(counted[k, k], 1)
    for k in range(classes):
        counted[k] *= np.sum(labels == k) / counted[k].sum()
    return counted, off


@pytest.mark.parametrize("seed", range(4))
def test_joint_and_wrong_labels_are_those_of_the_equations(seed: int) -> None:
    probabilities, labels = noisy(seed)
    joint, off = literal_joint(probabilities, labels)
    found = judge_labels(probabilities, labels)
    assert np.flatnonzero(found.wrong).tolist() == off
    likely = confident_classes(probabilities, labels)
    assert confident_joint(likely, labels, 5) == pytest.approx(joint)
    assert found.estimated_wrong == pytest.approx(joint.sum() - np.trace(joint))


def test_joint_and_wrong_labels_are_those_of_cleanlab() -> None:
    count = pytest.importorskip("cleanlab.count", reason="cleanlab is not installed")
    from cleanlab.filter import find_label_issues

    for seed in range(4):
        probabilities, labels = noisy(seed)
        joint = confident_joint(confident_classes(probabilities, labels), labels, 5)
        theirs = count.compute_confident_joint(labels, probabilities, calibrate=True)
        assert np.abs(joint - theirs).max() < 1  # theirs is rounded to whole rows
        issues = find_label_issues(labels, probabilities, filter_by="confident_learning", n_jobs=1)
        assert (judge_labels(probabilities, labels).wrong == issues).all()
        assert thresholds(probabilities, labels) == pytest.approx(count.get_confident_thresholds(labels, probabilities))


def test_the_log_odds_are_those_of_the_best_other_class_against_the_label() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.0, 0.5, 0.5], [0.0, 1.0, 0.0]])
    found = judge_labels(probabilities, np.array([0, 0, 1, 2]))
    assert found.suggested.tolist() == [1, 2, 2, 1]
    assert found.log_odds[:3] == pytest.approx(np.log([0.2 / 0.7, 0.8 / 0.1, 1.0]))
    assert found.log_odds[3] > 20  # certain, but finite
    assert np.isfinite(found.log_odds).all()


def test_planted_errors_come_first_and_are_counted_about_right() -> None:
    generator = np.random.default_rng(0)
    probabilities, labels = noisy(0, rows=2000, noise=0)
    changed = generator.choice(np.arange(5, 2000), 100, replace=False)
    labels[changed] = (labels[changed] + 1) % 5
    found = judge_labels(probabilities, labels)
    first = np.argsort(-found.log_odds)[:100]
    assert np.isin(first, changed).mean() > 0.6
    assert 60 < found.estimated_wrong < 300


def test_perfect_labels_have_no_suspect() -> None:
    labels = np.arange(12) % 3
    found = judge_labels(np.eye(3)[labels] * 0.9 + 0.1 / 3, labels)
    assert not found.wrong.any()
    assert found.estimated_wrong == 0
    assert (found.log_odds < 0).all()


def test_a_class_without_rows_takes_nobody() -> None:
    probabilities = np.array([[0.4, 0.1, 0.5], [0.6, 0.1, 0.3], [0.2, 0.7, 0.1]])
    assert thresholds(probabilities, np.array([0, 0, 1])).tolist() == pytest.approx([0.5, 0.7, 1.0])
    assert confident_classes(probabilities, np.array([0, 0, 1])).tolist() == [-1, 0, 1]
