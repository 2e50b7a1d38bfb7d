"""What the benchmark of parts concludes from its runs, and how marks are held against attributes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fieldmark.data.table import make_table
from fieldmark.evaluation import MappedPictures
from fieldmark.explain import EvidenceTable
from fieldmark.explain.guide.evidence import Contrast, class_means
from fieldmark.synthetic import PARTS
from marks_and_attributes import attribute_groups, difference, keypoints_of_parts, labelled, nearest_pairs
from parts import grid_maps, knowing, nearest_keypoints, rows_of


def evidence(values: np.ndarray, labels: tuple[str, ...]) -> EvidenceTable:
    rows, slots, _ = values.shape
    return EvidenceTable(
        names=tuple(f"part {slot}" for slot in range(slots)),
        classes=("a", "b", "c"),
        bias=np.zeros(3),
        root=Path(),
        ids=tuple(str(row) for row in range(rows)),
        paths=("",) * rows,
        labels=labels,
        predicted=labels,
        evidence=values.astype(np.float32),
        presence=np.ones((rows, slots), np.float32),
        vectors=np.zeros((rows, slots, 2), np.float32),
        boxes=np.zeros((rows, slots, 4), np.float32),
        centres=np.zeros((rows, slots, 2), np.float32),
        windows=np.zeros((rows, 4), np.float32),
        sizes=np.ones((rows, 2), np.int32),
        side=8,
        maps=np.empty((rows, 0, 0, 0), np.float16),
    )


def test_a_grid_cuts_the_picture_into_equal_tiles() -> None:
    maps = grid_maps(np.zeros((2, 7, 8, 12), np.float32), 6)
    assert maps.shape == (2, 7, 8, 12)
    assert maps[0, :6].sum((1, 2)).tolist() == [16.0] * 6
    assert maps[0, 6].sum() == 0
    assert np.all(maps.sum(1) == 1)


def test_the_effect_is_what_a_part_says_more_in_pictures_of_one_class_than_of_the_other() -> None:
    values = np.zeros((4, 2, 3))
    values[:2, 1, 0] = 2.0  # in pictures of a, the second part speaks for a
    values[2:, 1, 1] = 1.0  # in pictures of b, for b
    values[:, 0, 0] = 5.0  # the first part speaks for a everywhere: no mark
    means = class_means(labelled(evidence(values, ("a", "a", "b", "b"))))
    assert Contrast.between(means, 0, 1).effect.tolist() == [0.0, 3.0]


def test_pairs_come_hardest_first() -> None:
    values = np.zeros((3, 1, 3))
    for row, scores in enumerate(((3, 2.9, 0), (2.9, 3, 0), (0, 0, 3))):
        values[row, 0] = scores
    assert nearest_pairs(class_means(labelled(evidence(values, ("a", "b", "c")))))[0] == (0, 1)


def test_a_part_is_the_keypoints_that_it_covers_most() -> None:
    maps = np.zeros((2, 3, 1, 2), np.float32)
    maps[:, 0, 0, 0], maps[:, 1, 0, 1] = 1, 1  # the first part is the left half, the second the right one
    positions = np.array([[[0.2, 0.5], [0.8, 0.5]]] * 2, np.float32)
    pictures = MappedPictures(
        maps, positions, np.ones((2, 2), bool), np.tile(np.float32([0, 0, 1, 1]), (2, 1)), np.zeros(2, np.int64)
    )
    assert keypoints_of_parts(pictures, ("beak", "tail"), slots=3) == [{"beak"}, {"tail"}, set()]


def test_a_part_that_is_at_no_keypoint_stands_for_none() -> None:
    maps = np.zeros((1, 3, 1, 2), np.float32)
    maps[:, 0, 0, 0], maps[:, 2, 0, 1] = 1, 1  # the first part on the left, the background on the right
    pictures = MappedPictures(
        maps,
        np.float32([[[0.2, 0.5], [0.8, 0.5]]]),
        np.ones((1, 2), bool),
        np.float32([[0, 0, 1, 1]]),
        np.zeros(1, np.int64),
    )
    assert keypoints_of_parts(pictures, ("beak", "tail"), slots=2) == [{"beak"}, set()]


def test_the_attributes_of_a_place_differ_by_their_shares() -> None:
    names = ("has_bill_shape::hooked", "has_bill_shape::cone", "has_size::small", "has_tail_pattern::solid")
    rows = {
        "path": ["1.jpg", "2.jpg"],
        "label": ["a", "b"],
        "attributes": [[100.0, 0.0, 10.0, 50.0], [25.0, 75.0, 90.0, 50.0]],
    }
    table = make_table(rows, Path(), reader="test", attribute_names=names)
    groups = attribute_groups(table)
    assert set(groups) == {"bill", "tail"}
    assert difference(groups["bill"], 0, 1) == pytest.approx(0.75)
    assert difference(groups["tail"], 0, 1) == 0
    shuffled = replace(table, frame=table.frame.sort("label", descending=True))
    assert difference(attribute_groups(shuffled)["bill"], 0, 1) == pytest.approx(0.75)
    assert table.frame["attributes"].dtype == pl.List(pl.Float64)


def test_goals_are_held_against_the_masks_of_the_bird() -> None:
    def run(nmi: float, other: float) -> dict[str, object]:
        metrics = {"keypoint nmi": 50.0, "bird nmi": nmi, "bird ari": 75.0}
        rivals = {"keypoint nmi": 50.0, "bird nmi": other, "bird ari": 10.0}
        return {"top1": 90.0, "measured": {"parts": metrics, "fixed grid": rivals, "k-means": rivals}}

    rows = {row.metric: row for row in rows_of("birds", 10, [run(81.0, 60.0), run(83.0, 64.0)])}
    assert (rows["birds, K = 10, parts: bird nmi (%)"].value, rows["birds, K = 10, parts: bird nmi (%)"].holds) == (
        82,
        True,
    )
    assert rows["birds, K = 10, k-means: bird nmi (%)"].goal is None
    gain = rows["birds, K = 10: bird nmi above k-means (points)"]
    assert (gain.value, gain.holds) == (20, True)
    assert not rows_of("birds", 10, [run(70.0, 60.0)])[-1].holds


def test_every_pixel_goes_to_the_nearest_keypoint_that_is_seen() -> None:
    positions = np.array([[[0.1, 0.5], [0.9, 0.5], [0.5, 0.5]]], np.float32)
    visible = np.array([[True, True, False]])
    pictures = MappedPictures(
        np.zeros((1, 2, 1, 1), np.float32), positions, visible, np.zeros((1, 4), np.float32), np.zeros(1, np.int64)
    )
    assert nearest_keypoints(pictures, 4).tolist() == [[[0, 0, 1, 1]] * 4]


def test_a_mark_counts_as_what_it_lies_on() -> None:
    masks = np.array([[[0, PARTS.index("wing") + 1, PARTS.index("wing bar") + 1, PARTS.index("tail") + 1]]], np.uint8)
    pictures = MappedPictures(
        np.zeros((1, 2, 1, 1), np.float32),
        np.full((1, len(PARTS), 2), 0.5, np.float32),
        np.ones((1, len(PARTS)), bool),
        np.zeros((1, 4), np.float32),
        np.zeros(1, np.int64),
    )
    found = knowing(pictures, np.repeat(masks, 4, 1))["true parts without marks"]
    assert 0 < found["bird ari"] < 100 and 0 < found["bird nmi"] < 100
