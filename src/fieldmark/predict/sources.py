"""From what a user names - files, folders, globs - to the list of pictures."""

import difflib
import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fieldmark.data.picture_names import PICTURE_SUFFIXES
from fieldmark.errors import DataError


def expand_sources(patterns: Sequence[str | Path]) -> list[Path]:
    """List the pictures that files, folders and globs stand for.

    A file is taken as it is. A folder stands for the pictures anywhere below it (known by their endings; hidden
    files are left out; a link to a folder is followed once). A glob stands for what it matches: every
    file where it spells out the ending (``*.dat``), pictures only where it doesn't (``photos/*``).

    Args:
        patterns: paths or globs; ``**`` matches any number of folders.

    Returns:
        The paths, sorted within each pattern, each path once.

    Raises:
        DataError: a pattern stands for nothing, or a folder can't be read.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        paths = _expand(Path(pattern))
        if not paths:
            raise _nothing(Path(pattern))
        found.update(dict.fromkeys(paths))
    return list(found)


def displayable(name: str) -> str:
    """Return a name that can be printed and encoded: bytes of it that are not UTF-8 become U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _expand(path: Path) -> list[Path]:
    if _exists(path):  # a dangling or looping link as well: trying it says what is wrong
        return _search(path) if path.is_dir() else [path]
    text = str(path)
    if not glob.has_magic(text):
        return []
    matches = [Path(match) for match in glob.glob(text, recursive=True)]  # noqa: PTH207 - Path.glob is relative only
    every = bool(path.suffix) and not glob.has_magic(path.suffix)
    files = {match for match in matches if not match.is_dir() and (every or _is_picture(match.name))}
    below = {picture for match in matches if match.is_dir() for picture in _search(match)}
    return sorted(files | below)


def _search(folder: Path) -> list[Path]:
    """List the pictures below a folder; a link to a folder that holds it leads nowhere new."""
    above = [parent.stat() for parent in folder.resolve().parents]
    return sorted(_pictures_below(folder, {(status.st_dev, status.st_ino) for status in above}))


def _pictures_below(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield the pictures below a folder; ``seen`` holds the folders already searched, so that loops end."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"The folder {displayable(str(folder))} can't be read: {error.strerror}.",
            "Allow reading it, or name the pictures one by one.",
        ) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            yield from _pictures_below(folder / entry.name, seen)
        elif _is_picture(entry.name):
            yield folder / entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a looping link is no folder; as a picture it is tried and named
        return False


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in PICTURE_SUFFIXES


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        return False
    return True


def _nothing(path: Path) -> DataError:
    shown = displayable(str(path))
    if _exists(path):
        return DataError(
            f"There are no pictures in {shown}.",
            f"Name a folder of pictures ({', '.join(sorted(PICTURE_SUFFIXES))}), or name the files themselves.",
        )
    kind = "matches" if glob.has_magic(str(path)) else "is called"
    return DataError(f"Nothing {kind} {shown}.", _nearest(path))


def _nearest(path: Path) -> str:
    """Say which existing name is nearest to a path: of its first part that doesn't exist."""
    missing = path
    while not _exists(missing.parent) and missing.parent != missing:
        missing = missing.parent
    try:
        names = sorted(os.listdir(missing.parent))  # noqa: PTH208 - names only
    except (OSError, ValueError):
        names = []
    near = difflib.get_close_matches(missing.name, names, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {displayable(str(missing.parent / near[0]))}?"
    return f"Look into {displayable(str(missing.parent))} for the right name."
