"""Keypoints in the square: where a dot is painted, there the keypoint must be."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.keypoints import boxes_of, choose_annotated, keypoints_of
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError
from fieldmark.records import Preprocessing

SIDE = 64
NAMES = ("eye", "tail")

#: Width and height of pictures, and a place inside the centre square of each.
SHAPES = [((211, 97), (90.0, 30.0)), ((97, 211), (20.0, 120.5)), ((40, 39), (31.0, 8.0)), ((300, 51), (160.0, 44.0))]


def point(name: str, x: float, y: float, visible: bool = True) -> dict[str, object]:
    return {"name": name, "x": x, "y": y, "visible": visible}


def dotted(path: Path, size: tuple[int, int], place: tuple[float, float]) -> None:
    """Paint a white dot whose middle is a place, on black, smoothly, so that its centre is known below a pixel."""
    x, y = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    distance = (x[None, :] - place[0]) ** 2 + (y[:, None] - place[1]) ** 2
    Image.fromarray((255 * np.exp(-distance / 8)).round().astype(np.uint8)).convert("RGB").save(path)


def table_of(folder: Path, sizes: list[tuple[int, int]], **columns: list[object]) -> Table:
    for index, size in enumerate(sizes):
        Image.new("RGB", size).save(folder / f"{index}.png")
    paths: list[object] = [f"{index}.png" for index in range(len(sizes))]
    return make_table({"path": paths, **columns}, folder, reader="test", part_names=NAMES)


def cached(table: Table, folder: Path, fit: str = "pad") -> CachedImages:
    return cache_images(table, Preprocessing(SIDE, fit=fit, fill=(0, 0, 0)), folder / "cache", workers=1)


@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
def test_a_keypoint_lies_where_its_dot_is_painted(fit: str, tmp_path: Path) -> None:
    for index, (size, place) in enumerate(SHAPES):
        dotted(tmp_path / f"{index}.png", size, place)
    rows = {
        "path": [f"{index}.png" for index in range(len(SHAPES))],
        "parts": [[point("tail", *place)] for _, place in SHAPES],
    }
    images = cached(make_table(rows, tmp_path, reader="test", part_names=NAMES), tmp_path, fit)
    positions, visible, annotated = keypoints_of(images)
    assert positions.dtype == np.float32
    assert visible.tolist() == [[False, True]] * len(SHAPES)
    assert annotated.all()
    middles = np.arange(SIDE) + 0.5
    for row in range(len(SHAPES)):
        light = images.pixels[row, :, :, 0].astype(float)
        centre = np.array([light.sum(0) @ middles, light.sum(1) @ middles]) / light.sum()
        assert np.abs(SIDE * positions[row, 1] - centre).max() < 0.5, (fit, SHAPES[row])


def test_what_is_not_seen_or_cut_off_or_no_number_is_not_visible(tmp_path: Path) -> None:
    parts = [
        [point("eye", 10, 10, visible=False), point("tail", 50, 10)],
        [point("eye", 2, 10)],  # cut off by the crop
        [point("eye", math.nan, 10), point("tail", 50, 10, visible=None)],  # type: ignore[arg-type]
        None,
        [],
    ]
    images = cached(table_of(tmp_path, [(100, 20)] * 5, parts=parts), tmp_path, "crop")
    positions, visible, annotated = keypoints_of(images)
    assert visible.tolist() == [[False, True], *[[False, False]] * 4]
    assert annotated.tolist() == [True, True, True, False, False]
    assert (positions[~visible] == 0).all()
    assert positions[0, 1].tolist() == [0.5, 0.5]


def test_rows_whose_picture_is_broken_shift_nothing(tmp_path: Path) -> None:
    table = table_of(tmp_path, [(20, 20)] * 3, parts=[[point("eye", 5.0 * row, 5)] for row in range(3)])
    (tmp_path / "1.png").write_bytes(b"no picture")
    images = cache_images(table, Preprocessing(SIDE), tmp_path / "cache", workers=1, max_broken=0.5)
    assert keypoints_of(images).positions[:, 0, 0].tolist() == [0.0, 0.5]


def test_a_name_that_the_table_does_not_have_is_an_error(tmp_path: Path) -> None:
    images = cached(table_of(tmp_path, [(20, 20)], parts=[[point("wing", 1, 1)]]), tmp_path)
    with pytest.raises(DataError, match="'wing'") as caught:
        keypoints_of(images)
    assert "eye, tail" in caught.value.cure


def test_boxes_move_with_the_picture_and_default_to_it(tmp_path: Path) -> None:
    boxes = [[10.0, 0.0, 20.0, 20.0], None, [1.0, 1.0, 0.0, 5.0]]
    images = cached(table_of(tmp_path, [(40, 20)] * 3, box=boxes), tmp_path)
    assert boxes_of(images).tolist() == [[0.25, 0.25, 0.5, 0.5], [0, 0.25, 1, 0.5], [0, 0.25, 1, 0.5]]
    cut = cached(table_of(tmp_path, [(40, 20)] * 3, box=boxes), tmp_path, "crop")
    assert boxes_of(cut).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]]


def test_more_annotations_keep_those_of_fewer() -> None:
    labels = np.repeat(np.arange(3), 10)
    annotated = np.arange(30) % 10 != 0
    annotated[20:] = np.arange(10) < 2
    few, more, other = (choose_annotated(annotated, labels, count, seed) for count, seed in ((3, 0), (5, 0), (3, 1)))
    assert np.bincount(labels[few]).tolist() == [3, 3, 2]
    assert np.bincount(labels[more]).tolist() == [5, 5, 2]
    assert (more | ~few).all()
    assert (annotated | ~more).all()
    assert (few != other).any()
    assert not choose_annotated(annotated, labels, 0, 0).any()


@pytest.mark.shared_data
def test_the_keypoints_of_real_birds_lie_in_their_boxes(shared: Path, tmp_path: Path) -> None:
    table = read_table(shared / "data" / "cub50")
    some = replace(table, frame=table.frame.gather_every(120))
    images = cache_images(some, Preprocessing(96), tmp_path, workers=1)
    positions, visible, annotated = keypoints_of(images)
    boxes = boxes_of(images)[:, None]
    inside = (positions - boxes[..., :2]) / boxes[..., 2:]
    assert annotated.all()
    assert visible.sum() == sum(part["visible"] for parts in some.frame["parts"] for part in parts)
    assert ((inside > -0.05) & (inside < 1.05)).all(-1)[visible].mean() > 0.99
