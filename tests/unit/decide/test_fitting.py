import numpy as np
import pytest

from fieldmark.decide import Decider, HeldOut, RuleOptions, Said, fit_rule, scaled_softmax
from fieldmark.decide.conformal import THRESHOLDS
from fieldmark.decide.fitting import FEWEST_ROWS, stratified_folds
from fieldmark.errors import ConfigError, DataError

CLASSES = ("a", "b", "c")


def held(count: int = 90, neighbours: int = 3) -> HeldOut:
    generator = np.random.default_rng(0)
    truth = np.arange(count) % 3
    logits = generator.normal(size=(count, 3)) + 2 * np.eye(3)[truth]
    return HeldOut(logits, truth, generator.random((count, neighbours)), "split val")


def fit(rows: HeldOut, options: RuleOptions):
    return fit_rule(rows, CLASSES, ("class",), {}, options)


def test_few_rows_are_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match=f"it takes {FEWEST_ROWS}") as caught:
        fit(held(29), RuleOptions())
    assert "--holdout" in caught.value.cure
    fit(held(30), RuleOptions())


def test_a_score_of_neighbours_needs_reference_pictures() -> None:
    with pytest.raises(DataError, match="reference pictures"):
        fit(held(neighbours=0), RuleOptions(score="knn"))
    rule, _ = fit(held(neighbours=0), RuleOptions(score="gen"))
    assert [scale.measure for scale in rule.scales] == ["gen"]


def test_an_unknown_score_lists_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="max_sofmax") as caught:
        RuleOptions(score="max_sofmax")
    assert "Did you mean 'max_softmax'?" in caught.value.cure


def test_thresholds_are_fitted_for_whom_they_are_asked_for() -> None:
    for by in THRESHOLDS:
        rule, _ = fit(held(600), RuleOptions(thresholds_by=by))
        assert rule.thresholds_by == by
        assert by == "cluster" or (len(set(rule.class_thresholds)) == 1) == (by == "all")
    with pytest.raises(ConfigError, match="no way to fit thresholds 'klass'"):
        RuleOptions(thresholds_by="klass")


@pytest.mark.parametrize("options", [{"coverage": 1.0}, {"precision": 0.2}, {"known_share": 1.5}, {"neighbours": 0}])
def test_shares_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="can't be"):
        RuleOptions(**options)  # type: ignore[arg-type]


def test_more_coverage_makes_larger_sets_and_more_known_share_fewer_refusals() -> None:
    rows = held(300)
    sizes, refused = [], []
    for share in (0.7, 0.9, 0.99):
        rule, temperature = fit(rows, RuleOptions(coverage=share, known_share=share))
        said = Said(rows.logits, scaled_softmax(rows.logits, temperature), rows.similarities)
        decisions = Decider(rule, CLASSES, ("class",), {})(said)
        sizes.append(sum(len(row.candidates) for row in decisions))
        refused.append(sum(not row.known for row in decisions))
    assert sizes == sorted(set(sizes))
    assert refused == sorted(set(refused), reverse=True)


def test_operating_points_flag_their_class() -> None:
    rows = held(300)
    rule, temperature = fit(rows, RuleOptions(sensitivities={"b": 0.9}, costs={"c": 19.0}))
    first, second = rule.operating_points
    assert (first.name, first.chosen_for) == ("b", "sensitivity 0.9")
    assert first.sensitivity is not None
    assert first.sensitivity >= 0.9
    assert second.threshold == pytest.approx(0.05)
    probabilities = scaled_softmax(rows.logits, temperature)
    decisions = Decider(rule, CLASSES, ("class",), {})(Said(rows.logits, probabilities, rows.similarities))
    for row, own in zip(decisions, probabilities, strict=True):
        assert row.flagged == tuple(
            name for name, value, point in (("b", own[1], first), ("c", own[2], second)) if value >= point.threshold
        )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sensitivities": {"d": 0.9}}, "no class 'd'"),
        ({"sensitivities": {"b": 0.999}}, "can't promise a sensitivity of 0.999"),
        ({"sensitivities": {"b": 0.0}}, "can't be 0"),
        ({"costs": {"b": -1.0}}, "can't cost -1"),
        ({"sensitivities": {"b": 0.9}, "costs": {"b": 2.0}}, "both"),
    ],
)
def test_operating_points_that_make_no_sense_are_refused(options: dict[str, dict[str, float]], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        fit(held(), RuleOptions(**options))  # type: ignore[arg-type]


def test_a_rule_of_other_classes_is_refused() -> None:
    rule, _ = fit(held(), RuleOptions())
    with pytest.raises(DataError, match="of 3 classes, not of 2"):
        Decider(rule, ("a", "b"), ("class",), {})


def test_folds_hold_every_class_alike() -> None:
    truth = np.repeat([0, 1, 2], [50, 20, 5])
    folds = stratified_folds(truth, 5, seed=1)
    for label, count in enumerate((10, 4, 1)):
        assert np.bincount(folds[truth == label], minlength=5).tolist() == [count] * 5


def test_rounding_turns_no_decision_of_the_rows_that_the_thresholds_come_from() -> None:
    rows, ranks = held(300), ("kingdom", "class")
    lineage = {name: ("animal", name) for name in CLASSES}  # a rank of one name: its probability is 1 up to rounding
    rule, temperature = fit_rule(rows, CLASSES, ranks, lineage, RuleOptions(score="energy"))
    assert rule.rank_thresholds["kingdom"] == pytest.approx(1 - 1e-5, abs=1e-9)
    decide = Decider(rule, CLASSES, ranks, lineage)

    def decided(logits: np.ndarray) -> list[tuple[object, ...]]:
        found = decide(Said(logits, scaled_softmax(logits, temperature), rows.similarities))
        return [(row.known, row.rank, row.name) for row in found]

    wanted = decided(rows.logits)
    assert {known for known, _, _ in wanted} == {True, False}
    for seed in range(5):
        noise = 1e-7 * np.random.default_rng(seed).normal(size=rows.logits.shape)
        assert decided(rows.logits + noise) == wanted
