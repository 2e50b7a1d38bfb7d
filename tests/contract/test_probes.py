"""Every probe meets the one contract; a new one is a line in its table."""

import numpy as np
import pytest
import torch

from fieldmark.errors import DataError
from fieldmark.evaluation.probes import MAP_PROBES, VECTOR_PROBES, Probe, attention

K, PER_CLASS, D = 3, 16, 6
PROBES = {**VECTOR_PROBES, **MAP_PROBES}


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few samples of few classes need few steps."""
    monkeypatch.setattr(attention, "_STEPS", (60, 60))


@pytest.fixture(params=PROBES, ids=list(PROBES))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def probe(name: str) -> Probe:
    return PROBES[name]


def samples(name: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes that differ in one direction each, vectors or maps; few enough to be quick."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(K), PER_CLASS)
    shape = (len(labels), D, 2, 2) if name in MAP_PROBES else (len(labels), D)
    features = generator.normal(size=shape) + 5 * np.eye(K, D)[labels].reshape(*shape[:2], *(1,) * (len(shape) - 2))
    return features.astype(np.float32), labels


def test_separable_classes_are_read(name: str, probe: Probe) -> None:
    train, labels = samples(name)
    test, truth = samples(name, 1)
    probabilities = probe(train, labels, test)
    assert probabilities.shape == (len(test), K)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert (probabilities.argmax(1) == truth).mean() > 0.95


def test_labels_that_mean_nothing_are_read_at_chance(name: str, probe: Probe) -> None:
    test, truth = samples(name, 1)
    accuracies = []
    for seed in range(3):
        train, labels = samples(name, 2 + seed)
        shuffled = np.random.default_rng(seed).permutation(labels)
        accuracies.append((probe(train, shuffled, test).argmax(1) == truth).mean())
    assert abs(np.mean(accuracies) - 1 / K) < 0.2


def test_the_same_arguments_give_the_same_probabilities(name: str, probe: Probe) -> None:
    train, labels = samples(name)
    test, _ = samples(name, 1)
    state = torch.get_rng_state()
    first = probe(train, labels, test, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    np.testing.assert_array_equal(probe(train, labels, test, seed=4), first)


def test_a_row_is_read_alike_in_any_company(name: str, probe: Probe) -> None:
    train, labels = samples(name)
    test, _ = samples(name, 1)
    together = probe(train, labels, test)
    strangers = np.concatenate([test[5:7], test[:3] * 100])
    np.testing.assert_allclose(probe(train, labels, strangers)[:2], together[5:7], rtol=1e-4, atol=1e-6)


def test_constant_features_are_no_fault(name: str, probe: Probe) -> None:
    train, labels = samples(name)
    train[:, -1] = 7
    probabilities = probe(train, labels, train)
    assert np.isfinite(probabilities).all()
    assert (probabilities.argmax(1) == labels).mean() > 0.9


def test_a_class_without_training_rows_gets_nothing(name: str, probe: Probe) -> None:
    train, labels = samples(name)
    probabilities = probe(train, np.where(labels > 0, labels + 1, 0), train)
    assert probabilities.shape == (len(train), K + 1)
    assert not probabilities[:, 1].any()


def test_rare_classes_and_few_groups_are_no_fault(name: str, probe: Probe) -> None:
    train, labels = samples(name)
    rare = np.where(np.arange(len(labels)) == 0, K, labels)
    assert probe(train, rare, train[:5]).shape == (5, K + 1)
    one_group = ["a"] * len(train)
    assert np.isfinite(probe(train, labels, train[:5], groups=one_group)).all()
    assert probe(train[14:18], labels[14:18], train[:5]).shape == (5, 2)


def test_nothing_to_read_gives_nothing(name: str, probe: Probe) -> None:
    train, labels = samples(name)
    assert probe(train, labels, train[:0]).shape == (0, K)


def test_one_class_alone_is_refused(name: str, probe: Probe) -> None:
    train, labels = samples(name)
    with pytest.raises(DataError, match="two classes"):
        probe(train, np.zeros_like(labels), train)


def test_labels_must_match_the_rows(name: str, probe: Probe) -> None:
    train, labels = samples(name)
    with pytest.raises(ValueError, match="labels"):
        probe(train, labels[:-1], train)
