from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fieldmark.data.splits import assign_splits, folds, hold_out
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError


def make(labels: list[str | None], groups: list[str | None] | None = None) -> Table:
    names = [f"{index:05}.jpg" for index in range(len(labels))]
    return make_table({"path": names, "label": labels, "group": groups or [None] * len(labels)}, Path(), reader="x")


def grouped(count: int = 3000) -> Table:
    """Groups of 1 to 4 rows, each of one class; three classes of 10, 30 and 60 %."""
    generator = np.random.default_rng(0)
    labels: list[str | None] = []
    groups: list[str | None] = []
    while len(labels) < count:
        name, size = str(generator.choice(["a", "b", "c"], p=[0.1, 0.3, 0.6])), int(generator.integers(1, 5))
        labels += [name] * size
        groups += [f"g{len(labels)}"] * size
    return make(labels, groups)


def splits_of(table: Table) -> dict[str, str | None]:
    return dict(table.frame.select("id", "split").rows())


def test_every_class_is_divided_by_the_shares() -> None:
    table = assign_splits(make(["a"] * 100 + ["b"] * 50 + ["c"] * 10))
    found = Counter(table.frame.select("label", "split").rows())
    assert {key: found["a", key] for key in ("train", "val", "test")} == {"train": 70, "val": 10, "test": 20}
    assert {key: found["b", key] for key in ("train", "val", "test")} == {"train": 35, "val": 5, "test": 10}
    assert {key: found["c", key] for key in ("train", "val", "test")} == {"train": 7, "val": 1, "test": 2}


@pytest.mark.parametrize("size", range(1, 12))
def test_small_classes_keep_training_rows_and_stay_near_their_shares(size: int) -> None:
    counts = assign_splits(make(["a"] * size)).counts()
    assert counts["train"] >= 1
    for name, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        assert abs(counts.get(name, 0) - share * size) < 1


def test_a_split_without_a_share_stays_empty() -> None:
    table = make([name for name in "abcdefg" for _ in range(9)])
    assert assign_splits(table, validation=0, test=0.3).counts().keys() == {"test", "train"}
    assert assign_splits(table, validation=0, test=0).counts() == {"train": 63}


def test_groups_stay_together_and_every_size_is_spread_by_the_shares() -> None:
    table = assign_splits(grouped())
    groups = table.frame.group_by("group").agg(pl.len().alias("size"), pl.col("split").unique())
    assert groups["split"].list.len().max() == 1
    for _, of_size in groups.with_columns(pl.col("split").list.first()).group_by("size"):
        shares = of_size["split"].value_counts(normalize=True)
        found = dict(shares.select("split", "proportion").rows())
        assert found == pytest.approx({"train": 0.7, "val": 0.1, "test": 0.2}, abs=0.03)
    for _, rows in table.frame.group_by("label"):
        found = dict(rows["split"].value_counts(normalize=True).select("split", "proportion").rows())
        assert found == pytest.approx({"train": 0.7, "val": 0.1, "test": 0.2}, abs=0.02)


def test_groups_of_several_classes_leave_training_rows_to_each() -> None:
    generator = np.random.default_rng(1)
    labels: list[str | None] = [str(generator.choice(list("abcdef"))) for _ in range(200)]
    table = assign_splits(make(labels, [f"g{index // 10}" for index in range(200)]), validation=0.2, test=0.3)
    assert table.frame.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1
    assert set(table.split("train").frame["label"]) == set("abcdef")
    assert table.counts().keys() == {"test", "train", "val"}


def test_rows_without_label_stay_in_no_split_even_beside_labelled_ones_of_their_group() -> None:
    table = assign_splits(make(["a", None, None, "a"], ["g", "g", None, "h"]))
    assert [split is None for split in table.frame["split"]] == [False, True, True, False]


def test_the_order_of_rows_does_not_matter_but_the_seed_does() -> None:
    table = grouped(500)
    shuffled = replace(table, frame=table.frame.sample(fraction=1, shuffle=True, seed=3))
    assert splits_of(assign_splits(table, seed=5)) == splits_of(assign_splits(shuffled, seed=5))
    assert splits_of(assign_splits(table, seed=5)) != splits_of(assign_splits(table, seed=6))


def test_the_choices_of_seeds_are_independent() -> None:
    table = make(["a"] * 5000)
    chosen = [set(assign_splits(table, seed=seed).split("test").frame["id"]) for seed in range(6)]
    overlaps = [len(one & other) / 1000 for one, other in combinations(chosen, 2)]
    assert max(abs(overlap - 0.2) for overlap in overlaps) < 0.05


def test_splits_that_are_there_are_replaced() -> None:
    table = make(["a"] * 10)
    old = replace(table, frame=table.frame.with_columns(split=pl.lit("test")))
    assert assign_splits(old).counts() == {"test": 2, "train": 7, "val": 1}


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0.2), (0.5, 0.5), (0.1, 1.0), (float("nan"), 0.1)])
def test_shares_that_leave_nothing_for_training_are_refused(validation: float, test: float) -> None:
    with pytest.raises(DataError, match="nothing for training"):
        assign_splits(make(["a"]), validation=validation, test=test)


def test_folds_partition_the_rows_stratified_with_groups_whole() -> None:
    table = grouped(1000)
    parts = folds(table, 5, seed=0)
    held = np.concatenate([held for _, held in parts])
    assert sorted(held.tolist()) == list(range(len(table)))
    groups, labels = table.frame["group"].to_numpy(), table.frame["label"].to_numpy()
    for learnt, held in parts:
        assert sorted([*learnt.tolist(), *held.tolist()]) == list(range(len(table)))
        assert not set(groups[learnt]) & set(groups[held])
        for name in "abc":
            assert (labels[held] == name).sum() == pytest.approx((labels == name).sum() / 5, abs=4)


def test_folds_are_of_one_size_however_many_classes_leave_a_remainder() -> None:
    sizes = [len(held) for _, held in folds(make([f"c{index % 40}" for index in range(40 * 7)]), 5, seed=0)]
    assert sizes == [56] * 5


def test_folds_depend_on_the_seed_and_want_two_and_labels() -> None:
    table = make(["a", "b"] * 20)
    assert folds(table, 4, 0)[0][1].tolist() != folds(table, 4, 1)[0][1].tolist()
    assert folds(table, 4, 0)[0][1].tolist() == folds(table, 4, 0)[0][1].tolist()
    with pytest.raises(DataError):
        folds(table, 1, 0)
    with pytest.raises(DataError):
        folds(make(["a", None]), 2, 0)


def test_training_rows_are_held_out_where_there_are_no_validation_rows() -> None:
    table = assign_splits(grouped(), validation=0.0, test=0.3)
    held = hold_out(table, 0.1, seed=1)
    before, after = splits_of(table), splits_of(held)
    assert {after[name] for name, split in before.items() if split == "test"} == {"test"}
    of_train = [name for name, split in before.items() if split == "train"]
    assert {after[name] for name in of_train} == {"train", "val"}
    assert sum(after[name] == "val" for name in of_train) / len(of_train) == pytest.approx(0.1, abs=0.01)
    groups = held.frame.group_by("group").agg(pl.col("split").n_unique())
    assert groups["split"].max() == 1
    assert splits_of(hold_out(table, 0.1, seed=2)) != after


def test_validation_rows_that_are_there_stay_the_only_ones() -> None:
    table = assign_splits(grouped())
    assert hold_out(table, 0.2) is table
    assert hold_out(assign_splits(grouped(), validation=0.0), 0.0).split("val").frame.height == 0
