import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the test folders are no packages
from fieldmark.data.readers.folders import FoldersReader
from fieldmark.data.table import Table
from fieldmark.errors import DataError
from format_examples import make_folders, write


def read(folder: Path, *names: str) -> Table:
    return FoldersReader().read(write(folder, dict.fromkeys(names, b"")))


def labels(table: Table) -> dict[str, str | None]:
    return dict(table.frame.select("path", "label").rows())


def test_splits_and_classes(tmp_path: Path) -> None:
    table = FoldersReader().read(make_folders(tmp_path))
    assert table.counts() == {"test": 2, "train": 4}
    assert table.classes == ("ant", "bee")
    assert labels(table)["Train/ant/1.png"] == "ant"
    assert FoldersReader().recognise(tmp_path) == "2 class folders in test, train"


def test_deeper_folders_are_a_lineage(tmp_path: Path) -> None:
    table = read(tmp_path, "val/insect/ant/a.jpg", "val/bird/owl/b.jpg", "train/bird/owl/c.jpg")
    assert table.lineage_of() == {"owl": ("bird", "owl"), "ant": ("insect", "ant")}
    assert table.rank_names == ("rank 1", "class")


def test_a_name_under_two_parents_carries_them(tmp_path: Path) -> None:
    table = read(tmp_path, "apple/red/a.jpg", "pear/red/b.jpg")
    assert labels(table) == {"apple/red/a.jpg": "apple/red", "pear/red/b.jpg": "pear/red"}
    assert table.lineage_of()["apple/red"] == ("apple", "apple/red")


def test_folders_of_unequal_depth_are_no_lineage(tmp_path: Path) -> None:
    table = read(tmp_path, "ant/a.jpg", "bird/owl/b.jpg")
    assert labels(table) == {"ant/a.jpg": "ant", "bird/owl/b.jpg": "bird/owl"}
    assert table.lineage_of() == {}
    assert table.rank_names == ("class",)


def test_pictures_outside_of_classes_are_unlabelled(tmp_path: Path) -> None:
    table = read(tmp_path, "train/ant/a.jpg", "train/b.jpg", "unlabelled/x/c.jpg", "train/Unlabeled/d.jpg", "e.jpg")
    assert labels(table) == {
        "e.jpg": None,
        "train/Unlabeled/d.jpg": None,
        "train/ant/a.jpg": "ant",
        "train/b.jpg": None,
        "unlabelled/x/c.jpg": None,
    }


def test_what_could_not_be_taken_is_kept_as_skipped(tmp_path: Path) -> None:
    write(tmp_path, {"ant/a.jpg": b"", os.fsdecode(b"ant/\xff.jpg"): b""})
    (skipped,) = FoldersReader().read(tmp_path).skipped
    assert skipped.path == "ant/\\udcff.jpg"


def test_without_classes_it_is_another_format(tmp_path: Path) -> None:
    write(tmp_path, {"a.jpg": b"", "train/b.jpg": b""})
    assert FoldersReader().recognise(tmp_path) is None
    with pytest.raises(DataError, match="no class folders"):
        FoldersReader().read(tmp_path)
