"""The guide of evidence whose marks are known."""

import numpy as np
import pytest

from fieldmark.errors import ConfigError, DataError
from fieldmark.explain.guide import GuideSource, build_guide
from fieldmark.explain.guide.evidence import Contrast, class_means
from fieldmark.explain.guide.lookalikes import choose_pairs, logit_distances, nearest
from fieldmark.guide_results import LookalikePair
from guide_stand_ins import (
    BODY,
    CROWN,
    LINEAGE,
    NAMES,
    REST,
    WING,
    NamedPictures,
    evidence_from_looks,
    info_of,
    small_guide,
)

LOOKS = [["red", "red", "grey", "grey"], ["bar", "none", "bar", "none"]]
LABELS = np.repeat(np.arange(4), 20)


def pair_of(pairs: tuple[LookalikePair, ...], *names: str) -> LookalikePair:
    return next(pair for pair in pairs if {pair.first, pair.second} == set(names))


def test_the_mark_that_splits_a_pair_is_the_one_it_was_made_from() -> None:
    guide = small_guide()
    assert {pair.first for pair in guide.pairs} | {pair.second for pair in guide.pairs} == set(NAMES)
    crown = pair_of(guide.pairs, "red crown", "grey crown")
    assert crown.marks[0].part == CROWN
    assert crown.marks[0].splits
    assert crown.marks[0].auroc > 0.95
    wing = pair_of(guide.pairs, "barred wing", "plain wing")
    assert wing.marks[0].part == WING
    assert [mark.effect.value for mark in wing.marks] == sorted((m.effect.value for m in wing.marks), reverse=True)
    assert wing.marks[0].effect.low < wing.marks[0].effect.value < wing.marks[0].effect.high


def test_effects_add_up_to_the_difference_of_logits() -> None:
    table = evidence_from_looks(LOOKS, LABELS)
    logits = table.evidence.sum(axis=1)
    for first, second in ((0, 1), (2, 0)):
        difference = logits[:, first] - logits[:, second]
        expected = difference[first == LABELS].mean() - difference[second == LABELS].mean()
        contrast = Contrast.between(class_means(table), first, second)
        assert contrast.effect.sum() == pytest.approx(expected, rel=1e-5)
        assert logit_distances(class_means(table))[first, second] == pytest.approx(expected / 2, rel=1e-5)
    guide = small_guide()
    for pair in guide.pairs:
        assert pair.total == pytest.approx(sum(mark.effect.value for mark in pair.marks))


def test_constants_that_change_no_prediction_change_no_mark() -> None:
    plain, shifted = evidence_from_looks(LOOKS, LABELS), evidence_from_looks(LOOKS, LABELS)
    shift = np.random.default_rng(1).normal(0, 5, (1, 4)).astype(np.float32)
    shifted.evidence[:, 0] += shift
    shifted.evidence[:, 1] -= shift
    source = GuideSource("run", info_of(NAMES, ["crown", "wing"]), "f", ("train",), "test")
    guides = [build_guide(source, table, table, NamedPictures()) for table in (plain, shifted)]
    for one, other in zip(guides[0].pairs, guides[1].pairs, strict=True):
        assert (one.first, one.second) == (other.first, other.second)
        for a, b in zip(one.marks, other.marks, strict=True):
            assert a.effect.value == pytest.approx(b.effect.value, abs=1e-4)
            assert (a.first, a.second, a.counter_examples) == (b.first, b.second, b.counter_examples)
    assert [step.part for step in guides[0].key.steps] == [step.part for step in guides[1].key.steps]


def test_a_class_is_told_by_its_own_marks_and_the_rest_of_the_picture_is_none() -> None:
    guide = small_guide(rest=True)
    red = next(entry for entry in guide.classes if entry.name == "red crown")
    assert red.lookalikes[0] == "grey crown"
    body, crown = red.marks[:2]
    assert (body.part, crown.part) == (BODY, CROWN)
    assert crown.against == ("grey crown",)
    assert (crown.tally.right, crown.tally.total) == (10, 10)
    assert set(body.against) == {"barred wing", "plain wing"}
    assert body.tally.total == 20
    assert red.pictures == 20
    assert red.held_out == 10
    rest = guide.parts[-1]
    assert rest.rest
    assert rest.name == REST
    told = [mark for entry in (*guide.classes, *guide.pairs) for mark in entry.marks if mark.part == rest.index]
    assert len(told) == len(guide.classes) + len(guide.pairs)
    assert not any(getattr(mark, "tiles", getattr(mark, "first_tiles", ())) for mark in told)
    assert all(step.part != rest.index for step in guide.key.steps)


def test_a_hidden_part_is_counted_as_hidden_and_never_shown() -> None:
    presence = np.ones((80, 2))
    presence[:10, 1] = 0.1  # half of the pictures of class 0
    table = evidence_from_looks(LOOKS, LABELS, presence=presence)
    source = GuideSource("run", info_of(NAMES, ["crown", "wing"], LINEAGE), "f", ("train",), "test")
    guide = build_guide(source, table, table, NamedPictures())
    mark = pair_of(guide.pairs, NAMES[0], NAMES[1]).marks[0]
    assert mark.part == 1
    assert (mark.first.right, mark.first.hidden, mark.second.hidden) == (10, 10, 0)
    hidden = {f"picture {row}" for row in range(10)}
    shown = {tile.id for tile in guide.parts[1].tiles}
    shown |= {tile.id for pair in guide.pairs for one in pair.marks if one.part == 1 for tile in one.first_tiles}
    assert shown
    assert not shown & hidden


