"""Which pictures a guide shows, and how they are cut."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.data.images import fit_image
from fieldmark.explain.guide.choosing import clear_examples, in_turn
from fieldmark.explain.guide.tiles import TILE, PartPictures, cut_square, place_in_picture
from fieldmark.records import Preprocessing
from guide_stand_ins import evidence_from_looks


def test_examples_are_clear_distinct_and_not_only_the_clearest() -> None:
    rows, scores = np.arange(100, 140), np.arange(40.0)
    chosen = clear_examples(rows, scores, [None] * 40, 4)
    assert chosen[0] == 139
    assert len(set(chosen)) == 4
    assert min(chosen) >= 120  # of the clearer half
    assert max(np.diff(sorted(chosen))) <= 8  # at even distances


def test_every_individual_is_shown_before_any_is_shown_twice() -> None:
    groups = ["x"] * 30 + ["a", "b", "c"]
    chosen = clear_examples(np.arange(33), np.arange(33.0)[::-1], ["x"] * 4 + ["a", "b", "c"] + ["x"] * 26, 4)
    assert {4, 5, 6} <= set(chosen)
    assert len(clear_examples(np.arange(33), np.zeros(33), groups, 8)) == 8
    assert clear_examples(np.arange(0), np.zeros(0), [], 8) == []


def test_classes_take_turns() -> None:
    assert in_turn([[1, 2, 3], [], [4]], 3) == [1, 4, 2]
    assert in_turn([], 3) == []
    assert in_turn([[1], [2], [], [3], [4], [5]], 3) == [1, 3, 5]  # from the first class to the last


def test_a_tile_has_the_part_in_its_middle_with_a_margin() -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[80:120, 60:80] = 255  # box (0.3, 0.4), 0.1 wide, 0.2 high
    tile = np.asarray(cut_square(pixels, np.array([0.3, 0.4, 0.1, 0.2])))
    assert tile.shape == (60, 60, 3)  # 1.5 times the longer side
    rows, columns = np.flatnonzero(tile.any(axis=(1, 2))), np.flatnonzero(tile.any(axis=(0, 2)))
    assert (rows[0], rows[-1] + 1) == (10, 50)
    assert (columns[0], columns[-1] + 1) == (20, 40)


@pytest.mark.parametrize("box", [(0.0, 0.0, 0.2, 0.2), (0.9, 0.95, 0.1, 0.05), (0.0, 0.0, 1.0, 1.0)])
def test_a_tile_at_the_edge_stays_inside(box: tuple[float, ...]) -> None:
    tile = cut_square(np.zeros((50, 50, 3), np.uint8), np.array(box))
    assert tile.width == tile.height
    assert 5 <= tile.width <= 50


@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
def test_a_box_in_the_square_lies_at_the_same_place_in_the_picture(fit: str) -> None:
    picture = Image.new("RGB", (480, 240))
    picture.paste("white", (240, 60, 360, 180))
    fitted = fit_image(picture, Preprocessing(240, fit=fit))
    white = fitted.pixels.min(axis=2) > 200
    rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
    box = np.array([columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]]) / 240
    found = place_in_picture(3, box, fitted)
    assert found is not None
    assert found.part == 3
    assert (found.left, found.top, found.width, found.height) == pytest.approx((0.5, 0.25, 0.25, 0.5), abs=0.02)


def test_a_box_in_the_padding_lies_nowhere() -> None:
    fitted = fit_image(Image.new("RGB", (120, 40)), Preprocessing(60))
    assert place_in_picture(0, np.array([0.2, 0.0, 0.3, 0.2]), fitted) is None
    assert place_in_picture(0, np.full(4, np.nan), fitted) is None


def test_pictures_are_written_once_and_a_broken_one_is_told(tmp_path: Path) -> None:
    Image.effect_noise((300, 150), 90).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    table = evidence_from_looks([["x", "y"]], [0, 1], ids=["a", "b"])
    pictures = PartPictures({"a": "a.png", "b": "b.png"}, tmp_path, Preprocessing(64), tmp_path / "guide")
    tile, again = pictures.tile(table, 0, 0, "ant"), pictures.tile(table, 0, 0, "ant")
    whole = pictures.exemplar(table, 0, "ant")
    assert tile == again
    assert Image.open(tmp_path / "guide" / tile.file).size == (TILE, TILE)
    assert (whole.width, whole.height) == Image.open(tmp_path / "guide" / whole.file).size == (300, 150)
    assert [box.part for box in whole.boxes] == [0]
    assert len(list((tmp_path / "guide" / "pictures").iterdir())) == 2
    assert pictures.tile(table, 1, 0, "bee").file == pictures.exemplar(table, 1, "bee").file == ""
