import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the test folders are no packages
from fieldmark.data.readers.grocery import GroceryReader
from fieldmark.errors import DataError
from format_examples import make_grocery, write


def test_official_splits_classes_in_order_of_id_and_lineage(tmp_path: Path) -> None:
    table = GroceryReader().read(make_grocery(tmp_path))
    assert table.counts() == {"test": 2, "train": 2, "val": 2}
    assert table.classes == ("Ant-Apple", "Bee-Pear")
    assert table.rank_names == ("coarse", "fine")
    assert table.lineage_of() == {"Ant-Apple": ("Apple", "Ant-Apple"), "Bee-Pear": ("Pear", "Bee-Pear")}
    assert table.frame["path"][3] == "val/Fruit/Bee-Pear/3.jpg"
    assert table.frame["label"][3] == "Bee-Pear"


def test_a_missing_list_is_a_missing_split(tmp_path: Path) -> None:
    (make_grocery(tmp_path) / "val.txt").unlink()
    assert GroceryReader().read(tmp_path).counts() == {"test": 2, "train": 2}


def test_another_classes_csv_is_not_taken_for_it(tmp_path: Path) -> None:
    write(tmp_path, {"classes.csv": "name,id\n", "train.txt": ""})
    assert GroceryReader().recognise(tmp_path) is None


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("train.txt", "a.jpg, 9, 0\n", "train.txt:1 names class 9"),
        ("train.txt", "a.jpg, 0, 0\na.jpg\n", "train.txt:2"),
        ("train.txt", "a.jpg, ², 0\n", "train.txt:1"),
        ("train.txt", b"\xff.jpg, 0, 0\n", "not UTF-8"),
        ("classes.csv", "Class Name (str),Class ID (int),Coarse Class Name (str)\nx\n", "can't be read"),
        ("classes.csv", "Class Name (str),Class ID (int),Coarse Class Name (str)\nx,y,z\n", "can't be read"),
        ("classes.csv", "Class Name (str),Class ID (int),Coarse Class Name (str)\nx,0,z\nx,1,z\n", "twice"),
        ("classes.csv", b"Class Name (str)\n\xff", "can't be read"),
    ],
)
def test_damaged_lists_are_named(tmp_path: Path, file: str, content: str | bytes, named: str) -> None:
    write(make_grocery(tmp_path), {file: content})
    with pytest.raises(DataError, match=named):
        GroceryReader().read(tmp_path)
