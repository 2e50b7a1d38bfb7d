"""The probes and their baselines against literal versions and against exact solutions."""

import math
import statistics
from collections import defaultdict

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fieldmark.evaluation.probes import knn_probe, linear_probe
from fieldmark.evaluation.probes.attention import AttentionProbe
from fieldmark.evaluation.probes.folds import usable_folds
from fieldmark.evaluation.probes.linear import STRENGTHS
from fieldmark.evaluation.probes.nearest import NEIGHBOURS
from fieldmark.evaluation.raw_input import FRAMES, _Components, raw_patches, raw_vectors


def literal_votes(query: list[float], known: list[tuple[list[float], int]], k: int) -> dict[int, float]:
    """Each of the k nearest votes for its class with exp(cosine / 0.07)."""

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)

    nearest = sorted(((cosine(query, row), label) for row, label in known), reverse=True)[:k]
    votes: dict[int, float] = defaultdict(float)
    for similarity, label in nearest:
        votes[label] += math.exp(similarity / 0.07)
    return {label: vote / sum(votes.values()) for label, vote in votes.items()}


@pytest.mark.parametrize("grouped", [False, True])
def test_knn_is_that_of_a_loop(grouped: bool) -> None:
    generator = np.random.default_rng(5)
    labels = generator.integers(4, size=60)
    train = (generator.normal(size=(60, 5)) + np.eye(4, 5)[labels]).astype(np.float32)
    test = generator.normal(size=(12, 5)).astype(np.float32)
    groups = [f"animal {place // 4}" for place in range(60)] if grouped else None
    owners = groups or [str(place) for place in range(60)]
    rows = [(row.astype(float).tolist(), int(label)) for row, label in zip(train, labels, strict=True)]

    def right_left_out(k: int) -> int:
        hits = 0
        for place, (row, label) in enumerate(rows):
            others = [other for at, other in enumerate(rows) if owners[at] != owners[place]]
            votes = literal_votes(row, others, k)
            hits += max(votes, key=lambda one: (votes[one], -one)) == label
        return hits

    best = max(NEIGHBOURS, key=lambda k: (right_left_out(k), -k))
    found = knn_probe(train, labels, test, groups=groups)
    for query, probabilities in zip(test, found, strict=True):
        votes = literal_votes(query.astype(float).tolist(), rows, best)
        np.testing.assert_allclose(probabilities, [votes.get(label, 0) for label in range(4)], atol=1e-4)


def exact_regression(train: np.ndarray, labels: np.ndarray, test: np.ndarray, strength: float) -> np.ndarray:
    scaler = StandardScaler().fit(train)
    model = LogisticRegression(C=strength, max_iter=10_000, tol=1e-10)
    model.fit(scaler.transform(train).astype(np.float64), labels)
    return model.predict_proba(scaler.transform(test).astype(np.float64))


def test_linear_probe_is_the_logistic_regression_that_the_folds_choose() -> None:
    generator = np.random.default_rng(6)
    labels = np.r_[np.zeros(140, int), generator.integers(1, 3, size=100)]  # weak strengths call all the first class
    train = (generator.normal(size=(240, 8)) + 2 * np.eye(3, 8)[labels]).astype(np.float32)
    test = generator.normal(size=(40, 8)).astype(np.float32)
    right = [
        sum(
            (exact_regression(train[fit], labels[fit], train[held], strength).argmax(1) == labels[held]).sum()
            for fit, held in usable_folds(labels, None, 3, seed=0)
        )
        for strength in STRENGTHS
    ]
    exact = [exact_regression(train, labels, test, strength) for strength in STRENGTHS]
    best = int(np.argmax(right))
    found = linear_probe(train, labels, test)
    assert best > 0
    np.testing.assert_allclose(found, exact[best], atol=0.01)
    assert min(np.abs(found - other).max() for at, other in enumerate(exact) if at != best) > 0.03


