import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from fieldmark.data.table import SCHEMA, Table, make_table
from fieldmark.errors import DataError
from fieldmark.records import BrokenRow


def make(**columns: list[object]) -> Table:
    rows: dict[str, list[object]] = {
        "path": ["a.jpg", "é\n.jpg", "c.jpg"],
        "label": ["x", "y", None],
        "split": ["train", "test", None],
        "group": ["g", None, None],
        "lineage": [["k", "x"], ["k", "y"], None],
        "box": [[1.0, 2.0, 3.0, 4.5], None, None],
        "parts": [[{"name": "beak", "x": 1.5, "y": 2.0, "visible": True}], [], None],
        "attributes": [[0.5, 100.0], None, None],
    }
    return make_table(
        rows | columns,
        Path("data"),
        reader="folders",
        classes=["y", "x", "z"],
        rank_names=("kind", "class"),
        part_names=("beak",),
        attribute_names=("red", "blue"),
        skipped=[BrokenRow("b", "b", "why")],
    )


def test_what_is_saved_comes_back_with_an_absolute_root(tmp_path: Path) -> None:
    table = make()
    table.save(tmp_path / "table.parquet")
    again = Table.load(tmp_path / "table.parquet")
    assert again.frame.equals(table.frame)
    assert again.frame.schema == table.frame.schema
    assert again.root == Path("data").resolve()
    assert replace(again, frame=table.frame, root=table.root) == replace(table, frame=table.frame)
    assert again.skipped == (BrokenRow("b", "b", "why"),)
    assert [file.name for file in tmp_path.iterdir()] == ["table.parquet"]


def test_saving_replaces_a_table(tmp_path: Path) -> None:
    make().save(tmp_path / "t.parquet")
    make().labelled().save(tmp_path / "t.parquet")
    assert len(Table.load(tmp_path / "t.parquet")) == 2


@pytest.mark.parametrize("metadata", [None, {}, {"fieldmark": "{}"}, {"fieldmark": "["}, {"fieldmark": "[]"}])
def test_another_parquet_file_is_no_table(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    make().frame.write_parquet(tmp_path / "t.parquet", metadata=metadata)
    with pytest.raises(DataError, match="not a table"):
        Table.load(tmp_path / "t.parquet")


def test_a_table_without_all_columns_is_refused(tmp_path: Path) -> None:
    make().save(tmp_path / "t.parquet")
    metadata = pl.read_parquet_metadata(tmp_path / "t.parquet")
    make().frame.drop("box").write_parquet(tmp_path / "u.parquet", metadata={"fieldmark": metadata["fieldmark"]})
    with pytest.raises(DataError, match="not a table"):
        Table.load(tmp_path / "u.parquet")


@pytest.mark.parametrize("place", range(0, 100, 5))
def test_a_damaged_file_ends_in_a_message(tmp_path: Path, place: int) -> None:
    file = tmp_path / "t.parquet"
    make().save(file)
    raw = bytearray(file.read_bytes())
    start = len(raw) * place // 100
    raw[start : start + 60] = b"\xff" * 60
    file.write_bytes(raw)
    try:
        assert isinstance(Table.load(file), Table)
    except DataError as error:
        assert "damaged" in str(error)


@pytest.mark.parametrize("column", ["id", "path", "label", "split", "group"])
def test_the_fingerprint_changes_with_what_decides_on_training(column: str) -> None:
    table = make()
    new = {"split": "val", "label": "z"}.get(column, "other")
    changed = pl.when(pl.col("id") == "c.jpg").then(pl.lit(new)).otherwise(pl.col(column)).alias(column)
    assert replace(table, frame=table.frame.with_columns(changed)).fingerprint() != table.fingerprint()


def test_the_fingerprint_ignores_order_place_and_boxes_but_not_the_order_of_classes() -> None:
    table = make()
    print_ = table.fingerprint()
    assert len(print_) == 16
    assert int(print_, 16) >= 0
    assert replace(table, frame=table.frame.reverse(), root=Path("elsewhere")).fingerprint() == print_
    assert make(box=[None, None, None]).fingerprint() == print_
    assert replace(table, classes=("x", "y", "z")).fingerprint() != print_


def test_selecting_keeps_classes_and_names() -> None:
    table = make()
    assert table.split("train", "val").frame["id"].to_list() == ["a.jpg"]
    assert len(table.split()) == 0
    assert table.labelled().classes == table.classes
    assert len(table.where(pl.col("group") == "g")) == 1
    assert table.counts() == {"none": 1, "test": 1, "train": 1}


def test_label_indices_are_places_among_the_classes_and_null_without_label() -> None:
    assert make().label_indices().to_list() == [1, 0, None]
    assert make().label_indices().dtype == pl.Int64
    assert make(label=[None] * 3).label_indices().to_list() == [None] * 3


def test_lineage_of_names_each_class_once() -> None:
    assert make().lineage_of() == {"x": ("k", "x"), "y": ("k", "y")}


def test_columns_that_are_absent_are_null_and_the_path_is_the_id() -> None:
    table = make_table({"path": ["b.jpg", "a.jpg"], "label": ["q", "p"]}, Path(), reader="flat")
    assert dict(table.frame.schema) == SCHEMA
    assert table.frame["id"].to_list() == ["b.jpg", "a.jpg"]
    assert table.classes == ("p", "q")
    assert table.frame["split"].null_count() == 2


@pytest.mark.parametrize(
    ("columns", "classes", "named"),
    [
        ({"path": ["a"], "lable": ["x"]}, None, "Unknown columns: lable"),
        ({}, None, "no samples"),
        ({"path": []}, None, "no samples"),
        ({"path": ["a", "b", "a", "b"]}, None, "2 ids occur twice, such as 'a'"),
        ({"text": ["a", "b"]}, None, "2 rows have neither id nor path"),
        ({"path": ["a"], "split": ["training"]}, None, "Unknown split: training"),
        ({"path": ["a"], "label": ["x"]}, ["y"], "no class: x"),
        ({"path": ["a"], "label": ["x"]}, ["x", "y", "x"], "'x' is listed twice"),
        ({"path": [json.loads('"\\ud800.jpg"')]}, None, "not valid text"),
    ],
)
def test_a_table_that_would_not_hold_is_refused(
    columns: dict[str, list[object]], classes: list[str] | None, named: str
) -> None:
    with pytest.raises(DataError, match=named) as caught:
        make_table(columns, Path("data"), reader="x", classes=classes)
    assert caught.value.cure
