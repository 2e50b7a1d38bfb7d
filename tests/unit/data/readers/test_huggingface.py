import sys
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the test folders are no packages
from fieldmark.data.containers import picture_column
from fieldmark.data.images import load_fitted
from fieldmark.data.readers.huggingface import HuggingFaceReader
from fieldmark.data.reading import read_table
from fieldmark.errors import DataError
from fieldmark.records import Preprocessing
from format_examples import make_huggingface, pixels, write

datasets = pytest.importorskip("datasets")
datasets.disable_progress_bars()


def save(folder: Path, labels: list[object], feature: object, column: str = "label", **more: object) -> Path:
    features = datasets.Features(
        {"image": datasets.Image(), column: feature} | {name: f for name, (f, _) in more.items()}
    )
    columns = {"image": [Image.fromarray(pixels(seed)) for seed in range(len(labels))], column: labels}
    columns |= {name: values for name, (_, values) in more.items()}
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(str(folder))
    return folder


def test_a_dict_of_datasets_gives_splits_and_class_names(tmp_path: Path) -> None:
    table = HuggingFaceReader().read(make_huggingface(tmp_path / "data"))
    assert table.counts() == {"train": 4, "val": 2}
    assert table.classes == ("ant", "bee")
    assert table.frame["label"].to_list() == ["ant", "bee"] * 3
    assert table.frame["path"][0] == "train/data-00000-of-00001.arrow#0"
    shown = load_fitted(table.root, table.frame["path"][5], Preprocessing(8)).pixels
    assert (shown == pixels(5)).all()


def test_one_dataset_gets_a_split_and_rows_of_minus_one_stay_unlabelled(tmp_path: Path) -> None:
    classes = datasets.ClassLabel(names=["bee", "ant", "wasp"])
    table = read_table(save(tmp_path / "data", [0, 1, -1, None], classes))
    assert table.classes == ("bee", "ant", "wasp")
    assert table.frame["label"].to_list() == ["bee", "ant", None, None]
    assert table.frame["split"].to_list() == ["train", "train", None, None]


def test_labels_that_are_words_and_columns_of_lists(tmp_path: Path) -> None:
    boxes = (datasets.Array2D((2, 2), "float32"), [[[0, 0], [1, 1]]] * 2)
    table = HuggingFaceReader().read(save(tmp_path / "data", ["b", "a"], datasets.Value("string"), boxes=boxes))
    assert table.frame["label"].to_list() == ["b", "a"]
    assert table.classes == ("a", "b")


def test_class_labels_are_found_under_any_name(tmp_path: Path) -> None:
    table = HuggingFaceReader().read(save(tmp_path / "d", [1, 0], datasets.ClassLabel(names=["a", "b"]), "breed"))
    assert table.frame["label"].to_list() == ["b", "a"]


def test_copies_that_map_leaves_are_not_read(tmp_path: Path) -> None:
    folder = save(tmp_path / "data", [0, 1], datasets.ClassLabel(names=["a", "b"]))
    datasets.load_from_disk(str(folder)).map(lambda row: {"label": 0})
    assert len(list(folder.glob("*.arrow"))) == 2
    assert HuggingFaceReader().read(folder).frame["label"].to_list() == ["a", "b"]
    (folder / "state.json").unlink()
    assert len(HuggingFaceReader().read(folder)) == 2


def test_sounds_are_not_taken_for_pictures() -> None:
    pa = pytest.importorskip("pyarrow")
    cell = [{"bytes": b"", "path": None}]
    told = {b"huggingface": b'{"info": {"features": {"clip": {"_type": "Audio"}, "photo": {"_type": "Image"}}}}'}
    table = pa.table({"clip": cell, "photo": cell})
    assert picture_column(table) == "clip"
    assert picture_column(table.replace_schema_metadata(told)) == "photo"
    assert picture_column(table.select(["clip"]).replace_schema_metadata(told)) is None
    assert picture_column(table.replace_schema_metadata({b"huggingface": b"[]"})) == "clip"


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("data-00000-of-00001.arrow", b"", "not an Arrow file"),
        ("data-00000-of-00001.arrow", b"ARROW1 and no more", "not an Arrow file"),
        ("dataset_info.json", "[", "no readable dataset_info.json"),
        ("dataset_info.json", "[]", "no readable dataset_info.json"),
        ("dataset_info.json", '{"features": {"label": {"names": ["only"]}}}', "label 1"),
        ("state.json", '{"_data_files": [{"filename": "missing.arrow"}]}', "missing.arrow"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, file: str, content: str | bytes, named: str) -> None:
    folder = save(tmp_path / "data", [0, 1], datasets.ClassLabel(names=["a", "b"]))
    with pytest.raises(DataError, match=named):
        HuggingFaceReader().read(write(folder, {file: content}))


def test_several_labels_a_row_and_no_pictures_are_refused(tmp_path: Path) -> None:
    several = save(tmp_path / "several", [["a"], ["b"]], datasets.List(datasets.Value("string")))
    with pytest.raises(DataError, match="several values"):
        HuggingFaceReader().read(several)
    datasets.Dataset.from_dict({"text": ["a"], "label": [0]}).save_to_disk(str(tmp_path / "text"))
    with pytest.raises(DataError, match="no column of pictures"):
        HuggingFaceReader().read(tmp_path / "text")