def test_attention_is_that_of_a_loop() -> None:
    torch.manual_seed(0)
    probe = AttentionProbe(4, 3, queries=2, value_dim=5).eval().double()
    torch.nn.init.normal_(probe.classifier.weight)
    probe.norm.running_mean = torch.randn(10).double()
    probe.norm.running_var = 0.5 + torch.rand(10).double()
    cells = torch.randn(2, 4, 6).double()
    with torch.no_grad():
        logits = probe(cells)
    for sample in range(2):
        values = []
        for query in range(2):
            scores = [float(probe.pooling.queries[query].detach() @ cells[sample, :, cell]) for cell in range(6)]
            total = sum(math.exp(one) for one in scores)
            pooled = [
                sum(math.exp(scores[cell]) / total * float(cells[sample, channel, cell]) for cell in range(6))
                for channel in range(4)
            ]
            values += [
                sum(
                    pooled[channel] * float(probe.pooling.values[query, channel, entry].detach())
                    for channel in range(4)
                )
                for entry in range(5)
            ]
        normed = (torch.tensor(values).double() - probe.norm.running_mean) / (
            probe.norm.running_var + probe.norm.eps
        ).sqrt()
        expected = probe.classifier.weight @ normed + probe.classifier.bias
        torch.testing.assert_close(logits[sample], expected.detach())


def test_components_are_those_of_the_exact_decomposition() -> None:
    generator = np.random.default_rng(7)
    rows = (generator.normal(size=(50, 12)) * np.geomspace(10, 0.1, 12) + 3).astype(np.float32)
    found = _Components(rows, 4, seed=0)(rows)
    centred = rows - rows.mean(0)
    _, _, directions = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    exact = centred @ directions[:4].T
    signs = np.sign((found * exact).sum(0))
    np.testing.assert_allclose(found * signs, exact, atol=0.02)


def test_patches_are_cut_where_the_cells_lie() -> None:
    x = torch.arange(2 * 3 * 8 * 12).view(2, 3, 8, 12).float()
    patches = raw_patches(x, (2, 3))  # side 4
    assert patches.shape == (2, 3 * 16, 2, 3)
    for row in range(2):
        for column in range(3):
            block = x[1, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            assert sorted(patches[1, :, row, column].tolist()) == sorted(block.flatten().tolist())


def test_large_patches_are_averaged_and_odd_pictures_resized() -> None:
    torch.testing.assert_close(raw_patches(torch.full((1, 3, 64, 64), 0.3), (2, 2)), torch.full((1, 768, 2, 2), 0.3))
    assert raw_patches(torch.rand(1, 1, 28, 28), (4, 4)).shape == (1, 49, 4, 4)
    assert raw_patches(torch.rand(1, 1, 29, 29), (4, 4)).shape == (1, 64, 4, 4)


def test_pictures_are_averaged_to_raw_vectors() -> None:
    x = torch.rand(2, 3, 64, 64)
    expected = x.view(2, 3, 32, 2, 32, 2).mean((3, 5)).flatten(1)
    torch.testing.assert_close(raw_vectors(x, "normalised"), expected)
    small = torch.rand(2, 1, 28, 28)
    assert torch.equal(raw_vectors(small, "unit"), small.flatten(1))


def test_sequences_are_stretched_to_raw_vectors() -> None:
    frames = torch.full((2, 9, 2), float("nan"))
    frames[0, :, 0], frames[0, :, 1] = torch.linspace(0, 1, 9), 5
    frames[1, :4, 0], frames[1, :4, 1] = torch.linspace(0, 1, 4), 5
    vectors = raw_vectors(frames, "frames").view(2, FRAMES, 2)
    for one in vectors:  # however long: the same line, the same constant
        torch.testing.assert_close(one[:, 0], torch.linspace(0, 1, FRAMES))
        torch.testing.assert_close(one[:, 1], torch.full((FRAMES,), 5.0))
    assert statistics.fmean(vectors[0, :, 0].tolist()) == pytest.approx(0.5)
