import os
import sys
from pathlib import Path

import pytest

from fieldmark.data.readers import READERS
from fieldmark.data.reading import read_table
from fieldmark.errors import ConfigError, DataError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from format_examples import make_cub, make_flat, make_folders, make_ham10000, write


def test_nothing_there_names_what_is_nearest(tmp_path: Path) -> None:
    (tmp_path / "birds").mkdir()
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "brids")
    assert str(tmp_path / "birds") in caught.value.cure
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "zzz")
    assert caught.value.cure == "Check the path."


@pytest.mark.parametrize("name", ["none/birds", "x" * 400, "nul\0", "file/birds", "loop"])
def test_paths_that_lead_nowhere_end_in_a_message(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"file": b""})
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / name)
    assert caught.value.cure


def test_an_unknown_reader_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="folders"):
        read_table("anywhere", reader="folder")


def test_what_no_reader_knows_lists_the_formats(tmp_path: Path) -> None:
    write(tmp_path, {"notes.txt": "nothing"})
    for place in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(DataError) as caught:
            read_table(place)
        assert all(f"{name}: {reader.looks_for}" in caught.value.cure for name, reader in READERS.items())
        assert "--reader" in caught.value.cure


def test_a_reader_that_is_named_overrides_what_would_be_recognised(tmp_path: Path) -> None:
    make_cub(tmp_path)
    assert read_table(tmp_path).reader == "cub"
    assert read_table(tmp_path).recognised_by == "images.txt, image_class_labels.txt, classes.txt"
    assert read_table(tmp_path, reader="folders").reader == "folders"
    assert len(read_table(str(tmp_path), reader="flat")) == 6


def test_splits_are_made_where_there_are_none_and_left_where_there_are_some(tmp_path: Path) -> None:
    made = read_table(make_ham10000(tmp_path / "ham"))
    assert made.frame["split"].null_count() == 0
    assert made.frame.equals(read_table(tmp_path / "ham", seed=0).frame)
    official = read_table(make_folders(tmp_path / "folders"))
    assert official.counts() == {"test": 2, "train": 4}
    partly = make_folders(tmp_path / "partly")
    (partly / "test").rename(partly / "wasp")
    assert read_table(partly).counts() == {"none": 2, "train": 4}
    assert read_table(make_flat(tmp_path / "flat")).counts() == {"none": 6}


def test_the_seed_chooses_the_split(tmp_path: Path) -> None:
    write(tmp_path, {f"ant/{index}.jpg": b"" for index in range(50)})
    one, other = (read_table(tmp_path, seed=seed).frame["split"].to_list() for seed in (0, 1))
    assert one != other


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may enter every folder")
def test_a_folder_that_may_not_be_entered(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0)
    with pytest.raises(DataError, match="Permission denied"):
        read_table(tmp_path / "shut" / "birds")
