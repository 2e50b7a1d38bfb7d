import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the test folders are no packages
from fieldmark.data.readers.coco import CocoReader
from fieldmark.errors import DataError
from format_examples import coco, make_coco, paint, write

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")


def file(folder: Path, content: object, name: str = "list.json") -> Path:
    return write(folder, {name: json.dumps(content)}) / name


def test_splits_boxes_lineage_and_pictures_in_the_folder_of_their_split(tmp_path: Path) -> None:
    table = CocoReader().read(make_coco(tmp_path))
    assert table.counts() == {"train": 4, "val": 2}
    assert table.classes == ("ant", "bee")
    assert table.rank_names == ("supercategory", "class")
    row = table.frame.row(1, named=True)
    assert row["path"] == "images/train/1.jpg"
    assert (row["label"], row["lineage"], row["box"]) == ("ant", ["insect", "ant"], [1, 2, 3, 4])


def test_one_file_beside_its_pictures_without_split(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg")
    table = CocoReader().read(file(tmp_path, coco(["a.jpg", "b.jpg"], [1], [{"id": 1, "name": "ant"}])))
    assert table.frame.select("path", "label", "split", "lineage").rows() == [
        ("a.jpg", "ant", None, None),
        ("b.jpg", None, None, None),
    ]
    assert table.rank_names == ("class",)


def test_several_classes_in_one_picture_make_it_unlabelled(tmp_path: Path) -> None:
    content = coco(["a.jpg", "b.jpg"], [1, 1], [{"id": 1, "name": "ant"}, {"id": 2, "name": "bee"}])
    content["annotations"] += [{"image_id": 0, "category_id": 2}, {"image_id": 1, "category_id": 1}]
    table = CocoReader().read(file(tmp_path, content))
    assert table.frame.select("label", "box").rows() == [(None, None), ("ant", None)]


def test_the_taxonomy_of_inaturalist_is_the_lineage(tmp_path: Path) -> None:
    categories = [
        {"id": n, "name": f"Larus {n}", "supercategory": "Birds", **{rank: f"{rank} {n}" for rank in RANKS}}
        for n in range(2)
    ]
    table = CocoReader().read(file(tmp_path, coco(["a.jpg"], [1], categories), "train2019.json"))
    assert table.rank_names == (*RANKS, "species")
    assert table.lineage_of() == {"Larus 1": (*(f"{rank} 1" for rank in RANKS), "Larus 1")}
    assert table.counts() == {"train": 1}


def test_a_name_of_two_categories_is_told_apart_in_every_file(tmp_path: Path) -> None:
    file(tmp_path, coco(["a.jpg"], [1], [{"id": 1, "name": "ant"}]), "train.json")
    file(tmp_path, coco(["b.jpg"], [2], [{"id": 2, "name": "ant"}]), "val.json")
    table = CocoReader().read(tmp_path)
    assert table.classes == ("ant (1)", "ant (2)")
    assert table.frame["label"].to_list() == ["ant (1)", "ant (2)"]


@pytest.mark.parametrize(
    ("name", "split"),
    [("train2019", "train"), ("instances_val2017", "val"), ("TEST", "test"), ("latest", None), ("interval", None)],
)
def test_whole_words_of_the_name_say_the_split(tmp_path: Path, name: str, split: str | None) -> None:
    content = coco(["a.jpg"], [1], [{"id": 1, "name": "ant"}])
    assert CocoReader().read(file(tmp_path, content, f"{name}.json")).frame["split"].to_list() == [split]


def test_a_box_of_other_than_four_numbers_is_left_out(tmp_path: Path) -> None:
    content = coco(["a.jpg", "b.jpg", "c.jpg"], [1, 1, 1], [{"id": 1, "name": "ant"}])
    for entry, box in zip(content["annotations"], (["x", 1, 2, 3], [1, 2], "1234"), strict=True):
        entry["bbox"] = box
    assert CocoReader().read(file(tmp_path, content)).frame["box"].null_count() == 3


def test_two_files_of_one_split_are_refused(tmp_path: Path) -> None:
    content = coco(["a.jpg"], [1], [{"id": 1, "name": "ant"}])
    file(tmp_path, content, "instances_train.json")
    file(tmp_path, content, "person_keypoints_train.json")
    with pytest.raises(DataError, match=r"instances_train.json, person_keypoints_train.json"):
        CocoReader().read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"images": [{"id": 1}]},
        {"images": [3]},
        {"categories": [{"id": 1}]},
        {"categories": [{"id": [1], "name": "ant"}]},
        {"categories": [{"id": 2, "name": "ant"}]},
        {"annotations": [{"image_id": 0}]},
        {"annotations": [{"image_id": 0, "category_id": [1]}]},
        {"images": [{"id": 1, "file_name": "\ud800.jpg"}]},
        {"images": []},
        {"images": {}},
    ],
)
def test_damaged_entries_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    content = coco(["a.jpg"], [1], [{"id": 1, "name": "ant"}]) | change
    with pytest.raises(DataError):
        CocoReader().read(file(tmp_path, content))


def test_other_json_beside_pictures_is_passed_over(tmp_path: Path) -> None:
    write(
        tmp_path, {"deep.json": "[" * 100_000, "keys.json": '["images", "annotations", "categories"]', "cut.json": "{"}
    )
    (tmp_path / "dangling.json").symlink_to("missing")
    (tmp_path / "folder.json").mkdir()
    assert CocoReader().recognise(tmp_path) is None
    keys = '{"images": [], "annotations": [], "categories": [' + "[" * 100_000
    assert CocoReader().recognise(write(tmp_path / "deep", {"list.json": keys})) is None
