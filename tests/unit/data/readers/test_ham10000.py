import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the test folders are no packages
from fieldmark.data.readers.ham10000 import Ham10000Reader
from fieldmark.data.reading import read_table
from fieldmark.errors import DataError
from format_examples import make_ham10000, write


def test_the_group_is_the_lesion_and_both_folders_count(tmp_path: Path) -> None:
    table = Ham10000Reader().read(make_ham10000(tmp_path))
    assert table.frame["id"].to_list() == [f"ISIC_{index}" for index in range(6)]
    assert table.frame["path"][:2].to_list() == [
        "HAM10000_images_part_1/ISIC_0.jpg",
        "HAM10000_images_part_2/ISIC_1.jpg",
    ]
    assert table.frame["label"].to_list() == ["ant"] * 4 + ["bee"] * 2
    assert table.frame["group"].to_list() == ["HAM_0", "HAM_0", "HAM_1", "HAM_1", "HAM_2", "HAM_2"]
    assert table.counts() == {"none": 6}


def test_the_split_that_is_made_keeps_lesions_together(tmp_path: Path) -> None:
    table = read_table(make_ham10000(tmp_path))
    assert table.frame.group_by("group").n_unique()["split"].to_list() == [1, 1, 1]


def test_a_missing_photo_keeps_its_row(tmp_path: Path) -> None:
    (make_ham10000(tmp_path) / "HAM10000_images_part_2" / "ISIC_1.jpg").unlink()
    assert Ham10000Reader().read(tmp_path).frame["path"][1] == "HAM10000_images/ISIC_1.jpg"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("lesion_id,image_id\na,b\n", "lacks dx"),
        ("lesion_id,image_id,dx\na,,nv\n", "without image_id"),
        ("lesion_id,image_id,dx\na,b,nv\na,b,nv\n", "twice"),
        ("lesion_id,image_id,dx\na,b,nv,x,y\n", "can't be read"),
        ("", "can't be read"),
        (b"lesion_id,image_id,dx\n\xff,b,nv\n", "can't be read"),
    ],
)
def test_damaged_metadata_are_named(tmp_path: Path, content: str | bytes, named: str) -> None:
    with pytest.raises(DataError, match=named):
        Ham10000Reader().read(write(tmp_path, {"HAM10000_metadata.csv": content}))
