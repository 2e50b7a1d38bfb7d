import sys
from pathlib import Path

import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the test folders are no packages
from fieldmark.data.images import load_fitted
from fieldmark.data.readers.manifest import ManifestReader
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError
from fieldmark.records import Preprocessing
from format_examples import make_manifest, paint, write


def read(folder: Path, content: str | bytes, name: str = "list.csv") -> Table:
    return ManifestReader().read(write(folder, {name: content}) / name)


def test_aliases_splits_groups_lineage_and_boxes(tmp_path: Path) -> None:
    table = ManifestReader().read(make_manifest(tmp_path))
    row = table.frame.row(4, named=True)
    assert row["path"] == "pictures/4.png"
    assert (row["label"], row["split"], row["group"]) == ("bee", "val", "p4")
    assert (row["lineage"], row["box"]) == (["insect", "bee"], [1, 2, 3, 4])
    assert table.frame["box"][0] is None
    assert table.rank_names == ("rank 1", "class")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "path,label\na b.jpg,ant\n"),
        ("a.csv", "\ufeffpath,label\r\na b.jpg,ant\r\n"),
        ("a.csv", "Path, Label\na b.jpg, ant \n"),
        ("a.csv", 'path;label\n"a b.jpg";ant\n'),
        ("a.tsv", "label\timage\nant\ta b.jpg\n"),
        ("a.txt", "label,path\nant,a b.jpg\n"),
        ("A.CSV", "species,filename\nant,a b.jpg\n"),
    ],
)
def test_separators_marks_and_spellings(tmp_path: Path, name: str, content: str) -> None:
    table = read(tmp_path, content, name)
    assert table.frame.select("path", "label").rows() == [("a b.jpg", "ant")]


def test_backslashes_and_absolute_paths_lead_to_pictures(tmp_path: Path) -> None:
    paint(tmp_path / "far" / "a.png")
    table = read(tmp_path / "near", f"path\n..\\far\\a.png\n{tmp_path / 'far' / 'a.png'}\n")
    for path in table.frame["path"]:
        assert load_fitted(table.root, path, Preprocessing(8)).size == (8, 8)


def test_the_right_name_is_not_displaced_by_an_alias_or_spelling(tmp_path: Path) -> None:
    table = read(tmp_path, "class,Label,label,path,file\nx,y,ant,a.jpg,b.jpg\n")
    assert table.frame.select("path", "label").rows() == [("a.jpg", "ant")]


def test_empty_cells_are_missing_and_numbers_are_names(tmp_path: Path) -> None:
    table = read(tmp_path, "path,label,split\na.jpg,,train\nb.jpg,007,\nc.jpg,  ,  \n")
    assert table.frame.select("label", "split").rows() == [(None, "train"), ("007", None), (None, None)]


def test_parquet_with_numbers_for_labels(tmp_path: Path) -> None:
    pl.DataFrame({"path": ["a.jpg", "b.jpg"], "label": [3, None]}).write_parquet(tmp_path / "a.parquet")
    assert ManifestReader().recognise(tmp_path / "a.parquet") == "columns path, label"
    assert ManifestReader().read(tmp_path / "a.parquet").frame["label"].to_list() == ["3", None]


def test_labels_come_from_the_lineage_where_there_are_none(tmp_path: Path) -> None:
    table = read(tmp_path, "path,lineage\na.jpg,Larus/argentatus\nb.jpg,\n")
    assert table.classes == ("argentatus",)
    assert table.lineage_of() == {"argentatus": ("Larus", "argentatus")}


def test_a_box_goes_by_its_short_names_too(tmp_path: Path) -> None:
    assert read(tmp_path, "path,X,Y,W,H\na.jpg,1,2,3,4.5\n").frame["box"].to_list() == [[1, 2, 3, 4.5]]


def test_a_lineage_in_parquet_may_be_a_list(tmp_path: Path) -> None:
    lineages = [["Larus", "canus"], None, []]
    pl.DataFrame({"path": ["a", "b", "c"], "lineage": lineages}).write_parquet(tmp_path / "a.parquet")
    table = ManifestReader().read(tmp_path / "a.parquet")
    assert table.frame.select("label", "lineage").rows() == [("canus", ["Larus", "canus"]), (None, None), (None, None)]
    assert table.rank_names == ("rank 1", "class")


@pytest.mark.parametrize("lineage", [None, ("insect", "ant")])
def test_a_saved_table_reads_as_a_manifest_as_its_error_advises(
    tmp_path: Path, lineage: tuple[str, str] | None
) -> None:
    rows = {"path": ["a.jpg"], "label": ["ant"], "split": ["val"], "lineage": [lineage]}
    saved = make_table(rows, tmp_path, reader="x")
    saved.save(tmp_path / "a.parquet")
    assert ManifestReader().read(tmp_path / "a.parquet").frame.equals(saved.frame)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("pth,label\na.jpg,x\n", "Rename 'pth'"),
        ("path,label\n,x\n", "row 1 has no path"),
        ("path,split\na.jpg,trian\n", "'trian'"),
        ("path,lineage\na.jpg,x/y\nb.jpg,x\n", r"\[1, 2\] ranks"),
        ("path\na.jpg\na.jpg\n", "twice"),
        ("path\n", "no samples"),
        ("path,label\na.jpg,x,y,z\n", "can't be read"),
        ("", "can't be read"),
        (b"path\n\xff.jpg\n", "not UTF-8"),
    ],
)
def test_damaged_lists_are_named(tmp_path: Path, content: str | bytes, named: str) -> None:
    with pytest.raises(DataError, match=named):
        read(tmp_path, content)


def test_a_column_of_lists_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"path": ["a.jpg"], "label": [["x"]]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="'label' holds lists"):
        ManifestReader().read(tmp_path / "a.parquet")
