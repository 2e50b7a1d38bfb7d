import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the test folders are no packages
from fieldmark.data.readers.text import TextReader
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.errors import DataError
from format_examples import make_text, write


def read(folder: Path, content: str, name: str = "questions.csv") -> Table:
    return TextReader().read(write(folder, {name: content}) / name)


def test_a_folder_of_splits_with_a_list_of_classes(tmp_path: Path) -> None:
    table = TextReader().read(make_text(tmp_path))
    assert table.frame["id"].to_list() == ["train/1", "train/2", "train/3", "train/4", "test/1", "test/2"]
    assert table.frame["text"][1] == 'It has six legs,\nand "wings"'
    assert table.frame["text"][5] == " It hums "
    assert table.frame["path"].null_count() == 6
    assert table.counts() == {"test": 2, "train": 4}
    assert table.classes == ("bee", "ant")
    assert TextReader().recognise(tmp_path) == "train.csv, test.csv with the columns text, label"


@pytest.mark.parametrize("label", ["label", "category", "intent", "Class"])
def test_one_file_whose_split_is_made(tmp_path: Path, label: str) -> None:
    rows = "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(40))
    table = read_table(write(tmp_path, {"test.csv": f"text,{label}\n{rows}"}) / "test.csv")
    assert (table.reader, table.classes) == ("text", ("a", "b"))
    assert table.frame["id"][0] == "test/1"
    assert set(table.counts()) == {"train", "val", "test"}


def test_columns_of_id_split_and_group(tmp_path: Path) -> None:
    table = read(tmp_path, "id\tsentence\tsubset\tgroup\nx\thello\tvalid\tann\n\tbye\t\t\n", "texts.tsv")
    assert table.frame.select("id", "text", "label", "split", "group").rows() == [
        ("x", "hello", None, "val", "ann"),
        ("texts/2", "bye", None, None, None),
    ]


def test_rows_without_text_are_skipped_by_number(tmp_path: Path) -> None:
    table = read(tmp_path, 'text,label\nhello,a\n,a\n"  ",b\nbye,b\n')
    assert table.frame["id"].to_list() == ["questions/1", "questions/4"]
    assert [(row.id, row.path) for row in table.skipped] == [
        ("questions/2", "questions.csv"),
        ("questions/3", "questions.csv"),
    ]


def test_a_list_that_lacks_a_class_gives_way_to_the_labels(tmp_path: Path) -> None:
    write(tmp_path, {"categories.json": '["b"]'})
    assert read(tmp_path, "text,label\nhello,b\nbye,a\n").classes == ("a", "b")


@pytest.mark.parametrize("content", ["{}", "[1]", "[", "[" * 100_000])
def test_a_damaged_list_of_classes_is_an_error(tmp_path: Path, content: str) -> None:
    write(tmp_path, {"categories.json": content})
    with pytest.raises(DataError, match=r"categories\.json"):
        read(tmp_path, "text,label\nhello,b\n")


@pytest.mark.parametrize("content", ["question,label\nhello,a\n", "", "text\n\xff", "text,label\n"])
def test_what_gives_no_texts_is_an_error(tmp_path: Path, content: str) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError) as caught:
        TextReader().read(file)
    assert caught.value.cure


def test_files_with_a_column_of_paths_stay_manifests(tmp_path: Path) -> None:
    write(tmp_path, {"captions.csv": "image,text,label\na.png,hello,a\n"})
    assert TextReader().recognise(tmp_path / "captions.csv") is None
    assert read_table(tmp_path / "captions.csv").reader == "manifest"


def test_class_folders_beside_lists_of_texts_stay_pictures(tmp_path: Path) -> None:
    write(tmp_path, {"train.csv": "id,text\n1,hello\n", "ant/1.png": b"", "bee/2.png": b""})
    assert read_table(tmp_path).reader == "folders"


def test_a_folder_is_texts_only_where_every_split_is(tmp_path: Path) -> None:
    write(tmp_path, {"train.csv": "text\nhello\n", "test.csv": "image\na.png\n", "notes.csv": "anything\n1\n"})
    assert TextReader().recognise(tmp_path) is None
    (tmp_path / "test.csv").unlink()
    assert TextReader().recognise(tmp_path) == "train.csv with the columns text"
