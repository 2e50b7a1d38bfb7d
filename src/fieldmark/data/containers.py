"""Pictures that lie inside a file of many: MNIST's IDX files, Arrow files of Hugging Face datasets, and shards.

A table names such a picture ``file#index``.
"""

import gzip
import json
import math
import struct
import threading
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fieldmark.data import shard_files
from fieldmark.errors import BrokenImageError, DataError

if TYPE_CHECKING:
    import pyarrow as pa

_IDX_ENDINGS = ("-ubyte", "-ubyte.gz")
_ARROW_ENDING = ".arrow"
_ENDINGS = (*_IDX_ENDINGS, _ARROW_ENDING, shard_files.TAR, shard_files.PARQUET)

#: IDX's code for unsigned bytes.
_IDX_UINT8 = 0x08

#: Held while a file is opened, so that threads which ask for the same one read it once.
_OPENING = threading.Lock()


def is_member(path: str) -> bool:
    """Tell whether a table's path names a picture inside a file of many."""
    file, mark, index = path.rpartition("#")
    return bool(mark) and index.isascii() and index.isdigit() and file.endswith(_ENDINGS)


def file_of(path: str) -> str:
    """Return the file of ``file#index``."""
    return path.rpartition("#")[0]


def read_member(root: Path, path: str) -> bytes:
    """Return the encoded bytes of one picture inside a file of many.

    Args:
        root: the table's root.
        path: ``file#index``, the file relative to ``root``.

    Raises:
        BrokenImageError: the file can't be read, or holds no such picture.
    """
    name, _, index = path.rpartition("#")
    file = root / name
    try:
        stamp = file.stat().st_mtime_ns
        if name.endswith(_ARROW_ENDING):
            with _OPENING:
                table = _arrow_table(file, stamp)
            return _arrow_bytes(table, int(index))
        if name.endswith(shard_files.TAR):
            return shard_files.read_tar_picture(file, stamp, int(index))
        if name.endswith(shard_files.PARQUET):
            return shard_files.read_parquet_picture(file, stamp, int(index))
        with _OPENING:
            pictures = _idx_pictures(file, stamp)
        return _netpbm(pictures[int(index)])
    except IndexError as error:
        raise BrokenImageError(f"{name} has no picture {index}") from error
    except OSError as error:
        raise BrokenImageError(f"{name} can't be read: {error.strerror or error}") from error
    except DataError as error:
        raise BrokenImageError(error.message) from error
    except ValueError as error:
        raise BrokenImageError(f"{name} can't be read: {error}") from error


def read_idx_pictures(file: Path) -> npt.NDArray[np.uint8]:
    """Read an IDX file of pictures: (N, H, W) grey or (N, H, W, 3) RGB.

    Raises:
        DataError: it is no such file, or cut off.
    """
    pictures = read_idx(file)
    if pictures.ndim != 3 and not (pictures.ndim == 4 and pictures.shape[3] == 3):
        raise DataError(
            f"{file} has the dimensions {pictures.shape}, not those of pictures.", "Give (N, H, W) or (N, H, W, 3)."
        )
    return pictures


def read_idx(file: Path) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, gzipped or not (format: LeCun, yann.lecun.com/exdb/mnist).

    Args:
        file: its bytes are 0, 0, type code, number of dimensions, the dimensions as big-endian int32, then the data.

    Returns:
        An array of the file's dimensions.

    Raises:
        DataError: it is no such file, cut off, or can't be opened.
    """
    try:
        raw = file.read_bytes()
        data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        zero, code, dimensions = struct.unpack(">HBB", data[:4])
        shape = struct.unpack(f">{dimensions}I", data[4 : 4 + 4 * dimensions])
    except (struct.error, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{file} is not an IDX file, or cut off.", "Download it again.") from error
    body = data[4 + 4 * dimensions :]
    if zero != 0 or code != _IDX_UINT8 or not shape or len(body) != math.prod(shape):
        raise DataError(f"{file} is not a whole IDX file of unsigned bytes.", "Download it again.")
    return np.frombuffer(body, np.uint8).reshape(shape)


@lru_cache(maxsize=4)
def _idx_pictures(file: Path, stamp: int) -> npt.NDArray[np.uint8]:  # noqa: ARG001 - the stamp names the version
    return read_idx_pictures(file)


@lru_cache(maxsize=4)
def _arrow_table(file: Path, stamp: int) -> "pa.Table":  # noqa: ARG001 - the stamp names the version
    return open_arrow(file)


def open_arrow(file: Path) -> "pa.Table":
    """Open an Arrow stream file, memory-mapped.

    Raises:
        DataError: it is no such file, or can't be opened.
    """
    import pyarrow as pa

    try:
        return pa.ipc.open_stream(pa.memory_map(str(file))).read_all()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} is not an Arrow file: {error}.", "Save the dataset again.") from error


def picture_column(table: "pa.Table") -> str | None:
    """Return the first column of an Arrow table that holds encoded pictures, if there is one.

    Hugging Face keeps pictures and sounds alike as {bytes, path}; the features in the metadata tell them apart.
    """
    import pyarrow as pa

    kinds = _feature_kinds(table.schema.metadata)
    for field in table.schema:
        if not pa.types.is_struct(field.type) or kinds.get(field.name, "Image") != "Image":
            continue
        if {"bytes", "path"} <= {field.type.field(place).name for place in range(field.type.num_fields)}:
            return str(field.name)
    return None


def _feature_kinds(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    """Return column → kind of feature, such as ``"Image"``; empty where the schema does not say."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {name: feature["_type"] for name, feature in features.items() if "_type" in feature}
    except (LookupError, ValueError, TypeError, AttributeError):
        return {}


def _arrow_bytes(table: "pa.Table", index: int) -> bytes:
    name = picture_column(table)
    if name is None:
        raise BrokenImageError("the Arrow file has no column of pictures")
    cell = table.column(name)[index].as_py()
    if cell is None:
        raise BrokenImageError("the Arrow file holds no picture in this row")
    if cell["bytes"] is not None:
        return bytes(cell["bytes"])
    if cell["path"] is None:
        raise BrokenImageError("the Arrow file holds neither bytes nor a path")
    try:
        return Path(cell["path"]).read_bytes()
    except (OSError, ValueError) as error:
        raise BrokenImageError(f"the file it names can't be read: {error}") from error


def _netpbm(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encode (H, W) grey as PGM or (H, W, 3) RGB as PPM: a line of text before the pixels, which costs no time."""
    height, width = pixels.shape[:2]
    return f"P{5 if pixels.ndim == 2 else 6} {width} {height} 255\n".encode() + pixels.tobytes()
