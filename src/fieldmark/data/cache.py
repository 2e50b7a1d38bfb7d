"""Decoded pictures as one memory-mapped array per table and preprocessing, shared by runs.

An entry is built in a partial folder and renamed when it is complete, so an interrupted build is never taken for one.
"""

import errno
import hashlib
import json
import os
import shutil
import time
import zipfile
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from fieldmark.data import containers
from fieldmark.data.broken import refuse_many_broken
from fieldmark.data.cache_folder import (
    DESCRIPTION,
    FORMAT,
    KEY_DIGITS,
    PARTIAL,
    PIXELS,
    ROWS,
    CacheEntry,
    cache_entries,
    clear_cache,
    describe,
    lock_of,
    make_room,
    open_pixels,
    reserve,
)
from fieldmark.data.images import decode, fit_image, read_file, sample_source
from fieldmark.data.perceptual import picture_hash
from fieldmark.data.table import Table
from fieldmark.errors import BrokenImageError, DataError
from fieldmark.records import BrokenRow, Preprocessing, Progress

__all__ = [
    "DEFAULT_MAX_BROKEN",
    "DEFAULT_MAX_BYTES",
    "CacheEntry",
    "CachedImages",
    "cache_entries",
    "cache_images",
    "clear_cache",
]

#: Bytes that all entries of a folder may take together; the least recently used are removed first.
DEFAULT_MAX_BYTES = 20 * 2**30

#: Share of rows whose picture may be broken before a data set is refused.
DEFAULT_MAX_BROKEN = 0.01

#: Decoded pictures per thread that may wait to be written; bounds the memory.
_WAITING = 8

#: What the system reports when a disk is full.
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class CachedImages:
    """The usable pictures of a table.

    Attributes:
        table: the rows whose picture could be decoded, in the table's order.
        pixels: (N, R, R, 3) uint8 RGB, read-only, row i of ``table`` at place i.
        windows: (N, 4) float32: left, top, width, height of the picture inside the square, in px.
        sizes: (N, 2) int32: width and height of the original in px.
        content: (N,) 32 hex digits of the file's bytes.
        looks: (N, 2) uint64: hash of the picture and of its mirror image, alike for pictures that look alike.
        broken: the rows that were left out.
    """

    table: Table
    pixels: npt.NDArray[np.uint8]
    windows: npt.NDArray[np.float32]
    sizes: npt.NDArray[np.int32]
    content: npt.NDArray[np.str_]
    looks: npt.NDArray[np.uint64]
    broken: tuple[BrokenRow, ...]


def cache_images(
    table: Table,
    preprocessing: Preprocessing,
    folder: Path,
    *,
    workers: int | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    max_broken: float = DEFAULT_MAX_BROKEN,
    progress: Progress | None = None,
) -> CachedImages:
    """Decode and fit the pictures of a table, or open them where that has been done before.

    Two processes that ask for the same entry at once build it once: the second waits.

    Args:
        table: rows with paths.
        preprocessing: resolution, fit and fill; mean and deviation are not applied.
        folder: the cache folder; made where it is missing.
        workers: decoding threads; by default one per core.
        max_bytes: bytes that the folder's entries may take together.
        max_broken: share of rows whose picture may be broken, in 0..1.
        progress: told how many pictures are done.

    Raises:
        DataError: no pictures, too many broken ones (the message lists them), or not enough space.
    """
    rows = table.where(pl.col("path").is_not_null())
    if not len(rows):
        raise DataError(f"{table.root} has no rows with pictures.", "Give a data set of pictures.")
    key = _key(rows, preprocessing)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock_of(folder, key):
            images = _open(folder / key, rows)
            if images is None:
                make_room(folder, key, len(rows) * preprocessing.resolution**2 * 3, max_bytes)
                _build(rows, preprocessing, folder / key, workers or os.cpu_count() or 1, progress)
                images = _open(folder / key, rows)
            with suppress(OSError):  # another user's cache may be read all the same
                os.utime(folder / key / DESCRIPTION)
    except OSError as error:
        raise _folder_error(folder, error) from error
    if images is None:
        raise DataError(f"The cache {folder / key} can't be read back.", "Check the disk, or name another folder.")
    refuse_many_broken(images.broken, len(rows), max_broken, "pictures")
    return images


def _key(table: Table, preprocessing: Preprocessing) -> str:
    """Name the entry by everything that decides its pixels: files with size and time, and how they are fitted."""
    wanted = (FORMAT, preprocessing.resolution, preprocessing.fit, preprocessing.fill, str(table.root.resolve()))
    digest = hashlib.sha256(json.dumps(wanted).encode())
    stamps: dict[str, tuple[int, int]] = {}  # one look at a file of many pictures
    for path in table.frame["path"]:
        file = containers.file_of(path) if containers.is_member(path) else path
        if file not in stamps:
            stamps[file] = _stamp(table.root / file)
        digest.update(json.dumps((path, *stamps[file])).encode())
    return digest.hexdigest()[:KEY_DIGITS]


