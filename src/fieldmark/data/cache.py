"""Decoded pictures as one memory-mapped array per table and preprocessing, shared by runs.

    FOLDER/KEY/pixels.npy    (N, R, R, 3) uint8
    FOLDER/KEY/rows.npz      windows, sizes, hashes of bytes and pictures
    FOLDER/KEY/entry.json    what it was made from, broken rows; written last
    FOLDER/KEY.lock          held while an entry is built

An entry is built in ``KEY.partial`` and renamed when it is complete, so an interrupted build is never taken for one.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from filelock import FileLock, Timeout

from fieldmark.data import containers
from fieldmark.data.images import decode, fit_image, read_file, sample_source
from fieldmark.data.perceptual import picture_hash
from fieldmark.data.table import Table
from fieldmark.errors import BrokenImageError, DataError
from fieldmark.records import BrokenRow, Preprocessing, Progress

#: Bytes that all entries of a folder may take together; the least recently used are removed first.
DEFAULT_MAX_BYTES = 20 * 2**30

#: Share of rows whose picture may be broken before a data set is refused.
DEFAULT_MAX_BROKEN = 0.01

#: Raised with every change of what an entry holds.
_FORMAT = 1

#: Broken rows that an error lists; the rest are counted.
_LISTED = 20


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
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{key}.lock"):
        entry = _load(folder / key)
        if entry is None:
            _make_room(folder, rows, preprocessing, max_bytes)
            _build(rows, preprocessing, folder / key, workers or os.cpu_count() or 1, progress)
            entry = _load(folder / key)
    if entry is None:
        raise DataError(f"The cache {folder / key} vanished while it was opened.", "Try again.")
    broken = tuple(BrokenRow(**row) for row in entry["broken"])
    _refuse_many_broken(broken, len(rows), max_broken)
    os.utime(folder / key / "entry.json")
    return _open(folder / key, rows, broken)


def cache_entries(folder: Path) -> list[CacheEntry]:
    """List the complete entries of a cache folder, the most recently used first."""
    found = []
    for path in folder.glob("*/entry.json"):
        entry = _load(path.parent)
        if entry is None or path.parent.suffix:
            continue
        found.append(
            CacheEntry(
                key=path.parent.name,
                bytes=_size(path.parent),
                created=entry["created"],
                last_used=path.stat().st_mtime,
                rows=entry["rows"],
                resolution=entry["preprocessing"]["resolution"],
                source=entry["root"],
            )
        )
    return sorted(found, key=lambda one: -one.last_used)


def clear_cache(folder: Path, keys: Sequence[str] | None = None) -> int:
    """Remove entries of a cache folder, and what interrupted builds left.

    Args:
        folder: the cache folder.
        keys: the entries to remove; by default all.

    Returns:
        The bytes freed.
    """
    wanted = {entry.key for entry in cache_entries(folder)} if keys is None else set(keys)
    freed = 0
    for key in sorted(wanted):
        for path in (folder / key, folder / f"{key}.partial"):
            if (path / "entry.json").is_file() or path.suffix == ".partial":
                freed += _size(path)
                shutil.rmtree(path, ignore_errors=True)
        (folder / f"{key}.lock").unlink(missing_ok=True)
    if keys is None:
        for path in folder.glob("*.partial"):
            freed += _size(path)
            shutil.rmtree(path, ignore_errors=True)
    return freed


def _key(table: Table, preprocessing: Preprocessing) -> str:
    """Name the entry by everything that decides its pixels: files with size and time, and how they are fitted."""
    wanted = (_FORMAT, preprocessing.resolution, preprocessing.fit, preprocessing.fill, str(table.root.resolve()))
    digest = hashlib.sha256(json.dumps(wanted).encode())
    for path in table.frame["path"]:
        file = table.root / (containers.file_of(path) if containers.is_member(path) else path)
        try:
            state = file.stat()
            stamp = (path, state.st_size, state.st_mtime_ns)
        except (OSError, ValueError):
            stamp = (path, -1, -1)
        digest.update(json.dumps(stamp).encode())
    return digest.hexdigest()[:24]


def _build(table: Table, preprocessing: Preprocessing, target: Path, workers: int, progress: Progress | None) -> None:
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    partial.mkdir(parents=True)
    count, side = len(table), preprocessing.resolution
    pixels = np.lib.format.open_memmap(partial / "pixels.npy", "w+", np.uint8, (count, side, side, 3))
    windows, sizes = np.zeros((count, 4), np.float32), np.zeros((count, 2), np.int32)
    looks, content = np.zeros((count, 2), np.uint64), np.zeros(count, "U32")
    broken: list[BrokenRow] = []
    done = 0
    for row, result in enumerate(_decoded(table, preprocessing, workers)):
        identity, path = table.frame["id"][row], table.frame["path"][row]
        if isinstance(result, str):
            broken.append(BrokenRow(identity, path, result))
        else:
            pixels[done], windows[done], sizes[done], content[done] = result
            looks[done] = picture_hash(result[0]), picture_hash(result[0][:, ::-1])
            done += 1
        if progress is not None:
            progress(row + 1, count)
    pixels.flush()
    del pixels
    np.savez(
        partial / "rows.npz",
        allow_pickle=False,
        windows=windows[:done],
        sizes=sizes[:done],
        looks=looks[:done],
        content=content[:done],
    )
    entry = {
        "format": _FORMAT,
        "created": time.time(),
        "root": str(table.root),
        "rows": done,
        "preprocessing": asdict(preprocessing),
        "broken": [asdict(row) for row in broken],
    }
    (partial / "entry.json").write_text(json.dumps(entry), encoding="utf-8")
    partial.rename(target)


_Decoded = tuple[npt.NDArray[np.uint8], tuple[float, float, float, float], tuple[int, int], str]


def _decoded(table: Table, preprocessing: Preprocessing, workers: int) -> Iterator[_Decoded | str]:
    """Yield each row's picture in order, or why it is broken. Pillow frees the interpreter while it decodes."""
    paths = table.frame["path"].to_list()
    block = 32 * workers  # bounds how many decoded pictures wait
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(paths), block):
            yield from pool.map(lambda path: _one(table.root, path, preprocessing), paths[start : start + block])


