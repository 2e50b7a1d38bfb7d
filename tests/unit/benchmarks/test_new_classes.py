"""What the benchmark of new classes makes of its data and its draws."""

from pathlib import Path

import numpy as np

from fieldmark.data.table import Table, make_table
from new_classes import HELD_OUT, SHOTS, WORDS, draw, regression, rows_for


def table(classes: int = 6, train: int = 10, test: int = 4) -> Table:
    rows: dict[str, list[str]] = {"path": [], "label": [], "split": []}
    for label in "abcdef"[:classes]:
        for number in range(train + test):
            rows["path"].append(f"{label}{number}.jpg")
            rows["label"].append(label)
            rows["split"].append("train" if number < train else "test")
    return make_table(rows, Path(), reader="test")


def test_no_picture_of_a_draw_is_in_two_places() -> None:
    drawn = draw(table(), 0, 2)
    assert len(drawn.new) == 2
    assert set(drawn.new) | set(drawn.old) == set("abcdef")
    groups = [drawn.train, drawn.held, *drawn.shots.values(), *drawn.others.values(), drawn.test]
    places = np.concatenate(groups)
    assert len(set(places.tolist())) == len(places) == len(table())
    labels = table().frame["label"]
    assert {labels[int(row)] for row in np.concatenate([drawn.train, drawn.held])} == set(drawn.old)
    assert all(
        len(rows) == SHOTS and {labels[int(row)] for row in rows} == {name} for name, rows in drawn.shots.items()
    )
    assert len(drawn.held) == len(drawn.old) * (10 // HELD_OUT)
    assert draw(table(), 1, 2).new != drawn.new or draw(table(), 1, 2).shots != drawn.shots


def test_a_regression_s_rows_are_in_the_features_own_units() -> None:
    random = np.random.default_rng(0)
    labels = np.array(["a", "b", "c"] * 30)
    centres = {"a": (50.0, 0.0), "b": (0.0, 5.0), "c": (-50.0, -5.0)}
    features = np.array([centres[name] for name in labels], np.float32) + random.normal(size=(90, 2)).astype(np.float32)
    rows, bias = regression(features, labels, ("a", "b", "c"))
    assert (np.array(["a", "b", "c"])[(features @ rows.T + bias).argmax(1)] == labels).all()


def result(**more: float) -> dict[str, object]:
    return dict.fromkeys(WORDS, 50.0) | {"draw": 0} | more


def test_goals_are_held_against_means_over_draws() -> None:
    found = [result(old_before=60.0, old_after=59.5), result(old_before=60.0, old_after=58.9)]
    rows = {row.metric: row for row in rows_for(found)}
    lost = rows["accuracy that the old classes lose (points)"]
    assert (lost.value, lost.holds) == (0.8, True)
    assert rows["accuracy on all classes behind a full retrain (points)"].value == 0
    worse = [result(coverage_old_before=90.0, coverage_old_after=87.0, retrain_all=61.0, all_after=50.0)]
    rows = {row.metric: row for row in rows_for(worse)}
    assert rows["coverage of the old classes, change (points)"].holds is False
    assert rows["accuracy on all classes behind a full retrain (points)"].holds is False
