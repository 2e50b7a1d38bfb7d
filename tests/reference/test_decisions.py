"""The mathematics of decisions against slow literal versions, known truths and simulated pictures."""

import math

import numpy as np
import pytest

from fieldmark.decide import Decider, HeldOut, RuleOptions, Said, fit_rule, fit_temperature, scaled_softmax
from fieldmark.decide.conformal import (
    ALWAYS,
    SET_SCORES,
    candidate_sets,
    class_thresholds,
    cluster_thresholds,
    conformal_quantile,
    fewest_rows,
    interpolated_thresholds,
    lac_scores,
    raps_scores,
)
from fieldmark.decide.novelty import energy, fit_scales, gen, knn, max_softmax, novelty
from fieldmark.decide.operating import point_for_cost, point_for_sensitivity
from fieldmark.decide.ranks import fit_rank_thresholds, precision_threshold, ranks_of

CLASSES = ("wren", "robin", "rose", "tulip")
LINEAGE = {
    "wren": ("animal", "wren"),
    "robin": ("animal", "robin"),
    "rose": ("plant", "rose"),
    "tulip": ("plant", "tulip"),
}
RANKS = ("kingdom", "species")


def simulated(count: int, classes: int, seed: int, sharpness: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw logits, and truths with just the probabilities that the logits say."""
    generator = np.random.default_rng(seed)
    logits = sharpness * generator.normal(size=(count, classes))
    drawn = np.cumsum(scaled_softmax(logits, 1.0), axis=1) > generator.random((count, 1))
    return logits, drawn.argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.5])
def test_the_temperature_that_made_the_truths_is_found(temperature: float) -> None:
    logits, truth = simulated(20_000, 10, seed=1)
    assert fit_temperature(temperature * logits, truth) == pytest.approx(temperature, rel=0.03)


def test_no_other_temperature_makes_the_truths_likelier() -> None:
    logits, truth = simulated(300, 5, seed=2)
    found = fit_temperature(logits * 1.7, truth)

    def loss(temperature: float) -> float:
        probabilities = scaled_softmax(logits * 1.7, temperature)
        return -sum(math.log(probabilities[row, own]) for row, own in enumerate(truth))

    best = min(np.geomspace(0.05, 20, 500), key=loss)
    assert found == pytest.approx(best, rel=0.013)  # the grid's step


def test_raps_scores_are_those_of_the_paper_without_the_random_share() -> None:
    probabilities = scaled_softmax(simulated(40, 6, seed=3)[0], 1.0)
    found = raps_scores(probabilities, penalty=0.1, free=2)
    for row, own in zip(probabilities, found, strict=True):
        for label in range(6):
            ahead = [other for other in range(6) if row[other] > row[label]]
            rank = len(ahead) + 1
            assert own[label] == pytest.approx(sum(row[other] for other in ahead) + 0.1 * max(rank - 2, 0))


@pytest.mark.parametrize("score", SET_SCORES)
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_sets_cover_new_pictures_as_often_as_promised(score: str, coverage: float) -> None:
    """Mean over 300 calibrations: split conformal covers between the promise and the promise + 1 / (n + 1)."""
    covered = []
    for seed in range(300):
        logits, truth = simulated(260, 8, seed, sharpness=1.5)
        scores = SET_SCORES[score](scaled_softmax(logits, 0.5), 0.05, 1)  # too sure of itself: it must not matter
        own = np.take_along_axis(scores, truth[:, None], axis=1)[:, 0]
        threshold = conformal_quantile(own[:60], coverage)
        covered.append((own[60:] <= threshold).mean())
    assert coverage - 0.006 <= np.mean(covered) <= coverage + 1 / 61 + 0.006


def test_the_quantile_is_the_one_of_the_sorted_scores() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 20.0))  # 1 ... 19
    assert conformal_quantile(scores, 0.9) == 18  # the 18th of 19: ceil(20 · 0.9)
    assert conformal_quantile(scores[:8], 0.9) == ALWAYS
    assert fewest_rows(0.9) == 9
    assert conformal_quantile(scores[:9], 0.9) == scores[:9].max()


def test_thresholds_of_classes_cover_each_class() -> None:
    """One class is far harder than the others: one threshold for all covers it too seldom, its own does not."""
    generator = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 500)
    own = generator.random(2000) + 2.0 * (truth == 3)
    shared = np.full(4, conformal_quantile(own, 0.9))
    each = class_thresholds(own, truth, 4, 0.9)
    fresh = generator.random(2000) + 2.0 * (truth == 3)
    hard = truth == 3
    assert (fresh[hard] <= shared[3]).mean() < 0.75
    for index in range(4):
        assert (fresh[truth == index] <= each[index]).mean() == pytest.approx(0.9, abs=0.04)


def test_a_class_with_too_few_rows_shares_the_threshold_of_all() -> None:
    truth = np.repeat([0, 1], [100, 8])
    own = np.concatenate([np.linspace(0, 1, 100), np.full(8, 5.0)])
    found = class_thresholds(own, truth, 3, 0.9)
    assert found[1] == found[2] == conformal_quantile(own, 0.9)
    assert found[0] == conformal_quantile(own[:100], 0.9)


def test_interpolated_thresholds_go_from_that_of_all_to_that_of_the_class() -> None:
    """A hard class with many rows is covered by itself; one with few rows has the threshold of all."""
    generator = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2, 3], [2000, 2000, 50, 8])
    own = generator.random(len(truth)) + 2.0 * (truth > 0)
    of_all, of_each = conformal_quantile(own, 0.9), class_thresholds(own, truth, 4, 0.9)
    found = interpolated_thresholds(own, truth, 4, 0.9)
    assert found[0] == pytest.approx(of_each[0], abs=0.06)
    assert found[2] == pytest.approx((of_each[2] + of_all) / 2)
    assert found[3] == pytest.approx(of_all)


def test_clusters_of_classes_share_a_threshold() -> None:
    """Twenty easy and twenty hard classes: clusters find the two kinds, and both are covered as promised."""
    generator = np.random.default_rng(3)
    truth = np.repeat(np.arange(40), 60)
    kind = np.arange(40) % 2

    def scores() -> np.ndarray:
        return generator.random(len(truth)) + 3.0 * kind[truth]

    found = cluster_thresholds(scores(), truth, 40, 0.9)
    assert found[kind == 1].min() > 3 > found[kind == 0].max()
    fresh = scores()
    for one in (0, 1):
        chosen = kind[truth] == one
        assert (fresh[chosen] <= found[truth[chosen]]).mean() == pytest.approx(0.9, abs=0.03)


def test_a_set_is_never_empty() -> None:
    probabilities = np.array([[0.5, 0.3, 0.2], [0.9, 0.1, 0.0]])
    sets = candidate_sets(lac_scores(probabilities, 0, 1), np.full(3, 0.2))
    assert sets.tolist() == [[True, False, False], [True, False, False]]


def said(logits: np.ndarray, similarities: np.ndarray | None = None) -> Said:
    nothing = np.empty((len(logits), 0))
    return Said(logits, scaled_softmax(logits, 1.0), nothing if similarities is None else similarities)


def test_scores_of_unknowns_are_the_papers_formulas() -> None:
    logits = simulated(30, 120, seed=5)[0]
    what = said(logits, np.random.default_rng(0).random((30, 4)))
    for row in range(30):
        exponentials = [math.exp(value) for value in logits[row]]
        probabilities = [value / sum(exponentials) for value in exponentials]
        best = sorted(probabilities, reverse=True)[:100]
        assert gen(what)[row] == pytest.approx(sum(p**0.1 * (1 - p) ** 0.1 for p in best))
        assert energy(what)[row] == pytest.approx(-math.log(sum(exponentials)))
        assert max_softmax(what)[row] == pytest.approx(1 - max(probabilities))
        assert knn(what)[row] == pytest.approx(1 - what.similarities[row, 3])


def test_a_sum_of_measures_weighs_them_by_their_spread() -> None:
    logits = simulated(500, 10, seed=6)[0]
    what = said(logits, np.random.default_rng(0).random((500, 1)))
    scales = fit_scales("gen+knn", what)
    parts = [(values - values.mean()) / values.std() for values in (gen(what), knn(what))]
    assert novelty(scales, what) == pytest.approx(parts[0] + parts[1])


def test_a_genus_is_as_probable_as_its_species_together() -> None:
    kingdom, species = ranks_of(CLASSES, RANKS, LINEAGE)
    probabilities = np.array([[0.4, 0.35, 0.2, 0.05]])
    assert kingdom.names == ("animal", "plant")
    assert kingdom.probabilities(probabilities) == pytest.approx(np.array([[0.75, 0.25]]))
    assert species.probabilities(probabilities) == pytest.approx(probabilities)


def test_names_that_are_alike_in_other_branches_are_other_nodes() -> None:
    lineage = {"a1": ("a", "other", "a1"), "b1": ("b", "other", "b1"), "b2": ("b", "other", "b2")}
    _, middle, _ = ranks_of(("a1", "b1", "b2"), ("top", "middle", "low"), lineage)
    assert middle.names == ("other", "other")
    assert middle.node_of_class.tolist() == [0, 1, 1]


def test_the_precision_threshold_is_the_lowest_that_keeps_the_promise() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.random(400)
    correct = generator.random(400) < confidence
    found = precision_threshold(confidence, correct, 0.8)
    assert found is not None

    def holds(threshold: float) -> bool:
        chosen = confidence >= threshold
        return bool(chosen.any()) and ((~correct[chosen]).sum() + 1) / (chosen.sum() + 1) <= 0.2

    assert found == min(value for value in confidence if holds(value))
    assert precision_threshold(confidence[:10], np.ones(10, bool), 0.95) is None  # ten rows can't promise it
    assert precision_threshold(np.empty(0), np.empty(0, bool), 0.95) is None


def test_names_given_on_new_pictures_are_right_as_often_as_promised() -> None:
    precisions, named = [], []
    for seed in range(60):
        logits, truth = simulated(1200, 4, seed, sharpness=2.5)
        probabilities = scaled_softmax(logits, 1.0)
        ranks = ranks_of(CLASSES, RANKS, LINEAGE)
        thresholds = fit_rank_thresholds(ranks, probabilities[:200], truth[:200], 0.9)
        right = given = 0
        left = np.ones(1000, bool)
        for rank in reversed(ranks):
            nodes = rank.probabilities(probabilities[200:])
            sure = left & (nodes.max(1) >= (np.inf if thresholds[rank.name] is None else thresholds[rank.name]))
            right += (nodes.argmax(1) == rank.node_of_class[truth[200:]])[sure].sum()
            given += sure.sum()
            left &= ~sure
        precisions.append(right / max(given, 1))
        named.append(given / 1000)
    assert np.mean(precisions) == pytest.approx(0.9, abs=0.015)
    assert np.mean(named) > 0.5


def test_back_off_on_a_tree_made_by_hand() -> None:
    """Of pictures that are surely animals, but robins or wrens by half, the kingdom is certain and no species is."""
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 4, 400)
    logits = np.where(np.arange(4) // 2 == truth[:, None] // 2, 6.0, 0.0) + 0.1 * generator.normal(size=(400, 4))
    held = HeldOut(logits, truth, np.empty((400, 0)), "simulation")
    rule, temperature = fit_rule(held, CLASSES, RANKS, LINEAGE, RuleOptions(score="gen"))
    assert rule.rank_thresholds["species"] is None
    decide = Decider(rule, CLASSES, RANKS, LINEAGE)
    seen = np.array([[6.0, 6.1, 0.0, 0.0], [0.0, 0.0, 6.1, 6.0]])
    first, second = decide(Said(seen, scaled_softmax(seen, temperature), np.empty((2, 0))))
    assert (first.rank, first.name) == ("kingdom", "animal")
    assert (second.rank, second.name) == ("kingdom", "plant")
    assert first.confidence == pytest.approx(1.0, abs=0.02)
    assert first.candidates == ("robin", "wren")
    assert set(second.candidates) == {"rose", "tulip"}


def test_a_flat_picture_is_unknown_and_an_ordinary_one_is_not() -> None:
    logits, truth = simulated(400, 4, seed=8, sharpness=4.0)
    held = HeldOut(logits, truth, np.empty((400, 0)), "simulation")
    rule, temperature = fit_rule(held, CLASSES, RANKS, LINEAGE, RuleOptions(score="gen"))
    decide = Decider(rule, CLASSES, RANKS, LINEAGE)
    seen = np.array([[0.0, 0.0, 0.0, 0.0], [12.0, 0.0, 0.0, 0.0]])
    flat, sharp = decide(Said(seen, scaled_softmax(seen, temperature), np.empty((2, 0))))
    assert (flat.known, sharp.known) == (False, True)
    fresh = simulated(4000, 4, seed=9, sharpness=4.0)[0]
    rows = decide(Said(fresh, scaled_softmax(fresh, temperature), np.empty((4000, 0))))
    assert np.mean([row.known for row in rows]) == pytest.approx(0.95, abs=0.03)


def test_a_sensitivity_is_reached_on_new_pictures() -> None:
    generator = np.random.default_rng(0)
    reached = []
    for _ in range(300):
        ill = generator.beta(4, 2, 600)
        well = generator.beta(2, 5, 200)
        probability = np.concatenate([ill[:60], well])
        point = point_for_sensitivity("melanoma", probability, np.arange(260) < 60, 0.9)
        reached.append((ill[60:] >= point.threshold).mean())
        assert point.sensitivity == (ill[:60] >= point.threshold).mean() >= 0.9
        assert point.specificity == (well < point.threshold).mean()
    assert np.mean(reached) == pytest.approx(1 - 6 / 61, abs=0.006)  # the sixth smallest of 60 is the threshold


@pytest.mark.parametrize("cost", [0.5, 1.0, 9.0, 40.0])
def test_the_threshold_of_a_cost_is_the_cheapest(cost: float) -> None:
    generator = np.random.default_rng(1)
    probability = generator.random(200_000)
    ill = generator.random(200_000) < probability  # the probabilities mean what they say
    point = point_for_cost("melanoma", probability, ill, cost)

    def total(threshold: float) -> float:
        flagged = probability >= threshold
        return cost * (ill & ~flagged).sum() + (~ill & flagged).sum()

    cheapest = min(np.linspace(0.005, 0.995, 199), key=total)
    assert point.threshold == pytest.approx(1 / (1 + cost))
    assert point.threshold == pytest.approx(cheapest, abs=0.03)
