import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the test folders are no packages
from fieldmark.data.readers.cub import CubReader
from fieldmark.errors import DataError
from format_examples import make_cub, write


def test_everything_of_a_photo_lands_in_its_row(tmp_path: Path) -> None:
    table = CubReader().read(make_cub(tmp_path))
    assert table.classes == ("Ant", "Bee Fly")
    assert table.counts() == {"test": 2, "train": 4}
    row = table.frame.row(4, named=True)
    assert (row["id"], row["path"], row["label"]) == ("5", "images/002.Bee_Fly/Bee_Fly_1.jpg", "Bee Fly")
    assert row["split"] == "train"
    assert table.frame["split"][2] == "test"
    assert row["box"] == [1, 2, 4, 5]
    assert row["parts"] == [
        {"name": "left wing", "x": 3.5, "y": 4, "visible": True},
        {"name": "beak", "x": 0, "y": 0, "visible": False},
    ]
    assert row["attributes"] == [0, 99, 1]
    assert table.part_names == ("left wing", "beak")
    assert table.attribute_names == ("has_wing::small", "has_wing::large", "has_beak::red")
    assert table.rank_names == ("class",)


def test_a_box_is_cut_at_the_left_and_top_edge(tmp_path: Path) -> None:
    assert CubReader().read(make_cub(tmp_path)).frame["box"][0].to_list() == [0, 2, 2.5, 5]


def test_a_box_is_cut_at_the_right_and_lower_edge_of_a_photo_that_can_be_opened(tmp_path: Path) -> None:
    boxes = "1 3 2 9.5 4\n2 1 4 2 6.25\n3 20 1 2 2\n4 3 2 9.5 4\n5 3 2 9.5 4\n"
    write(make_cub(tmp_path), {"bounding_boxes.txt": boxes, "images/002.Bee_Fly/Bee_Fly_0.jpg": b"broken"})
    (tmp_path / "images" / "002.Bee_Fly" / "Bee_Fly_1.jpg").unlink()
    found = CubReader().read(tmp_path).frame["box"].to_list()
    assert found[:3] == [[3, 2, 5, 4], [1, 4, 2, 4], [20, 1, 0, 2]]  # photos of 8 by 8
    assert found[3:] == [[3, 2, 9.5, 4]] * 2 + [None]


def test_only_three_lists_are_needed(tmp_path: Path) -> None:
    write(tmp_path, {"images.txt": "1 a b.jpg\n\n", "image_class_labels.txt": "1 2\n", "classes.txt": "1 A\n2 B\n"})
    table = CubReader().read(tmp_path)
    assert table.frame.select("path", "label", "split", "box").rows() == [("images/a b.jpg", "B", None, None)]


def test_lineage_ends_in_the_class_and_names_its_ranks(tmp_path: Path) -> None:
    write(make_cub(tmp_path), {"lineage.txt": "1 Formica/x\n2 Apis/y\n"})
    table = CubReader().read(tmp_path)
    assert table.lineage_of() == {"Ant": ("Formica", "Ant"), "Bee Fly": ("Apis", "Bee Fly")}
    assert table.rank_names == ("genus", "species")


def test_numbers_stay_in_names_that_would_be_the_same_without(tmp_path: Path) -> None:
    write(make_cub(tmp_path), {"classes.txt": "1 001.Ant\n2 002.Ant\n"})
    assert CubReader().read(tmp_path).classes == ("001.Ant", "002.Ant")


def test_a_byte_order_mark_is_no_part_of_the_first_id(tmp_path: Path) -> None:
    make_cub(tmp_path)
    for name in ("images.txt", "classes.txt", "image_class_labels.txt"):
        (tmp_path / name).write_text((tmp_path / name).read_text(), encoding="utf-8-sig")
    assert CubReader().read(tmp_path).frame["id"][0] == "1"


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("images.txt", "1\n", "needs 2 fields"),
        ("images.txt", b"1 \xff.jpg\n", "not UTF-8"),
        ("image_class_labels.txt", "1 9\n", "class 9"),
        ("bounding_boxes.txt", "1 a b c d\n", "no number"),
        ("bounding_boxes.txt", "1 2 3\n", "needs 5 fields"),
        ("parts/part_locs.txt", "1 9 1 1 1\n", "part 9"),
        ("parts/part_locs.txt", "1 1 x 1 1\n", "no number"),
        ("attributes/class_attribute_labels_continuous.txt", "1 2 3\n", "1 rows for 2 classes"),
        ("attributes/class_attribute_labels_continuous.txt", "1 2\n1 2\n", "3 values"),
        ("attributes/class_attribute_labels_continuous.txt", "1 2 x\n1 2 3\n", "no number"),
    ],
)
def test_damaged_lists_are_named(tmp_path: Path, file: str, content: str | bytes, named: str) -> None:
    write(make_cub(tmp_path), {file: content})
    with pytest.raises(DataError, match=named) as caught:
        CubReader().read(tmp_path)
    assert Path(file).name in str(caught.value) or "classes.txt" in str(caught.value)
