"""The key on evidence in which the right part of every step is known."""

import numpy as np
import pytest

from fieldmark.explain.guide.key import best_threshold, find_splits, right_way, walk
from fieldmark.metrics import auroc
from guide_stand_ins import evidence_from_looks

#: Part 0 splits the genera, part 1 the species of the first, part 2 those of the second; part 3 tells nothing.
LOOKS = [
    ["long", "long", "short", "short"],
    ["red", "grey", None, None],
    [None, None, "bar", "none"],
    [None, None, None, None],
]
LINEAGES = [("Finch", "a"), ("Finch", "b"), ("Chat", "c"), ("Chat", "d")]
LABELS = np.repeat(np.arange(4), 15)


@pytest.mark.parametrize("lineages", [LINEAGES, [()] * 4], ids=["lineage", "no lineage"])
def test_every_step_asks_for_the_part_that_splits_there(lineages: list[tuple[str, ...]]) -> None:
    steps = find_splits(evidence_from_looks(LOOKS, LABELS, noise=0.4), lineages, range(4))
    assert [step.part for step in steps] == [0, 1, 2]
    assert set(steps[0].first_classes) == {0, 1}
    assert (steps[0].first_step, steps[0].second_step) == (1, 2)
    assert (steps[1].first, steps[1].second, steps[1].first_step) == (((0,),), ((1,),), None)
    held_out = evidence_from_looks(LOOKS, LABELS, noise=0.4, seed=9)
    assert (walk(steps, held_out) == LABELS).mean() > 0.95
    assert right_way(steps[2], held_out).mean() > 0.95
    assert len(right_way(steps[2], held_out)) == 30


def test_groups_of_the_lineage_stay_whole() -> None:
    """Part 1 splits across the genera, and better; the key still asks for the genus first."""
    looks = [["long", "long", "short", "short"], ["red", "grey", "red", "grey"]]
    table = evidence_from_looks(looks, LABELS, noise=0.4)
    table.evidence[:, 0] += np.random.default_rng(2).normal(0, 2, (60, 4))
    assert find_splits(table, LINEAGES, range(2))[0].first == ((0, 1),)
    assert set(find_splits(table, [()] * 4, range(2))[0].first_classes) == {0, 2}


def test_of_cuts_as_good_the_most_even_one_is_taken() -> None:
    looks = [["a", *"bbbbbbb"], [*"aaaa", *"bbbb"]]
    steps = find_splits(evidence_from_looks(looks, np.repeat(np.arange(8), 6), noise=0.1), [()] * 8, range(2))
    assert steps[0].part == 1
    assert sorted(steps[0].first_classes) == [0, 1, 2, 3]


def test_a_class_with_few_pictures_counts_as_much_as_one_with_many() -> None:
    """Part 1 is right for the many pictures of class 0, part 0 for all classes."""
    labels = np.array([0] * 90 + [1] * 6)
    table = evidence_from_looks([["x", "y"], ["x", "y"]], labels, noise=0.2)
    table.evidence[90:, 1] *= -1
    assert find_splits(table, [()] * 2, range(2))[0].part == 0


def test_a_part_that_may_not_be_asked_for_is_not() -> None:
    table = evidence_from_looks(LOOKS, LABELS, noise=0.4)
    assert all(step.part != 0 for step in find_splits(table, LINEAGES, [1, 2, 3]))
    assert find_splits(table, LINEAGES, []) == ()
    assert (walk((), table) == -1).all()


def test_every_class_is_reached_once_even_where_nothing_tells() -> None:
    table = evidence_from_looks([[None] * 9], np.repeat(np.arange(9), 4), noise=0.0)
    steps = find_splits(table, [()] * 9, [0])
    ends = [
        c
        for s in steps
        for cs, n in ((s.first_classes, s.first_step), (s.second_classes, s.second_step))
        for c in cs
        if n is None
    ]
    assert sorted(ends) == list(range(9))
    assert len(steps) == 8


def test_the_threshold_is_the_best_of_all() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        scores = random.integers(0, 8, 30).astype(float)
        weights = np.where(random.uniform(size=30) < 0.4, 1.0, -1.0)
        weights[weights > 0] *= 0.5 / (weights > 0).sum()
        weights[weights < 0] *= 0.5 / (weights < 0).sum()
        accuracy, threshold = best_threshold(scores, weights)

        def right(at: float, scores: np.ndarray = scores, weights: np.ndarray = weights) -> float:
            return float(np.abs(weights)[(scores > at) == (weights > 0)].sum())

        assert right(threshold) == pytest.approx(accuracy)
        assert accuracy == pytest.approx(max(right(value + 0.5) for value in range(7)))
        assert threshold % 1 == 0.5 or threshold % 1 == 0  # midway between two scores
    separated = np.array([1.0, 2.0, 5.0, 6.0])
    assert best_threshold(separated, np.array([-0.25, -0.25, 0.25, 0.25])) == (1.0, 3.5)
    assert auroc(separated, separated > 3) == 1.0


def test_equal_scores_tell_nothing() -> None:
    assert best_threshold(np.ones(4), np.array([0.25, 0.25, -0.25, -0.25]))[0] == 0.5