def test_pictures_in_which_a_mark_points_the_wrong_way_are_shown() -> None:
    marks, held_out = evidence_from_looks(LOOKS, LABELS, noise=0.1), evidence_from_looks(LOOKS, LABELS, noise=0.1)
    held_out.evidence[3, 1] *= -1  # picture 3 of class 0 has the wing of class 1
    source = GuideSource("run", info_of(NAMES, ["crown", "wing"], LINEAGE), "f", ("train",), "test")
    guide = build_guide(source, marks, held_out, NamedPictures())
    mark = pair_of(guide.pairs, NAMES[0], NAMES[1]).marks[0]
    assert [tile.id for tile in mark.counter_examples] == ["picture 3"]
    assert (mark.first.right, mark.first.wrong) == (19, 1)
    assert not pair_of(guide.pairs, NAMES[2], NAMES[3]).marks[0].counter_examples


def test_confused_pairs_come_first_then_the_nearest_then_siblings() -> None:
    far = 9.0
    distances = np.full((4, 4), far)
    np.fill_diagonal(distances, np.inf)
    for a, b, distance in ((0, 1, 1.0), (2, 3, 2.0)):
        distances[a, b] = distances[b, a] = distance
    confusion = np.zeros((4, 4), dtype=np.int64)
    confusion[3, 0] = 5
    lineages = [("x", "a"), ("y", "b"), ("x", "c"), ("y", "d")]
    chosen = choose_pairs(distances, confusion, lineages, 10)
    assert [(pair.first, pair.second, pair.reason) for pair in chosen] == [
        (0, 3, "confused"),
        (0, 1, "nearest"),
        (2, 3, "nearest"),
        (0, 2, "siblings"),
        (1, 3, "siblings"),
    ]
    assert choose_pairs(distances, confusion, lineages, 2) == chosen[:2]
    assert nearest(distances, 0, 1) == (1,)


def test_mistakes_of_the_evaluation_are_told() -> None:
    confusion = np.diag([8, 10, 10, 10])
    confusion[0, 2] = 2
    table = evidence_from_looks(LOOKS, LABELS)
    source = GuideSource("run", info_of(NAMES, ["crown", "wing"]), "f", ("train",), "test", confusion)
    guide = build_guide(source, table, table, NamedPictures(), pairs=2)
    assert len(guide.pairs) == 2
    first = guide.pairs[0]
    assert (first.first, first.second, first.reason) == (NAMES[0], NAMES[2], "confused")
    assert (first.mistakes, first.evaluated) == (2, 20)


def test_a_class_without_pictures_has_a_page_and_no_marks() -> None:
    table = evidence_from_looks(LOOKS, LABELS[LABELS != 2])
    source = GuideSource("run", info_of(NAMES, ["crown", "wing"], LINEAGE), "f", ("train",), "test")
    guide = build_guide(source, table, table, NamedPictures())
    empty = guide.classes[2]
    assert (empty.pictures, empty.marks, empty.exemplars, empty.lookalikes) == (0, (), (), ())
    assert all(NAMES[2] not in (pair.first, pair.second) for pair in guide.pairs)
    assert all(NAMES[2] not in (*step.first.classes, *step.second.classes) for step in guide.key.steps)
    assert any("1 of 4 classes have no pictures" in note for note in guide.warnings)
    assert guide.key.right == guide.key.total == 60


def test_without_held_out_pictures_nothing_is_claimed() -> None:
    table, none = evidence_from_looks(LOOKS, LABELS), evidence_from_looks(LOOKS, LABELS[:0])
    source = GuideSource("run", info_of(NAMES, ["crown", "wing"]), "f", ("train",), None)
    guide = build_guide(source, table, none, NamedPictures())
    assert guide.key.total == 0
    assert guide.key.steps
    assert all(mark.tally.share is None for entry in guide.classes for mark in entry.marks)
    assert all(mark.auroc is None for pair in guide.pairs for mark in pair.marks)
    assert "no held-out pictures" in guide.warnings[0]


def test_one_class_has_no_pairs_and_no_key() -> None:
    table = evidence_from_looks([["red"], ["bar"]], [0] * 6)
    source = GuideSource("run", info_of(["only"], ["crown", "part 2"]), "f", ("train",), "test")
    guide = build_guide(source, table, table, NamedPictures())
    assert (guide.pairs, guide.key.steps, guide.classes[0].marks) == ((), (), ())
    assert guide.classes[0].exemplars
    assert [part.named for part in guide.parts] == [True, False]


def test_numbers_out_of_range_and_no_pictures_are_errors_with_a_cure() -> None:
    table = evidence_from_looks(LOOKS, LABELS)
    source = GuideSource("run", info_of(NAMES, ["crown", "wing"]), "f", ("train",), "test")
    with pytest.raises(ConfigError, match="1 or more tiles"):
        build_guide(source, table, table, NamedPictures(), tiles=0)
    with pytest.raises(DataError, match="--split"):
        build_guide(source, evidence_from_looks(LOOKS, LABELS[:0]), table, NamedPictures())


def test_progress_reaches_its_end_step_by_step() -> None:
    told: list[tuple[int, int]] = []
    table = evidence_from_looks(LOOKS, LABELS)
    source = GuideSource("run", info_of(NAMES, ["crown", "wing"]), "f", ("train",), "test")
    guide = build_guide(source, table, table, NamedPictures(), progress=lambda done, total: told.append((done, total)))
    steps = len(guide.classes) + len(guide.pairs) + 1
    assert told == [(done, steps) for done in range(1, steps + 1)]