def _one(root: Path, path: str, preprocessing: Preprocessing) -> _Decoded | str:
    try:
        source = sample_source(root, path)
        data = source if isinstance(source, bytes) else read_file(source)
        fitted = fit_image(decode(data, at_least=preprocessing.resolution), preprocessing)
    except BrokenImageError as error:
        return error.message
    return fitted.pixels, fitted.window, fitted.size, hashlib.blake2b(data, digest_size=16).hexdigest()


def _load(path: Path) -> dict[str, Any] | None:
    """Return an entry's description; ``None`` where it is missing, incomplete or of another format."""
    try:
        entry: dict[str, Any] = json.loads((path / "entry.json").read_text(encoding="utf-8"))
        side, count = entry["preprocessing"]["resolution"], entry["rows"] + len(entry["broken"])
        whole = (path / "pixels.npy").stat().st_size >= count * side * side * 3
        return entry if entry["format"] == _FORMAT and whole and (path / "rows.npz").is_file() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _open(path: Path, table: Table, broken: tuple[BrokenRow, ...]) -> CachedImages:
    lost = [row.id for row in broken]
    kept = table.where(~pl.col("id").is_in(lost)) if lost else table
    with np.load(path / "rows.npz", allow_pickle=False) as rows:
        return CachedImages(
            table=kept,
            pixels=np.load(path / "pixels.npy", mmap_mode="r")[: len(kept)],
            windows=rows["windows"],
            sizes=rows["sizes"],
            content=rows["content"],
            looks=rows["looks"],
            broken=broken,
        )


def _refuse_many_broken(broken: Sequence[BrokenRow], rows: int, limit: float) -> None:
    if len(broken) <= limit * rows:
        return
    listed = [f"  {row.path}: {row.reason}" for row in broken[:_LISTED]]
    if len(broken) > _LISTED:
        listed.append(f"  … and {len(broken) - _LISTED} more")
    raise DataError(
        f"{len(broken)} of {rows} pictures are broken:\n" + "\n".join(listed),
        "Mend or remove them; `fieldmark data check PATH` lists all.",
    )


def _make_room(folder: Path, table: Table, preprocessing: Preprocessing, max_bytes: int) -> None:
    """Remove the least recently used entries until the new one fits."""
    needed = len(table) * preprocessing.resolution**2 * 3
    if needed > max_bytes:
        raise DataError(
            f"{len(table):,} pictures at {preprocessing.resolution} px take {needed / 2**30:.1f} GiB; the cache may "
            f"hold {max_bytes / 2**30:.1f} GiB.",
            "Lower the resolution, or allow the cache more space.",
        )
    entries = cache_entries(folder)
    total = sum(entry.bytes for entry in entries)
    while entries and total + needed > max_bytes:
        oldest = entries.pop()
        # An entry that another process is building or opening is left alone; an open map stays readable.
        with suppress(Timeout), FileLock(folder / f"{oldest.key}.lock", timeout=0):
            shutil.rmtree(folder / oldest.key, ignore_errors=True)
        total -= oldest.bytes
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"The cache needs {needed / 2**30:.1f} GiB in {folder}; {free / 2**30:.1f} GiB are free.",
            "Free some space (`fieldmark data cache --clear`) or name another folder with --cache.",
        )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
