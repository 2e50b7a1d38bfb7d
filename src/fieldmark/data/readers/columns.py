"""Columns of CSV, TSV and Parquet files, under the table's names."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from fieldmark.data.readers.folders import SPLIT_NAMES
from fieldmark.data.table import UNREADABLE
from fieldmark.errors import DataError

#: Names that columns of manifests go by → the table's column.
ALIASES = {
    "file": "path",
    "filename": "path",
    "file_name": "path",
    "filepath": "path",
    "image": "path",
    "image_path": "path",
    "class": "label",
    "category": "label",
    "target": "label",
    "species": "label",
    "subset": "split",
    "fold": "split",
    "partition": "split",
    "patient": "group",
    "patient_id": "group",
}

#: Endings of text files → what separates their columns.
SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


def load_columns(path: Path, aliases: Mapping[str, str], rows: int | None = None) -> pl.DataFrame:
    """Load a file of columns, each under the table's name for it.

    Args:
        path: a CSV, TSV, TXT or Parquet file; what is no Parquet file is read as text, nothing but text in it.
        aliases: names that columns go by → the table's column.
        rows: how many rows are wanted; all by default.

    Raises:
        DataError: it can't be read.
    """
    return _renamed(_load(path, rows), aliases)


def plain_values(path: Path, column: pl.Series) -> list[object]:
    """Return a column's values as text without blanks around it, null where nothing is left."""
    if column.dtype.is_nested():
        raise DataError(f"{path}: the column {column.name!r} holds lists.", "Give one value a row.")
    texts = column.cast(pl.String).str.strip_chars()
    return texts.set(texts == "", None).to_list()


def split_named(path: Path, value: object) -> str | None:
    """Return the split that a value names; ``None`` without a value."""
    if value is None:
        return None
    split = SPLIT_NAMES.get(str(value).lower())
    if split is None:
        raise DataError(f"{path} has a split {value!r}.", f"Use one of: {', '.join(sorted(SPLIT_NAMES))}.")
    return split


def _load(path: Path, rows: int | None) -> pl.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(path, n_rows=rows)
        text = path.read_bytes()
        text.decode("utf-8-sig")
        return pl.read_csv(text, separator=_separator(path, text), n_rows=rows, infer_schema=False)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.") from error
    except UNREADABLE as error:
        first = str(error).splitlines()[0]
        raise DataError(f"{path} can't be read: {first}", "Give a CSV, TSV or Parquet file with a header.") from error


def _separator(path: Path, text: bytes) -> str:
    """Take the ending's separator, but believe a header line that holds another one and not that."""
    header = text.split(b"\n", 1)[0].decode("utf-8-sig", "replace")
    usual = SEPARATORS.get(path.suffix.lower(), ",")
    others = [mark for mark in (",", "\t", ";") if mark in header]
    return usual if usual in header or not others else others[0]


def _renamed(frame: pl.DataFrame, aliases: Mapping[str, str]) -> pl.DataFrame:
    """Give columns the table's names; a column that has the right name already is not displaced."""
    names: dict[str, str] = {}
    for column in frame.columns:
        plain = column.strip().lower().lstrip("\ufeff")
        wanted = aliases.get(plain, plain)
        if column == wanted or (wanted not in names.values() and wanted not in frame.columns):
            names[column] = wanted
    return frame.rename(names)
