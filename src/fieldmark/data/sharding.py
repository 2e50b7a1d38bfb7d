"""Write a table with its pictures as shards: a few large files instead of many small ones."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import polars as pl
from PIL import Image, UnidentifiedImageError

from fieldmark.data.images import read_file, sample_source
from fieldmark.data.picture_names import PICTURE_SUFFIXES
from fieldmark.data.shard_files import IMAGE_COLUMN, PARQUET, TAR
from fieldmark.data.table import SCHEMA, Table
from fieldmark.errors import BrokenImageError, ConfigError, DataError, unknown_name
from fieldmark.records import BrokenRow, Progress

#: The table of the shards, beside them; with it nobody needs to look through them.
INDEX_FILE = "index.parquet"

#: Key of the names (classes, ranks, parts, attributes) in a Parquet shard's metadata.
NAMES_KEY = "fieldmark_shard"

#: Key by which a sample's JSON in a tar file says that its entries are a table's columns.
OURS_KEY = "fieldmark"

#: Rows of a group in a Parquet shard: a picture is read with so many neighbours.
_GROUP_ROWS = 32

#: Broken rows that an error lists.
_LISTED = 20


@dataclass(frozen=True, slots=True)
class ShardedRow:
    """One row with its picture.

    Attributes:
        columns: the row's columns by name.
        picture: the encoded picture.
        suffix: its ending, with the dot.
    """

    columns: Mapping[str, object]
    picture: bytes
    suffix: str


def write_shards(
    table: Table, out: Path, form: str, *, shard_rows: int = 1000, progress: Progress | None = None
) -> Table:
    """Copy a table's pictures, as they are encoded, into shards with all that the table says of them.

    The folder appears when it is complete. Rows whose picture can't be read are left out and listed as skipped.

    Args:
        table: rows with pictures.
        out: the folder of the shards; it must not exist, or be empty.
        form: a name in ``SHARD_WRITERS``.
        shard_rows: rows of a shard, at least 1.
        progress: told how many rows are done.

    Returns:
        The table of the shards: the same rows, their pictures addressed inside the shards.

    Raises:
        ConfigError: an unknown format, a size below 1, or a folder in use.
        DataError: no row has a picture that can be read.
    """
    if form not in SHARD_WRITERS:
        raise unknown_name("format of shards", form, SHARD_WRITERS)
    if shard_rows < 1:
        raise ConfigError(f"A shard can't have {shard_rows} rows.", "Give a whole number of 1 or more.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is in use.", "Name a new or empty folder with --out.")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        sharded = _fill(table, partial, form, shard_rows, progress)
        sharded = replace(sharded, root=out)
        sharded.save(partial / INDEX_FILE)
        if out.is_dir():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return sharded


def names_of(table: Table) -> dict[str, object]:
    """Return the names that a table's columns refer to, as JSON data."""
    return {
        "classes": table.classes,
        "rank_names": table.rank_names,
        "part_names": table.part_names,
        "attribute_names": table.attribute_names,
    }


def _fill(table: Table, folder: Path, form: str, shard_rows: int, progress: Progress | None) -> Table:
    """Write the shards and return their table."""
    skipped: list[BrokenRow] = []
    rows = _rows(table, skipped, progress)
    kept: list[Mapping[str, object]] = []
    number = 0
    while group := list(islice(rows, shard_rows)):
        name = SHARD_WRITERS[form](folder, number, group, table)
        kept += [{**row.columns, "path": f"{name}#{place}"} for place, row in enumerate(group)]
        number += 1
    if not kept:
        listed = "; ".join(f"{row.path}: {row.reason}" for row in skipped[:_LISTED])
        raise DataError(f"{table.root} has no pictures that can be read.", listed or "Give a data set of pictures.")
    frame = pl.DataFrame(kept, schema=SCHEMA, orient="row")
    return replace(table, frame=frame, root=folder, skipped=(*table.skipped, *skipped))


def _rows(table: Table, skipped: list[BrokenRow], progress: Progress | None) -> Iterator[ShardedRow]:
    """Yield the rows whose picture can be read, in order; the others end up in ``skipped``."""
    for done, row in enumerate(table.frame.iter_rows(named=True), start=1):
        try:
            yield _with_picture(table.root, row)
        except BrokenImageError as error:
            skipped.append(BrokenRow(row["id"], row["path"] or "", error.message))
        if progress is not None:
            progress(done, len(table))


def _with_picture(root: Path, row: Mapping[str, object]) -> ShardedRow:
    path = row["path"]
    if not isinstance(path, str):
        raise BrokenImageError("the row has no picture")
    source = sample_source(root, path)
    data = source if isinstance(source, bytes) else read_file(source)
    return ShardedRow(row, data, _suffix(path, data))


def _suffix(path: str, data: bytes) -> str:
    """Return a picture's ending by its name, else by what it holds."""
    named = Path(path).suffix.lower()
    if named in PICTURE_SUFFIXES:
        return named
    try:
        with Image.open(io.BytesIO(data)) as image:
            found = f".{(image.format or '').lower()}"
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise BrokenImageError("not a picture in a known format") from error
    if found not in PICTURE_SUFFIXES:
        raise BrokenImageError("not a picture in a known format")
    return found


def _write_tar(folder: Path, number: int, rows: Sequence[ShardedRow], table: Table) -> str:
    """Write a WebDataset shard: of each sample the picture, its class's index and the rest as JSON, under one key."""
    name = f"shard-{number:06}{TAR}"
    places = {label: place for place, label in enumerate(table.classes)}
    with tarfile.open(folder / name, "w:", format=tarfile.USTAR_FORMAT) as archive:
        for place, row in enumerate(rows):
            key = f"{number:06}-{place:06}"
            columns = {column: value for column, value in row.columns.items() if column != "path" and value is not None}
            _add(archive, key + row.suffix, row.picture)
            if (label := row.columns["label"]) is not None:
                _add(archive, f"{key}.cls", str(places[str(label)]).encode())
            _add(archive, f"{key}.json", json.dumps({OURS_KEY: True, **columns}, ensure_ascii=False).encode())
    return name


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file without owner or time, so that the same table always gives the same bytes."""
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def _write_parquet(folder: Path, number: int, rows: Sequence[ShardedRow], table: Table) -> str:
    """Write a Parquet shard: the table's columns but the path, and the picture as {bytes, path}."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = f"shard-{number:06}{PARQUET}"
    frame = pl.DataFrame([row.columns for row in rows], schema=SCHEMA, orient="row")
    pictures = [{"bytes": row.picture, "path": row.columns["path"]} for row in rows]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    arrow = frame.drop("path").to_arrow().append_column(IMAGE_COLUMN, pa.array(pictures, kind))
    arrow = arrow.replace_schema_metadata({NAMES_KEY: json.dumps(names_of(table))})
    # Pictures are compressed already, and no two are the same.
    pq.write_table(arrow, folder / name, row_group_size=_GROUP_ROWS, compression="none", use_dictionary=["label"])
    return name


#: Format of shards → what writes one: given folder, number, rows and table, it returns the file's name.
SHARD_WRITERS: dict[str, Callable[[Path, int, Sequence[ShardedRow], Table], str]] = {
    "webdataset": _write_tar,
    "parquet": _write_parquet,
}
