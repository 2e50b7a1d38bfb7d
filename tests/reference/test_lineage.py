"""Severity of mistakes, least risk and ranks' probabilities against a tree that is walked by hand."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from fieldmark.decide import expected_costs, least_risk
from fieldmark.metrics import ancestor_heights, lineage_nodes, mistake_severity, top_k_distance
from fieldmark.training.rank_targets import rank_log_probabilities, rank_loss

RANKS = ("family", "genus", "species")
LINEAGE = {
    "house wren": ("wrens", "Troglodytes", "house wren"),
    "winter wren": ("wrens", "Troglodytes", "winter wren"),
    "marsh wren": ("wrens", "Cistothorus", "marsh wren"),
    "blue jay": ("crows", "Cyanocitta", "blue jay"),
    # A genus of the same name in another family is another genus.
    "odd jay": ("crows", "Troglodytes", "odd jay"),
}
CLASSES = (*LINEAGE, "mystery")  # of which no lineage is known

#: Climbed by hand: 0 oneself, 1 one genus, 2 one family, 3 the root.
HEIGHTS = [
    [0, 1, 2, 3, 3, 3],
    [1, 0, 2, 3, 3, 3],
    [2, 2, 0, 3, 3, 3],
    [3, 3, 3, 0, 2, 3],
    [3, 3, 3, 2, 0, 3],
    [3, 3, 3, 3, 3, 0],
]


def climbed(first: str, second: str) -> int:
    """Go up from both, rank by rank, until they meet."""
    if first == second:
        return 0
    ways = [LINEAGE.get(name) for name in (first, second)]
    for height in range(1, len(RANKS)):
        rank = len(RANKS) - 1 - height
        if all(ways) and ways[0][: rank + 1] == ways[1][: rank + 1]:
            return height
    return len(RANKS)


@pytest.fixture(scope="module")
def nodes() -> np.ndarray:
    return lineage_nodes(CLASSES, RANKS, LINEAGE)


@pytest.fixture(scope="module")
def probabilities() -> np.ndarray:
    logits = np.random.default_rng(4).normal(size=(50, len(CLASSES)))
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def test_nodes_are_numbered_by_their_whole_way(nodes: np.ndarray) -> None:
    assert nodes.tolist() == [[0, 0, 0, 1, 1, 2], [0, 0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]]


def test_a_class_without_lineage_is_no_rank_of_the_same_name() -> None:
    assert lineage_nodes(("Apple", "Gala"), ("coarse", "fine"), {"Gala": ("Apple", "Gala")}).tolist()[0] == [0, 1]


def test_heights_are_those_of_the_tree(nodes: np.ndarray) -> None:
    heights = ancestor_heights(nodes)
    assert heights.tolist() == HEIGHTS
    assert heights.tolist() == [[climbed(a, b) for b in CLASSES] for a in CLASSES]


def test_severity_is_the_mean_height_over_mistakes_and_over_all(nodes: np.ndarray) -> None:
    heights = ancestor_heights(nodes)
    truth, predicted = np.array([0, 0, 0, 3]), np.array([0, 1, 2, 0])  # heights 0, 1, 2, 3
    found = mistake_severity(heights, truth, predicted)
    assert (found.of_mistakes, found.of_all) == (2.0, 1.5)
    assert mistake_severity(heights, truth, truth).of_mistakes is None
    assert mistake_severity(heights, truth, truth).of_all == 0


def test_distance_of_the_top_k_is_that_of_a_loop(nodes: np.ndarray, probabilities: np.ndarray) -> None:
    heights, truth = ancestor_heights(nodes), np.arange(50) % len(CLASSES)
    for k in (1, 3, 99):
        distances = []
        for row, true in zip(probabilities.tolist(), truth.tolist(), strict=True):
            best = sorted(range(len(row)), key=lambda index, row=row: -row[index])[:k]
            distances.append(sum(HEIGHTS[true][index] for index in best) / len(best))
        assert top_k_distance(heights, probabilities, truth, k) == pytest.approx(sum(distances) / 50)
    only = mistake_severity(heights, truth, probabilities.argmax(1)).of_all
    assert top_k_distance(heights, probabilities, truth, 1) == pytest.approx(only)


def test_least_risk_of_a_literal_example(nodes: np.ndarray) -> None:
    """The jay is the most probable, but the wrens together are more so: calling it a wren costs less."""
    row = np.array([[0.3, 0.25, 0.05, 0.4, 0.0, 0.0]])
    expected = [
        0.25 * 1 + 0.05 * 2 + 0.4 * 3,  # house wren: 1.55
        0.3 * 1 + 0.05 * 2 + 0.4 * 3,  # winter wren: 1.6
        0.3 * 2 + 0.25 * 2 + 0.4 * 3,  # marsh wren: 2.3
        0.6 * 3,  # blue jay: 1.8
        0.6 * 3 + 0.4 * 2,
        3.0,
    ]
    heights = ancestor_heights(nodes)
    assert expected_costs(row, heights)[0] == pytest.approx(expected)
    assert row.argmax() == 3
    assert least_risk(row, heights).tolist() == [0]


def test_costs_are_those_of_the_truth_in_its_row() -> None:
    costs = np.array([[0.0, 1.0], [100.0, 0.0]])  # to call a tumour (1) a mole (0) is the dear mistake
    assert least_risk(np.array([[0.95, 0.05]]), costs).tolist() == [1]
    assert least_risk(np.array([[0.95, 0.05]]), costs.T).tolist() == [0]


def test_least_risk_of_equal_costs_is_the_most_probable_class(probabilities: np.ndarray) -> None:
    same = 1 - np.eye(len(CLASSES))
    assert least_risk(probabilities, same).tolist() == probabilities.argmax(1).tolist()
    with pytest.raises(ValueError, match=r"\(6, 6\), not \(2, 2\)"):
        least_risk(probabilities, np.eye(2))


def test_a_rank_s_probability_is_that_of_its_classes_added_up(nodes: np.ndarray) -> None:
    logits = torch.randn(7, len(CLASSES), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    species, totals = logits.softmax(1), []
    for rank in nodes:
        found = rank_log_probabilities(logits, torch.from_numpy(rank)).exp()
        for node in range(rank.max() + 1):
            torch.testing.assert_close(found[:, node], species[:, rank == node].sum(1))
        totals.append(found.sum(1))
        assert (species <= found[:, rank] + 1e-12).all()  # a species never contradicts its genus or family
    torch.testing.assert_close(torch.stack(totals), torch.ones(3, 7, dtype=torch.float64))
    torch.testing.assert_close(
        rank_log_probabilities(logits, torch.from_numpy(nodes[-1])), functional.log_softmax(logits, 1)
    )


def test_a_rank_of_no_probability_still_has_a_logarithm_and_a_gradient() -> None:
    logits = torch.tensor([[0.0, -200.0, -200.0]], requires_grad=True)
    found = rank_log_probabilities(logits, torch.tensor([0, 1, 1]))
    assert found[0, 1].item() == pytest.approx(-200 + math.log(2))
    found[0, 1].backward()
    torch.testing.assert_close(logits.grad, torch.tensor([[-1.0, 0.5, 0.5]]))


def test_the_loss_of_ranks_is_that_of_a_loop(nodes: np.ndarray) -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(5, len(CLASSES), generator=generator)
    targets = torch.rand(5, len(CLASSES), generator=generator).softmax(1)  # blended pictures
    smoothing, coarse = 0.1, nodes[:-1]
    losses = []
    for rank in coarse:
        for row, shares in zip(logits.softmax(1).tolist(), targets.tolist(), strict=True):
            loss = 0.0
            for node in range(rank.max() + 1):
                members = [place for place in range(len(CLASSES)) if rank[place] == node]
                wanted = sum(shares[place] * (1 - smoothing) + smoothing / len(CLASSES) for place in members)
                loss -= wanted * math.log(sum(row[place] for place in members))
            losses.append(loss)
    found = rank_loss(logits, targets, torch.from_numpy(coarse), label_smoothing=smoothing)
    assert found.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)