def _stamp(file: Path) -> tuple[int, int]:
    """Return a file's size and time; -1 and -1 where it can't be looked at."""
    try:
        state = file.stat()
    except (OSError, ValueError):
        return -1, -1
    return state.st_size, state.st_mtime_ns


def _build(table: Table, preprocessing: Preprocessing, target: Path, workers: int, progress: Progress | None) -> None:
    """Build an entry; the caller holds its lock."""
    partial = target.with_name(target.name + PARTIAL)
    for remnant in (partial, target):
        shutil.rmtree(remnant, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        entry = _fill(table, preprocessing, partial, workers, progress)
        entry["files"] = {name: (partial / name).stat().st_size for name in (PIXELS, ROWS)}
        (partial / DESCRIPTION).write_text(json.dumps(entry), encoding="utf-8")
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fill(
    table: Table, preprocessing: Preprocessing, folder: Path, workers: int, progress: Progress | None
) -> dict[str, object]:
    """Write the pixels and rows of an entry, and return its description."""
    count, side = len(table), preprocessing.resolution
    pixels = np.lib.format.open_memmap(folder / PIXELS, "w+", np.uint8, (count, side, side, 3), version=(1, 0))
    reserve(folder / PIXELS, (folder / PIXELS).stat().st_size)
    windows, sizes = np.zeros((count, 4), np.float32), np.zeros((count, 2), np.int32)
    looks, content = np.zeros((count, 2), np.uint64), np.zeros(count, "U32")
    broken: list[tuple[int, str]] = []
    done = 0
    with closing(_decoded(table, preprocessing, workers)) as results:
        for row, result in enumerate(results):
            if isinstance(result, str):
                broken.append((row, result))
            else:
                pixels[done], windows[done], sizes[done], content[done], looks[done] = result
                done += 1
            if progress is not None:
                progress(row + 1, count)
    pixels.flush()
    np.savez(
        folder / ROWS,
        allow_pickle=False,
        windows=windows[:done],
        sizes=sizes[:done],
        looks=looks[:done],
        content=content[:done],
    )
    return {
        "format": FORMAT,
        "created": time.time(),
        "root": str(table.root),
        "rows": done,
        "preprocessing": asdict(preprocessing),
        "broken": broken,
    }


_Decoded = tuple[npt.NDArray[np.uint8], tuple[float, float, float, float], tuple[int, int], str, tuple[int, int]]


def _decoded(table: Table, preprocessing: Preprocessing, workers: int) -> Generator[_Decoded | str, None, None]:
    """Yield each row's picture in order, or why it is broken. Pillow frees the interpreter while it decodes."""
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[_Decoded | str]] = deque()
    try:
        for path in table.frame["path"]:
            waiting.append(pool.submit(_one, table.root, path, preprocessing))
            if len(waiting) >= _WAITING * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _one(root: Path, path: str, preprocessing: Preprocessing) -> _Decoded | str:
    try:
        source = sample_source(root, path)
        data = source if isinstance(source, bytes) else read_file(source)
        fitted = fit_image(decode(data, at_least=preprocessing.resolution), preprocessing)
    except BrokenImageError as error:
        return error.message
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    looks = int(picture_hash(fitted.pixels)), int(picture_hash(fitted.pixels[:, ::-1]))
    return fitted.pixels, fitted.window, fitted.size, digest, looks


def _open(path: Path, table: Table) -> CachedImages | None:
    """Open an entry; ``None`` where it is missing or damaged in any way."""
    entry = describe(path)
    if entry is None:
        return None
    try:
        reasons = {int(row): str(reason) for row, reason in entry["broken"]}
        usable = np.array([row not in reasons for row in range(len(table))])
        kept = table.where(pl.lit(pl.Series(usable))) if reasons else table
        identities, paths = table.frame["id"], table.frame["path"]
        broken = tuple(BrokenRow(identities[row], paths[row], reason) for row, reason in sorted(reasons.items()))
        with np.load(path / ROWS, allow_pickle=False) as rows:
            return CachedImages(
                table=kept,
                pixels=open_pixels(path / PIXELS)[: len(kept)],
                windows=rows["windows"],
                sizes=rows["sizes"],
                content=rows["content"],
                looks=rows["looks"],
                broken=broken,
            )
    except (OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile):
        return None


def _folder_error(folder: Path, error: OSError) -> DataError:
    if error.errno in _DISK_FULL:
        cure = "Free some space (`fieldmark data cache --clear`) or name another folder with --cache."
        return DataError(f"The disk of the cache {folder} is full.", cure)
    reason = error.strerror or str(error)
    return DataError(f"The cache {folder} can't be written: {reason}.", "Name another folder with --cache.")
