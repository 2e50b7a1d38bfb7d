"""The cache folder's entries: what is there, what is whole, what is in use, and what must go.

    FOLDER/KEY/pixels.npy    (N, R, R, 3) uint8
    FOLDER/KEY/rows.npz      windows, sizes, hashes of bytes and pictures
    FOLDER/KEY/entry.json    what it was made from, broken rows, the files' sizes; written last
    FOLDER/KEY.partial       an entry that is being built; renamed to KEY when it is complete
    FOLDER/KEY.lock          held while an entry is built, opened or removed; it stays, for removing it would let two in

Nothing else in the folder is ever touched.
"""

import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from fieldmark.errors import DataError

if sys.platform != "win32":
    import fcntl

#: Raised with every change of what an entry holds or how its pixels are made.
FORMAT = 2

PIXELS, ROWS, DESCRIPTION, PARTIAL = "pixels.npy", "rows.npz", "entry.json", ".partial"

#: Digits of a key.
KEY_DIGITS = 24

_OURS = re.compile(rf"[0-9a-f]{{{KEY_DIGITS}}}({re.escape(PARTIAL)})?")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One entry of a cache folder.

    Attributes:
        key: its name.
        bytes: its size on disk.
        created: when it was built, in seconds since 1970.
        last_used: when it was last opened, in seconds since 1970.
        rows: number of pictures.
        resolution: side of a picture in px.
        source: the table's root.
    """

    key: str
    bytes: int
    created: float
    last_used: float
    rows: int
    resolution: int
    source: str


def cache_entries(folder: Path) -> list[CacheEntry]:
    """List the complete entries of a cache folder, the most recently used first."""
    found = []
    for path in _ours(folder):
        entry = None if path.suffix else describe(path)
        if entry is None:
            continue
        with suppress(FileNotFoundError):  # removed by another process meanwhile
            found.append(
                CacheEntry(
                    key=path.name,
                    bytes=_size(path),
                    created=entry["created"],
                    last_used=(path / DESCRIPTION).stat().st_mtime,
                    rows=entry["rows"],
                    resolution=entry["preprocessing"]["resolution"],
                    source=entry["root"],
                )
            )
    return sorted(found, key=lambda one: -one.last_used)


def clear_cache(folder: Path, keys: Sequence[str] | None = None) -> int:
    """Remove entries of a cache folder, and what interrupted builds left of them.

    An entry that is being built stays. One that a run has open is removed; the run keeps its pixels until it ends.

    Args:
        folder: the cache folder.
        keys: the entries to remove; by default all, damaged ones and those of other versions included.

    Returns:
        The bytes freed.
    """
    freed = 0
    for path in _ours(folder):
        if keys is None or path.name.removesuffix(PARTIAL) in keys:
            freed += _remove(path)
    return freed


def make_room(folder: Path, key: str, needed: int, max_bytes: int) -> None:
    """Remove remnants, then the least recently used entries, until a new entry fits; never one that is in use.

    Args:
        folder: the cache folder.
        key: the new entry's; the caller holds its lock, and replaces what is left under this name.
        needed: bytes of the new entry.
        max_bytes: bytes that all entries may take together.

    Raises:
        DataError: it can't fit.
    """
    if needed > max_bytes:
        raise DataError(
            f"The decoded pictures take {_gib(needed)}; the cache may hold {_gib(max_bytes)}.",
            "Lower the resolution, or allow the cache more space.",
        )
    entries = cache_entries(folder)
    whole = {entry.key for entry in entries}
    for path in _ours(folder):
        if path.name not in whole and path.name.removesuffix(PARTIAL) != key:
            _remove(path)  # damaged, of another version, or left by an interrupted build
    total = sum(entry.bytes for entry in entries)
    for entry in reversed(entries):
        if total + needed <= max_bytes:
            break
        total -= _remove(folder / entry.key, unless_in_use=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"The cache needs {_gib(needed)} in {folder}; {_gib(free)} are free.",
            "Free some space (`fieldmark data cache --clear`) or name another folder with --cache.",
        )


def describe(path: Path) -> dict[str, Any] | None:
    """Return an entry's description; ``None`` where it is missing, cut off or of another version."""
    try:
        entry: dict[str, Any] = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
        whole = all((path / name).stat().st_size == entry["files"][name] for name in (PIXELS, ROWS))
        return entry if entry["format"] == FORMAT and whole else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def open_pixels(path: Path) -> npt.NDArray[np.uint8]:
    """Map an entry's pixels, read-only; the entry counts as in use until the array is gone.

    Raises:
        ValueError: the file is no array of pixels.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype != np.uint8 or len(shape) != 4:
            raise ValueError("no array of pixels")
        if sys.platform != "win32":
            # A lock belongs to the open file, and the map keeps the file open after this block.
            with suppress(OSError):  # file systems without locks
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return np.memmap(file, np.uint8, "r", file.tell(), shape)


def lock_of(folder: Path, key: str, timeout: float = -1) -> FileLock:
    """Return the lock of an entry, not yet taken; it waits for ever, or for ``timeout`` seconds."""
    return FileLock(folder / f"{key}.lock", timeout=timeout)


def reserve(file: Path, size: int) -> None:
    """Reserve a file's space on disk: writing to the map of a file that can't grow would end the process (SIGBUS).

    Raises:
        OSError: the disk is full.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            with file.open("r+b") as opened:
                os.posix_fallocate(opened.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):  # file systems that can't reserve
                raise


def _ours(folder: Path) -> Iterator[Path]:
    """Yield the entries and partial entries, whole or not."""
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    yield from (path for path in paths if _OURS.fullmatch(path.name) and path.is_dir() and not path.is_symlink())


def _remove(path: Path, *, unless_in_use: bool = False) -> int:
    """Remove an entry that no process is building or opening, and return the bytes freed."""
    try:
        with lock_of(path.parent, path.name.removesuffix(PARTIAL), timeout=0):
            if unless_in_use and _in_use(path / PIXELS):
                return 0
            size = _size(path)
            # The description goes first: what is left, should this be interrupted, is no entry.
            (path / DESCRIPTION).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)
            return size - (_size(path) if path.exists() else 0)
    except (Timeout, FileNotFoundError, PermissionError):
        return 0


def _in_use(pixels: Path) -> bool:
    if sys.platform == "win32":
        return False  # Windows itself refuses to remove an open file
    try:
        with pixels.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _size(folder: Path) -> int:
    total = 0
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:.1f} MiB"
