"""Pictures inside shards: WebDataset's tar files, and Parquet files with a column ``image``.

A shard holds many samples in one file, so that a large data set is read front to back, in few requests, from wherever
it lies. A table names a picture in it ``file#index``, the index being the sample's place in the shard.
"""

import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

from fieldmark.data.picture_names import PICTURE_SUFFIXES
from fieldmark.errors import BrokenImageError, DataError

#: Endings of shards.
TAR, PARQUET = ".tar", ".parquet"

#: The column of pictures in Parquet shards, a struct of ``bytes`` and ``path`` as Hugging Face keeps them.
IMAGE_COLUMN = "image"

#: Larger members are refused unread: they would fill the memory.
_MAX_MEMBER_BYTES = 2**30

#: Shards whose table of contents is kept, and groups of rows of Parquet shards that are kept read.
_KEPT_SHARDS, _KEPT_GROUPS = 64, 4

_COPY_AGAIN = "Copy it again."

#: Held while a group of rows is read, so that threads which ask for neighbours read it once.
_READING = threading.Lock()


@dataclass(frozen=True, slots=True)
class TarMember:
    """Where a file lies inside a tar file: its name, its first byte and its number of bytes."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class TarSample:
    """The files of one sample: those of one key, which is the name up to its first dot.

    Attributes:
        key: the key, with its folders.
        picture: the first file that is a picture by its ending; ``None`` where there is none.
        others: what the others are for (``"json"``, ``"cls"``) → where they lie.
    """

    key: str
    picture: TarMember | None
    others: dict[str, TarMember] = field(default_factory=dict)


def tar_samples(file: Path) -> Iterator[TarSample]:
    """Yield the samples of a WebDataset shard, in order, without reading what they hold.

    Args:
        file: a tar file, not compressed.

    Raises:
        DataError: it is no such file, or cut off.
    """
    sample: TarSample | None = None
    for member in _members(file):
        key, ending = _key_and_ending(member.name)
        if sample is None or key != sample.key:
            if sample is not None:
                yield sample
            sample = TarSample(key, None)
        if sample.picture is None and f".{ending.rpartition('.')[2]}" in PICTURE_SUFFIXES:
            sample = TarSample(key, member, sample.others)
        else:
            sample.others.setdefault(ending, member)
    if sample is not None:
        yield sample


def read_tar_member(file: Path, member: TarMember) -> bytes:
    """Return the bytes of one file inside a tar file.

    Raises:
        DataError: it is too large, or the tar file is cut off.
    """
    if member.size > _MAX_MEMBER_BYTES:
        raise DataError(f"{member.name} in {file.name} is larger than {_MAX_MEMBER_BYTES / 2**30:.0f} GiB.")
    with file.open("rb") as opened:
        opened.seek(member.offset)
        data = opened.read(member.size)
    if len(data) < member.size:
        raise DataError(f"{file.name} ends in the middle of {member.name}.", _COPY_AGAIN)
    return data


def read_tar_picture(file: Path, stamp: int, index: int) -> bytes:
    """Return a picture of a WebDataset shard, encoded.

    Args:
        file: the shard.
        stamp: its time, which names the version that is kept.
        index: the sample's place among those that have a picture.

    Raises:
        DataError: the shard can't be read.
        IndexError: it has no such sample.
    """
    return read_tar_member(file, _tar_pictures(file, stamp)[index])


def read_parquet_picture(file: Path, stamp: int, index: int) -> bytes:
    """Return a picture of a Parquet shard, encoded.

    Args:
        file: the shard.
        stamp: its time, which names the version that is kept.
        index: the row's place in the shard.

    Raises:
        BrokenImageError: the row has no picture.
        DataError: the shard can't be read.
        IndexError: it has no such row.
    """
    with _READING:
        for group, first, end in _row_groups(file, stamp):
            if first <= index < end:
                data = _pictures_of_group(file, stamp, group)[index - first]
                break
        else:
            raise IndexError(index)
    if data is None:
        raise BrokenImageError("the shard holds no picture in this row")
    return data


def _members(file: Path) -> Iterator[TarMember]:
    try:
        with tarfile.open(file, "r:") as archive:
            for entry in archive:
                if entry.isreg():
                    yield TarMember(entry.name, entry.offset_data, entry.size)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise DataError(f"{file} is not a tar file, or cut off: {error}.", _COPY_AGAIN) from error


def _key_and_ending(name: str) -> tuple[str, str]:
    """Divide a member's name at the first dot behind its folders."""
    path = PurePosixPath(name)
    base, _, ending = path.name.partition(".")
    return str(path.with_name(base)) if base else name, ending.lower()


@lru_cache(maxsize=_KEPT_SHARDS)
def _tar_pictures(file: Path, stamp: int) -> tuple[TarMember, ...]:  # noqa: ARG001
    return tuple(sample.picture for sample in tar_samples(file) if sample.picture is not None)


@lru_cache(maxsize=_KEPT_SHARDS)
def _row_groups(file: Path, stamp: int) -> tuple[tuple[int, int, int], ...]:  # noqa: ARG001 - the stamp names the version
    """Return (number, first row, row after the last) of each group of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    groups, first = [], 0
    try:
        metadata = pq.read_metadata(file)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} is not a Parquet shard, or damaged: {error}.", _COPY_AGAIN) from error
    for group in range(metadata.num_row_groups):
        end = first + metadata.row_group(group).num_rows
        groups.append((group, first, end))
        first = end
    return tuple(groups)


@lru_cache(maxsize=_KEPT_GROUPS)
def _pictures_of_group(file: Path, stamp: int, group: int) -> tuple[bytes | None, ...]:  # noqa: ARG001
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            column = opened.read_row_group(group, columns=[IMAGE_COLUMN]).column(IMAGE_COLUMN)
    except (pa.ArrowException, KeyError, OSError) as error:
        raise DataError(f"{file} is not a Parquet shard, or damaged: {error}.", _COPY_AGAIN) from error
    return tuple(None if cell is None else cell["bytes"] for cell in column.to_pylist())
