"""A list of pictures in a CSV, TSV or Parquet file."""

import difflib
from pathlib import Path

import polars as pl

from fieldmark.data.readers.folders import SPLIT_NAMES
from fieldmark.data.table import UNREADABLE, Table, make_table
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

_PLAIN = ("id", "path", "label", "split", "group")
_BOX = ("x", "y", "width", "height")
_SUFFIXES = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


class ManifestReader:
    """A table with a column ``path`` and, where they are known, ``label``, ``split``, ``group``, ``lineage``, a box.

    Paths are relative to the file's folder, or absolute. ``lineage`` is coarse to fine with slashes between
    (``Larus/argentatus``); a box is the four columns x, y, width and height in px.
    """

    looks_for = "a CSV, TSV or Parquet file with a column `path`"

    def recognise(self, path: Path) -> str | None:
        """Look at the ending and the columns."""
        if path.suffix.lower() not in (*_SUFFIXES, ".parquet") or not path.is_file():
            return None
        try:
            columns = _renamed(_load(path, rows=1)).columns
        except DataError:
            return None
        return f"columns {', '.join(columns)}" if "path" in columns else None

    def read(self, path: Path) -> Table:
        """Read one row a line."""
        frame = _renamed(_load(path))
        if "path" not in frame.columns:
            near = difflib.get_close_matches("path", frame.columns, n=1, cutoff=0.4)
            hint = f"Rename {near[0]!r} to 'path'" if near else "Name the column of files 'path'"
            raise DataError(f"{path} has no column 'path'.", f"{hint}; it has: {', '.join(frame.columns)}.")
        columns = {name: _texts(path, frame[name]) for name in _PLAIN if name in frame.columns}
        columns["path"] = [_place(path, number, file) for number, file in enumerate(columns["path"], 1)]
        if "split" in columns:
            columns["split"] = [_split(path, value) for value in columns["split"]]
        depth = _add_lineage(columns, frame)
        if all(name in frame.columns for name in _BOX):
            boxes = frame.select(pl.col(name).cast(pl.Float64, strict=False) for name in _BOX).rows()
            columns["box"] = [None if None in box else list(box) for box in boxes]
        ranks = [*(f"rank {level}" for level in range(1, depth)), "class"] if depth else ["class"]
        return make_table(columns, path.parent, reader="manifest", rank_names=ranks)


def _load(path: Path, rows: int | None = None) -> pl.DataFrame:
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
    usual = _SUFFIXES.get(path.suffix.lower(), ",")
    others = [mark for mark in (",", "\t", ";") if mark in header]
    return usual if usual in header or not others else others[0]


def _renamed(frame: pl.DataFrame) -> pl.DataFrame:
    """Give columns the table's names; a column that has the right name already is not displaced."""
    names: dict[str, str] = {}
    for column in frame.columns:
        plain = column.strip().lower().lstrip("\ufeff")
        wanted = ALIASES.get(plain, plain)
        if column == wanted or (wanted not in names.values() and wanted not in frame.columns):
            names[column] = wanted
    return frame.rename(names)


def _texts(path: Path, column: pl.Series) -> list[object]:
    """Return a column's values as text without blanks around it, null where nothing is left."""
    if column.dtype.is_nested():
        raise DataError(f"{path}: the column {column.name!r} holds lists.", "Give one value a row.")
    texts = column.cast(pl.String).str.strip_chars()
    return texts.set(texts == "", None).to_list()


def _place(path: Path, number: int, file: object) -> str:
    if file is None:
        raise DataError(f"{path}: row {number} has no path.", "Give every row its file, or remove the row.")
    return str(file).replace("\\", "/")


def _split(path: Path, value: object) -> str | None:
    if value is None:
        return None
    split = SPLIT_NAMES.get(str(value).lower())
    if split is None:
        raise DataError(f"{path} has a split {value!r}.", f"Use one of: {', '.join(sorted(SPLIT_NAMES))}.")
    return split


def _add_lineage(columns: dict[str, list[object]], frame: pl.DataFrame) -> int:
    """Add ``lineage`` (and ``label`` from it where there is none); return the number of ranks, 0 without."""
    if "lineage" not in frame.columns:
        return 0
    lineages = [None if value is None else str(value).split("/") for value in frame["lineage"].to_list()]
    depths = {len(names) for names in lineages if names}
    if len(depths) != 1:
        raise DataError(f"Lineages have {sorted(depths)} ranks.", "Give every row the same number of ranks.")
    labels = columns.setdefault("label", [names[-1] if names else None for names in lineages])
    columns["lineage"] = [
        [*names[:-1], str(label)] if names and label is not None else None
        for names, label in zip(lineages, labels, strict=True)
    ]
    return depths.pop()
