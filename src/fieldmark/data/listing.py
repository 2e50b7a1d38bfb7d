"""List the samples below a folder, and say which files could not be taken."""

import os
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fieldmark.data.picture_names import PICTURE_SUFFIXES
from fieldmark.records import BrokenRow

#: Files that systems leave beside samples.
_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


@dataclass(frozen=True)
class Listing:
    """What lies below a folder.

    Attributes:
        files: files of the wanted kind, relative to the folder, with forward slashes, sorted.
        skipped: such files, and folders, that can't be taken, with the reason.
        others: number of files that are of another kind by their name.
    """

    files: tuple[str, ...]
    skipped: tuple[BrokenRow, ...]
    others: int


def list_pictures(folder: Path) -> Listing:
    """List the pictures below a folder, as ``list_files`` does."""
    return list_files(folder, PICTURE_SUFFIXES)


def list_files(folder: Path, suffixes: Collection[str]) -> Listing:
    """List the files of one kind below a folder; hidden files and litter are left out.

    Links to folders are followed, but only after all real folders, and no folder is listed twice.

    A file whose name is not valid text can't be kept in a table; it is listed under ``skipped``.

    Args:
        folder: where to look.
        suffixes: endings of their names, in lower case, with the dot.
    """
    found: list[str] = []
    skipped: list[BrokenRow] = []
    others = 0
    seen: set[tuple[int, int]] = set()

    def unreadable(error: OSError) -> None:
        skipped.append(_skipped(Path(error.filename or folder), folder, f"can't be listed: {error.strerror}"))

    waiting = deque([folder])
    while waiting:
        for current, folders, files in os.walk(waiting.popleft(), onerror=unreadable):
            here = Path(current)
            state = here.stat()
            if (state.st_dev, state.st_ino) in seen:
                skipped.append(_skipped(here, folder, "a link to a folder that is listed already"))
                folders.clear()
                continue
            seen.add((state.st_dev, state.st_ino))
            wanted = sorted(name for name in folders if not _is_litter(name))
            links = [name for name in wanted if (here / name).is_symlink()]
            waiting.extend(here / name for name in links)
            folders[:] = [name for name in wanted if name not in links]
            for name in sorted(name for name in files if not _is_litter(name)):
                place = (here / name).relative_to(folder).as_posix()
                if Path(name).suffix.lower() not in suffixes:
                    others += 1
                elif _is_text(place):
                    found.append(place)
                else:
                    skipped.append(_skipped(here / name, folder, "the file's name is not valid text; rename it"))
    return Listing(tuple(sorted(found)), tuple(skipped), others)


def _skipped(path: Path, folder: Path, reason: str) -> BrokenRow:
    relative = path.relative_to(folder) if path.is_relative_to(folder) else path
    shown = str(PurePosixPath(relative)).encode("utf-8", "backslashreplace").decode()
    return BrokenRow(shown, shown, reason)


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
