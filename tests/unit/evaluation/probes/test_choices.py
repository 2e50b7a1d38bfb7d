"""Choices are made on training rows, by folds that keep groups together."""

import numpy as np
import pytest

from fieldmark.errors import DataError
from fieldmark.evaluation.probes import knn_probe, leave_one_group_out, linear_probe, tfidf_svm
from fieldmark.evaluation.probes.folds import group_numbers, stratified_sample, usable_folds


def copies_in_groups(seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Two overlapping classes; every sample comes six times, as one animal photographed six times."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(2, size=60)
    vectors = generator.normal(size=(60, 12)) + 0.35 * np.where(labels, 1, -1)[:, None]
    vectors = vectors.repeat(6, axis=0) + generator.normal(size=(360, 12)) * 1e-3
    return vectors.astype(np.float32), labels.repeat(6), [f"animal {place // 6}" for place in range(360)]


def test_copies_of_a_row_do_not_choose_the_neighbours() -> None:
    train, labels, groups = copies_in_groups(0)
    one, _, _ = copies_in_groups(1)
    without = knn_probe(train, labels, one)
    grouped = knn_probe(train, labels, one, groups=groups)
    assert (without.max(1) > 0.999).all()  # copies elect k = 1 or 5, all of one animal
    assert (grouped.max(1) < 0.999).mean() > 0.3


def test_copies_of_a_row_do_not_choose_the_strength() -> None:
    train, labels, groups = copies_in_groups(0)
    other, _, _ = copies_in_groups(1)
    without = linear_probe(train, labels, other)
    grouped = linear_probe(train, labels, other, groups=groups)
    assert without.max(1).mean() > grouped.max(1).mean() + 0.05  # copies elect the weakest ridge


def test_folds_keep_groups_together_and_classes_in_proportion() -> None:
    labels = np.repeat([0, 1], 30)
    groups = [f"g{place // 3}" for place in range(60)]
    found = usable_folds(labels, groups, 3, seed=0)
    assert len(found) == 3
    assert sorted(np.concatenate([held for _, held in found]).tolist()) == list(range(60))
    for fit, held in found:
        assert not {groups[place] for place in fit} & {groups[place] for place in held}
        assert 9 <= (labels[held] == 0).sum() <= 12


def test_folds_that_leave_one_class_are_left_out() -> None:
    assert usable_folds(np.array([0, 1]), None, 2, seed=0) == []
    assert len(usable_folds(np.array([0, 0, 1, 1]), None, 2, seed=0)) == 2


def test_a_row_without_a_group_is_its_own() -> None:
    assert group_numbers(["a", None, "a", None], 4).tolist() == [0, 1, 0, 2]
    assert group_numbers(None, 3).tolist() == [0, 1, 2]


def test_a_sample_keeps_every_class_and_its_share() -> None:
    labels = np.array([0] * 800 + [1] * 195 + [2] * 5)
    kept = stratified_sample(labels, 100, seed=0)
    assert len(kept) == len(set(kept.tolist())) == 100
    assert (np.diff(kept) > 0).all()
    counts = np.bincount(labels[kept])
    assert 78 <= counts[0] <= 80
    assert 19 <= counts[1] <= 20
    assert counts[2] == 1
    assert kept.tolist() != stratified_sample(labels, 100, seed=1).tolist()
    assert stratified_sample(labels, 1000, seed=0).tolist() == list(range(1000))


def speakers(seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Words said by three speakers; the third says both words the other way round."""
    generator = np.random.default_rng(seed)
    labels = np.tile([0, 1], 45)
    groups = ["ann", "bob", "eve"] * 30
    turned = np.where(np.array(groups) == "eve", 1 - labels, labels)
    return (generator.normal(size=(90, 4)) + 4 * np.eye(2, 4)[turned]).astype(np.float32), labels, groups


def test_each_group_is_read_by_what_the_others_taught() -> None:
    vectors, labels, groups = speakers()
    found = leave_one_group_out(vectors, labels, groups)
    assert list(found) == ["ann", "bob", "eve"]
    assert found["eve"] < 0.1
    held = np.array(groups) == "eve"
    probabilities = linear_probe(vectors[~held], labels[~held], vectors[held], groups=[g for g in groups if g != "eve"])
    assert found["eve"] == pytest.approx((probabilities.argmax(1) == labels[held]).mean())


TEXTS = [
    f"{verb} my {thing} {place}" for verb in ("please", "kindly") for thing in ("card", "cash") for place in "abcd"
]


def test_texts_are_read_by_their_words() -> None:
    labels = np.array([int("cash" in text) for text in TEXTS])
    predicted, dim = tfidf_svm(TEXTS, labels, ["where is my cash", "a card is what i want", "CASH !"])
    assert predicted.tolist() == [1, 0, 1]
    words = {"please", "kindly", "my", "card", "cash", *"abcd"}
    pairs = {"please my", "kindly my", "my card", "my cash", *(f"{t} {p}" for t in ("card", "cash") for p in "abcd")}
    assert dim == len(words) + len(pairs)


def test_texts_without_words_or_of_one_class_are_refused() -> None:
    with pytest.raises(DataError, match="No training text"):
        tfidf_svm(["", " "], np.array([0, 1]), ["a"])
    with pytest.raises(DataError, match="two classes"):
        tfidf_svm(["a", "b"], np.array([1, 1]), ["a"])
