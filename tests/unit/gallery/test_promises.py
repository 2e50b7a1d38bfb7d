"""What a bundle promises, fitted again: for whom thresholds hold, and what they were wanted for."""

from dataclasses import replace

import numpy as np
import pytest

from fieldmark.decide import DecisionRule, OperatingPoint, scaled_softmax
from fieldmark.decide.conformal import SET_SCORES, conformal_quantile
from fieldmark.gallery.promises import HeldPictures, fit_again, held_similarities, kept_apart, options_of
from fieldmark.models.bundle import BundleInfo
from fieldmark.models.reference import Reference, normalised
from fieldmark.records import Preprocessing
from gallery_stand_ins import stored_stand_ins

CLASSES = ("a", "b", "c", "new")


def rule(**more: object) -> DecisionRule:
    plain = DecisionRule(
        coverage=0.9,
        set_score="lac",
        penalty=0.0,
        free_candidates=1,
        class_thresholds=(0.5,) * 4,
        thresholds_by="all",
        score="gen",
        scales=(),
        neighbours=3,
        novelty_threshold=1.0,
        known_share=0.95,
        precision=0.9,
        rank_thresholds={},
        rows=100,
        source="split val",
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def held(trained: int = 90, added: int = 12) -> HeldPictures:
    """Return pictures of three classes that are recognised well, and of an added one that is not."""
    random = np.random.default_rng(0)
    labels = [CLASSES[row % 3] for row in range(trained)] + ["new"] * added
    logits = random.normal(size=(len(labels), 4))
    for row, label in enumerate(labels):
        logits[row, CLASSES.index(label)] += 0.5 if label == "new" else 4.0
    return HeldPictures(logits, labels, np.empty((len(labels), 0)), ("new",))


def test_trained_and_added_classes_have_thresholds_of_their_own_pictures() -> None:
    found = kept_apart(rule(), 1.5, held(), CLASSES)
    probabilities = scaled_softmax(held().logits, 1.5)
    scores = SET_SCORES["lac"](probabilities, 0.0, 1)
    own = np.array([scores[row, CLASSES.index(label)] for row, label in enumerate(held().labels)])
    assert found.class_thresholds[:3] == pytest.approx([conformal_quantile(own[:90], 0.9)] * 3)
    assert found.class_thresholds[3] == pytest.approx(conformal_quantile(own[90:], 0.9))
    assert found.class_thresholds[3] > found.class_thresholds[0] + 0.2


def test_of_too_few_pictures_the_threshold_of_all_stays() -> None:
    found = kept_apart(rule(), 1.0, held(added=5), CLASSES)
    assert found.class_thresholds[3] == 0.5
    assert found.class_thresholds[0] != 0.5


def test_what_a_rule_was_wanted_for_is_wanted_again() -> None:
    points = (
        OperatingPoint("a", 0.1, 0.95, 0.9, "sensitivity 0.95"),
        OperatingPoint("b", 0.2, None, None, "a miss costs 4 false alarms"),
        OperatingPoint("gone", 0.3, 0.9, 0.9, "sensitivity 0.9"),
    )
    options = options_of(rule(operating_points=points, coverage=0.8), CLASSES)
    assert options.sensitivities == {"a": 0.95}
    assert options.costs == pytest.approx({"b": 4.0})
    assert (options.coverage, options.precision, options.known_share) == (0.8, 0.9, 0.95)
    assert (options.score, options.neighbours) == ("gen", 3)


def test_a_point_that_is_out_of_reach_takes_the_rule_away_and_it_is_said() -> None:
    info = BundleInfo(CLASSES, Preprocessing(32), {}, temperature=1.3)
    wanted = rule(operating_points=(OperatingPoint("a", 0.1, 0.99, 0.9, "sensitivity 0.999"),))
    found = fit_again(wanted, info, held())
    assert found.rule is None
    assert "can't be fitted again" in found.lost
    assert found.temperature == 1.3
    assert fit_again(replace(wanted, operating_points=()), info, held()).rule is not None


def test_a_picture_is_not_its_own_neighbour() -> None:
    seen = stored_stand_ins(5)
    reference = Reference(normalised(seen.embedding.astype(np.float32)), np.arange(5), seen.ids)
    whole = held_similarities(reference, seen, rule(), ("",) * 5)
    without = held_similarities(reference, seen, rule(), seen.ids)
    assert whole.shape == without.shape == (5, 3)
    assert whole[:, 0] == pytest.approx(1, abs=1e-3)
    assert (without[:, 0] < 0.999).all()
    assert without[:, :2] == pytest.approx(whole[:, 1:], abs=1e-6)
    assert held_similarities(None, seen, rule(), seen.ids).shape == (5, 0)
