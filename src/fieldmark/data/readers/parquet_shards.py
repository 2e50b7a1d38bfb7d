"""Parquet shards: a folder of Parquet files that hold the pictures beside the table's columns."""

import json
from pathlib import Path

import polars as pl

from fieldmark.data.shard_files import IMAGE_COLUMN, PARQUET
from fieldmark.data.sharding import INDEX_FILE, NAMES_KEY
from fieldmark.data.table import SCHEMA, UNREADABLE, Table, make_table
from fieldmark.errors import DataError

_NAMES = ("classes", "rank_names", "part_names", "attribute_names")


class ParquetShardsReader:
    """Shards that ``fieldmark data shard --format parquet`` wrote, all or some: every one says what it holds."""

    looks_for = "Parquet files that `fieldmark data shard` wrote"

    def recognise(self, path: Path) -> str | None:
        """Look for Fieldmark's key in the first file's metadata."""
        files = _shards(path)
        return f"Parquet shards: {len(files)}" if files and _names(files[0]) is not None else None

    def read(self, path: Path) -> Table:
        """Read one row a picture; ``path`` is ``file.parquet#index``. The pictures themselves are not read."""
        files = _shards(path)
        names = _names(files[0]) if files else None
        if names is None:
            raise DataError(
                f"{path} holds no Parquet shards.", "Make some: fieldmark data shard PATH --format parquet."
            )
        wanted = [name for name in SCHEMA if name != "path"]
        frames = []
        for file in files:
            try:
                frame = pl.read_parquet(file, columns=wanted)
            except UNREADABLE as error:
                raise DataError(f"{file} is no Parquet shard, or damaged.", "Copy it again.") from error
            frames.append(frame.with_columns(path=pl.format(f"{file.name}#{{}}", pl.int_range(pl.len()))))
        frame = pl.concat(frames)
        return make_table(
            {name: frame[name].to_list() for name in SCHEMA},
            files[0].parent,
            reader="parquet-shards",
            classes=names["classes"],
            rank_names=names["rank_names"],
            part_names=names["part_names"],
            attribute_names=names["attribute_names"],
        )


def _shards(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == PARQUET else []
    if not path.is_dir():
        return []
    return sorted(file for file in path.glob(f"*{PARQUET}") if file.name != INDEX_FILE and file.is_file())


def _names(file: Path) -> dict[str, list[str]] | None:
    """Return the names that a shard's columns refer to; ``None`` where it is no shard."""
    try:
        if IMAGE_COLUMN not in pl.read_parquet_schema(file):
            return None
        names = json.loads(pl.read_parquet_metadata(file)[NAMES_KEY])
        return {name: [str(entry) for entry in names[name]] for name in _NAMES}
    except (*UNREADABLE, LookupError, TypeError, ValueError):
        return None
