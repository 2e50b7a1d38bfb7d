import numpy as np
import pytest

import fieldmark.audit.labels as labels_module
from fieldmark.audit.labels import judge_by_folds


def clusters(each: int = 30, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    features = generator.normal(0, 0.2, (len(labels), 4)) + np.eye(4)[labels] * 2
    return features.astype(np.float32), labels


def alone(count: int) -> list[str]:
    return [str(place) for place in range(count)]


def test_changed_labels_come_first() -> None:
    features, labels = clusters()
    changed = labels.copy()
    changed[[3, 40, 70]] = [1, 2, 0]
    found = judge_by_folds(features, changed, alone(90))
    assert found is not None
    worst = np.argsort(-found.judgement.log_odds)[:3]
    assert sorted(found.rows[worst].tolist()) == [3, 40, 70]
    assert found.judgement.suggested[[3, 40, 70]].tolist() == [0, 1, 2]
    assert found.judgement.wrong[[3, 40, 70]].all()


def test_a_copy_does_not_vouch_for_a_wrong_label() -> None:
    # Twenty copies of one row, all with the wrong label: apart, they would teach the classifier that it is right.
    features, labels = clusters()
    features, labels = np.concatenate([features, features[[0] * 20]]), np.concatenate([labels, [1] * 20])
    together = [*alone(90), *["0"] * 20]
    kept = judge_by_folds(features, labels, together)
    apart = judge_by_folds(features, labels, alone(110))
    assert kept is not None
    assert apart is not None
    assert (kept.judgement.log_odds[90:] > 0).all()
    assert kept.judgement.log_odds[90:].min() > apart.judgement.log_odds[90:].max()


def test_rows_without_labels_are_passed_over_and_classes_keep_their_numbers() -> None:
    features, labels = clusters()
    numbered = np.array([2, 5, 7])[labels]
    numbered[10] = -1
    numbered[50] = 7
    found = judge_by_folds(features, numbered, alone(90))
    assert found is not None
    assert found.rows.tolist() == [row for row in range(90) if row != 10]
    assert set(found.judgement.suggested.tolist()) <= {2, 5, 7}
    assert found.judgement.suggested[found.rows.tolist().index(50)] == 5


@pytest.mark.parametrize("labels", [[], [-1, -1], [0, 0, 0], [0], [0, 1]])
def test_too_little_is_not_judged(labels: list[int]) -> None:
    features = np.random.default_rng(0).normal(size=(len(labels), 3)).astype(np.float32)
    found = judge_by_folds(features, np.array(labels, np.int64), alone(len(labels)))
    assert found is None or len(found.rows) < len(labels) or len(labels) == 2


def test_large_data_learn_from_a_sample_of_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "_MOST_ROWS", 20)
    drawn = labels_module._sample(np.array([0] * 90 + [1] * 9 + [2]), 0)
    counts = np.bincount(np.array([0] * 90 + [1] * 9 + [2])[drawn])
    assert counts.tolist() == [18, 2, 1]
    features, labels = clusters()
    found = judge_by_folds(features, labels, alone(90))
    assert found is not None
    assert not found.judgement.wrong.any()
