import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the test folders are no packages
from fieldmark.data.readers.wav import WavReader
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from format_examples import write


def read(folder: Path, *names: str) -> Table:
    return WavReader().read(write(folder, dict.fromkeys(names, b"")))


def column(table: Table, name: str) -> list[str | None]:
    return table.frame[name].to_list()


def test_names_tell_label_and_speaker(tmp_path: Path) -> None:
    table = read(tmp_path, "big_dog_ann_0.wav", "cat_bob_12.WAV")
    assert column(table, "label") == ["big_dog", "cat"]
    assert column(table, "group") == ["ann", "bob"]
    assert column(table, "split") == [None, None]
    assert WavReader().recognise(tmp_path) == "2 sounds named label_speaker_index"


def test_names_count_below_folders_of_splits_too(tmp_path: Path) -> None:
    table = read(tmp_path, "train/dog_ann_0.wav", "test/cat_bob_1.wav")
    assert column(table, "label") == ["cat", "dog"]
    assert column(table, "split") == ["test", "train"]


def test_class_folders_beside_names_that_tell_something_else(tmp_path: Path) -> None:
    table = read(tmp_path, "train/dog/take_a_1.flac", "train/cat/cat_ann_2.flac", "test/dog/3.ogg")
    assert column(table, "label") == ["dog", "cat", "dog"]
    assert column(table, "group") == [None, "ann", None]
    assert column(table, "split") == ["test", "train", "train"]
    assert WavReader().recognise(tmp_path) == "3 sounds in 2 class folders in test, train"


def test_deeper_folders_are_a_lineage(tmp_path: Path) -> None:
    table = read(tmp_path, "bird/owl/1.wav", "insect/bee/2.wav")
    assert table.lineage_of() == {"owl": ("bird", "owl"), "bee": ("insect", "bee")}
    assert table.rank_names == ("rank 1", "class")


def test_other_names_and_no_folders_are_unlabelled(tmp_path: Path) -> None:
    table = read(tmp_path, "one.wav", "dog_ann_2.wav")
    assert column(table, "label") == [None, None]


def test_a_folder_can_declare_sounds_to_have_no_label(tmp_path: Path) -> None:
    table = read(tmp_path, "dog_ann_0.wav", "cat_ann_0.wav", "unlabelled/dog_bob_1.wav", "unlabelled/noise.wav")
    assert column(table, "label") == ["cat", "dog", None, None]
    assert column(table, "group") == ["ann", "ann", "bob", None]


def test_the_spoken_digits_have_their_official_split(tmp_path: Path) -> None:
    names = [f"recordings/{digit}_ann_{index}.wav" for digit in (0, 9) for index in (0, 4, 5, 49)]
    table = read(tmp_path, *names, "recordings/.hidden_x_1.wav")
    assert dict(zip(column(table, "path"), column(table, "split"), strict=True)) == {
        name: "test" if name.endswith(("_0.wav", "_4.wav")) else "train" for name in names
    }
    inside = WavReader().read(tmp_path / "recordings")
    assert sorted(column(inside, "split")) == sorted(column(table, "split"))


@pytest.mark.parametrize("names", [("recordings/dog_ann_1.wav",), ("takes/7_ann_1.wav",), ("7_ann_1.wav",)])
def test_what_only_resembles_the_spoken_digits_has_no_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert column(read(tmp_path, *names), "split") == [None]


def test_a_split_of_ones_own_keeps_speakers_together(tmp_path: Path) -> None:
    names = [f"{word}_{speaker}_{n}.wav" for word in ("yes", "no") for speaker in "abcdefghij" for n in range(3)]
    table = read_table(write(tmp_path, dict.fromkeys(names, b"")))
    assert set(table.counts()) == {"train", "val", "test"}
    assert table.frame.select("group", "split").unique().height == 10


def test_pictures_with_a_few_sounds_stay_pictures(tmp_path: Path) -> None:
    write(tmp_path, {"ant/1.png": b"", "ant/2.png": b"", "bee/1.wav": b""})
    assert WavReader().recognise(tmp_path) is None
    assert read_table(tmp_path).reader == "folders"


def test_sounds_with_a_cover_stay_sounds(tmp_path: Path) -> None:
    write(tmp_path, {"ant/1.wav": b"", "bee/2.wav": b"", "cover.jpg": b""})
    assert read_table(tmp_path).reader == "wav"
