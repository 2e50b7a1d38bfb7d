"""A list of pictures in a CSV, TSV or Parquet file."""

import difflib
from pathlib import Path

import polars as pl

from fieldmark.data.readers.columns import ALIASES, SEPARATORS, load_columns, plain_values, split_named
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError

_PLAIN = ("id", "path", "label", "split", "group")
_BOX = ("x", "y", "width", "height")

#: Boxes go by short names too, which elsewhere would mean something else.
_ALIASES = {**ALIASES, "w": "width", "h": "height"}


class ManifestReader:
    """A table with a column ``path`` and, where they are known, ``label``, ``split``, ``group``, ``lineage``, a box.

    Paths are relative to the file's folder, or absolute. ``lineage`` is coarse to fine with slashes between
    (``Larus/argentatus``), or a list in Parquet; a box is the four columns x, y, width (w) and height (h) in px.
    """

    looks_for = "a CSV, TSV or Parquet file with a column `path`"

    def recognise(self, path: Path) -> str | None:
        """Look at the ending and the columns."""
        if path.suffix.lower() not in (*SEPARATORS, ".parquet") or not path.is_file():
            return None
        try:
            columns = load_columns(path, _ALIASES, rows=1).columns
        except DataError:
            return None
        return f"columns {', '.join(columns)}" if "path" in columns else None

    def read(self, path: Path) -> Table:
        """Read one row a line."""
        frame = load_columns(path, _ALIASES)
        if "path" not in frame.columns:
            near = difflib.get_close_matches("path", frame.columns, n=1, cutoff=0.4)
            hint = f"Rename {near[0]!r} to 'path'" if near else "Name the column of files 'path'"
            raise DataError(f"{path} has no column 'path'.", f"{hint}; it has: {', '.join(frame.columns)}.")
        columns = {name: plain_values(path, frame[name]) for name in _PLAIN if name in frame.columns}
        columns["path"] = [_place(path, number, file) for number, file in enumerate(columns["path"], 1)]
        if "split" in columns:
            columns["split"] = [split_named(path, value) for value in columns["split"]]
        depth = _add_lineage(columns, frame)
        if all(name in frame.columns for name in _BOX):
            boxes = frame.select(pl.col(name).cast(pl.Float64, strict=False) for name in _BOX).rows()
            columns["box"] = [None if None in box else list(box) for box in boxes]
        ranks = [*(f"rank {level}" for level in range(1, depth)), "class"] if depth else ["class"]
        return make_table(columns, path.parent, reader="manifest", rank_names=ranks)


def _place(path: Path, number: int, file: object) -> str:
    if file is None:
        raise DataError(f"{path}: row {number} has no path.", "Give every row its file, or remove the row.")
    return str(file).replace("\\", "/")


def _add_lineage(columns: dict[str, list[object]], frame: pl.DataFrame) -> int:
    """Add ``lineage`` (and ``label`` from it where there is none); return the number of ranks, 0 without."""
    if "lineage" not in frame.columns:
        return 0
    lineages = [_names(value) for value in frame["lineage"].to_list()]
    depths = {len(names) for names in lineages if names}
    if not depths:
        return 0
    if len(depths) > 1:
        raise DataError(f"Lineages have {sorted(depths)} ranks.", "Give every row the same number of ranks.")
    labels = columns.setdefault("label", [names[-1] if names else None for names in lineages])
    columns["lineage"] = [
        [*names[:-1], str(label)] if names and label is not None else None
        for names, label in zip(lineages, labels, strict=True)
    ]
    return depths.pop()


def _names(lineage: object) -> list[str] | None:
    if isinstance(lineage, list):
        return [str(name) for name in lineage] or None
    return None if lineage is None else str(lineage).split("/")
