"""The nearest training pictures: whole, part by part, and what is kept of the first search."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.data.table import Table
from fieldmark.data.thumbnails import from_data_address
from fieldmark.errors import BrokenImageError, ConfigError, DataError
from fieldmark.gallery import WHOLE, add_class, neighbours
from fieldmark.gallery.stored import GALLERY_FILE, StoredPictures
from fieldmark.neighbour_results import NearestPictures
from fieldmark.predict import load_predictor
from gallery_stand_ins import COLOURS, NEW, picture, write_colour_run, write_pictures
from part_stand_ins import QUADRANTS


@pytest.fixture
def green(tmp_path: Path) -> Path:
    picture(COLOURS["green"], 77).save(tmp_path / "green.png")
    return tmp_path / "green.png"


def test_pictures_of_the_same_kind_are_nearest(colour_run: Path, green: Path) -> None:
    found = neighbours(colour_run, green, count=4)
    assert [each.part for each in found.compared] == [WHOLE]
    assert [one.label for one in found.compared[0].nearest] == ["green"] * 4
    assert all(Path(one.path).is_file() for one in found.compared[0].nearest)
    similarities = [one.similarity for one in found.compared[0].nearest]
    assert similarities == sorted(similarities, reverse=True)
    assert found.searched == 4 * 8  # the training pictures
    assert found.label == "green"
    assert found.exact
    assert found.notes == ()
    assert NearestPictures.from_json(found.to_json()) == found


def test_similarities_are_cosines_of_the_network_s_vectors(quadrant_run: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    found = neighbours(quadrant_run, pixels, count=3, cache=tmp_path / "cache")
    assert [each.part for each in found.compared] == [WHOLE, *QUADRANTS, "rest of the picture"]
    predictor = load_predictor(quadrant_run)
    table = Table.load(quadrant_run / "table.parquet").split("train")
    own = predictor.outputs(pixels[None])
    stored = StoredPictures.load(quadrant_run)
    for place, each in enumerate(found.compared):
        query = own.embedding[0] if place == 0 else own.vectors[0, place - 1]
        vectors = stored.embedding if place == 0 else stored.vectors[:, place - 1]
        cosine = {
            stored.ids[row]: float(
                vectors[row].astype(np.float64)
                @ query
                / np.linalg.norm(vectors[row].astype(np.float64))
                / np.linalg.norm(query)
            )
            for row in range(len(stored))
            if stored.splits[row] == "train"
        }
        assert len(cosine) == len(table) == found.searched
        nearest = sorted(cosine, key=lambda name: -cosine[name])[:3]
        assert [one.id for one in each.nearest] == nearest
        assert [one.similarity for one in each.nearest] == pytest.approx([cosine[name] for name in nearest], abs=1e-4)


def test_parts_are_cut_out_where_they_are(quadrant_run: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (40, 80, 3), dtype=np.uint8)
    found = neighbours(quadrant_run, pixels, part="top right", count=1, cache=tmp_path / "cache")
    (each,) = found.compared
    assert each.box == pytest.approx((40, 0, 40, 20), abs=1)
    assert from_data_address(each.thumbnail).size[0] == 112
    near = each.nearest[0]
    with Image.open(near.path) as opened:
        width, height = opened.size
    assert near.box == pytest.approx((width / 2, 0, width / 2, height / 2), abs=max(width, height) / 8)


def test_one_part_or_the_whole_alone(quadrant_run: Path, tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    for part in (WHOLE, "bottom left"):
        found = neighbours(quadrant_run, pixels, part=part, cache=tmp_path / "cache")
        assert [each.part for each in found.compared] == [part]
    with pytest.raises(ConfigError, match="no part 'botom left'") as caught:
        neighbours(quadrant_run, pixels, part="botom left", cache=tmp_path / "cache")
    assert "'bottom left'" in caught.value.cure
    assert WHOLE in caught.value.cure


def test_the_picture_itself_is_left_out(colour_run: Path) -> None:
    table = Table.load(colour_run / "table.parquet").split("train")
    own = table.root / table.frame["path"][0]
    found = neighbours(colour_run, own)
    assert str(own.resolve()) not in {one.path for one in found.compared[0].nearest}
    assert any("itself" in note for note in found.notes)
    assert found.searched == 4 * 8 - 1


def test_the_first_search_keeps_what_was_seen_and_later_ones_need_no_cache(
    colour_run: Path, green: Path, tmp_path: Path
) -> None:
    first = neighbours(colour_run, green, cache=tmp_path / "cache")
    (colour_run / GALLERY_FILE).unlink()
    with pytest.raises(DataError, match="have not passed the network"):
        neighbours(colour_run, green)
    told: list[tuple[int, int]] = []
    again = neighbours(
        colour_run, green, cache=tmp_path / "cache", progress=lambda done, total: told.append((done, total))
    )
    assert again == first
    assert told[-1] == (4 * 18, 4 * 18)
    assert neighbours(colour_run, green) == first


def test_another_network_looks_at_the_pictures_again(colour_run: Path, green: Path, tmp_path: Path) -> None:
    stored = StoredPictures.load(colour_run)
    other = write_colour_run(tmp_path / "other", head="additive")
    stored.save(other)  # of other pictures
    neighbours(other, green, cache=tmp_path / "cache")
    assert StoredPictures.load(other).network != stored.network


def test_a_damaged_gallery_of_a_run_is_made_again(colour_run: Path, green: Path, tmp_path: Path) -> None:
    (colour_run / GALLERY_FILE).write_bytes(b"{}" * 30)
    assert len(neighbours(colour_run, green, cache=tmp_path / "cache").compared[0].nearest) == 5


def test_pictures_of_a_class_that_was_added_are_found(colour_run: Path, tmp_path: Path) -> None:
    files = write_pictures(tmp_path / "new", 8)
    added = add_class(colour_run, NEW, files[:5])
    found = neighbours(added.bundle, files[6], count=3)
    assert [one.label for one in found.compared[0].nearest] == [NEW] * 3
    assert Path(found.compared[0].nearest[0].path) in files[:5]


def test_a_picture_that_went_missing_stays_without_its_thumbnail(colour_run: Path, green: Path) -> None:
    stored = StoredPictures.load(colour_run)
    gone = tuple(file.replace("green", "gone") for file in stored.files)
    from dataclasses import replace

    replace(stored, files=gone).save(colour_run)
    nearest = neighbours(colour_run, green).compared[0].nearest
    assert [one.thumbnail for one in nearest] == [""] * 5
    assert nearest[0].label == "green"


def test_bad_input_is_refused_with_a_cure(colour_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="0 neighbours"):
        neighbours(colour_run, np.zeros((9, 9, 3), np.uint8), count=0)
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    with pytest.raises(BrokenImageError, match=r"cut\.png can't be compared") as caught:
        neighbours(colour_run, tmp_path / "cut.png")
    assert caught.value.cure
    with pytest.raises(DataError, match="is no picture"):
        neighbours(colour_run, np.zeros((9, 9, 4), np.uint8))
