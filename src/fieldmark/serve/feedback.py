"""Corrections by users: appended to SQLite so that whatever was acknowledged is on the disk, and read as a table.

feedback.sqlite     one row a correction (write-ahead log, synchronous FULL)
pictures/ab/abcd….  the pictures, by the SHA-256 of their bytes; only where they are kept
"""

import hashlib
import os
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.errors import DataError

if TYPE_CHECKING:
    from fieldmark.data.table import Table

STORE_FILE = "feedback.sqlite"
PICTURES = "pictures"

#: The folder of corrections inside a run, where no other is named.
FEEDBACK_FOLDER = "feedback"

#: Seconds to wait for another process that writes.
_PATIENCE = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS feedback (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    model TEXT NOT NULL,
    version TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    picture TEXT,
    predicted TEXT,
    label TEXT,
    note TEXT NOT NULL,
    sender TEXT NOT NULL
)
"""

_COLUMNS = "time, model, version, sha256, picture, predicted, label, note, sender"


@dataclass(frozen=True, slots=True)
class Correction:
    """What a user says of a picture.

    Attributes:
        model: the name of the bundle that was asked.
        version: its version.
        sha256: of the picture's file, in hex.
        predicted: what it was called; ``None`` where that isn't known.
        label: what it is; ``None`` for none of the classes.
        note: whatever else the user says.
        sender: whose key it was; empty where there are no keys.
    """

    model: str
    version: str
    sha256: str
    predicted: str | None
    label: str | None
    note: str = ""
    sender: str = ""


@dataclass(frozen=True, slots=True)
class StoredCorrection:
    """A correction as it is kept.

    Attributes:
        id: its number, growing.
        time: when it was stored, ISO 8601 in UTC.
        picture: its picture's path relative to the store's folder; ``None`` where it isn't kept.
        correction: what was said.
    """

    id: int
    time: str
    picture: str | None
    correction: Correction


class FeedbackStore:
    """A folder of corrections that one or more services append to.

    Args:
        folder: where they are kept; made where it is missing.
        keep_pictures: keep the pictures that are sent with corrections, too.

    Raises:
        DataError: the folder can't be used.
    """

    def __init__(self, folder: Path, *, keep_pictures: bool = False) -> None:
        self.folder = folder
        self.keep_pictures = keep_pictures
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(folder / STORE_FILE, timeout=_PATIENCE, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")  # of a WAL: the disk has it before the commit returns
            with self._connection:
                self._connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise DataError(f"Corrections can't be kept in {folder}: {error}.", "Name another folder.") from error

    def append(self, correction: Correction, picture: tuple[bytes, str] | None = None) -> StoredCorrection:
        """Keep a correction; it is on the disk when this returns.

        Args:
            correction: what the user says.
            picture: the picture's file and its format's ending, such as ``".jpg"``; kept if the store keeps pictures.

        Raises:
            DataError: it can't be written.
        """
        kept = None
        try:
            if picture is not None and self.keep_pictures:
                kept = self._keep(correction.sha256, *picture)
            time = datetime.now(UTC).isoformat(timespec="milliseconds")
            said = correction
            about = (time, said.model, said.version, said.sha256, kept)
            row = (*about, said.predicted, said.label, said.note, said.sender)
            with self._lock, self._connection:
                places = ", ".join("?" * len(row))
                done = self._connection.execute(f"INSERT INTO feedback ({_COLUMNS}) VALUES ({places})", row)  # noqa: S608
        except (OSError, sqlite3.Error) as error:
            raise DataError(f"The correction can't be kept: {error}.", "Free some room, and send it again.") from error
        return StoredCorrection(int(done.lastrowid or 0), time, kept, correction)

    def rows(self) -> list[StoredCorrection]:
        """Return all corrections, the oldest first."""
        with self._lock:
            found = self._connection.execute(f"SELECT id, {_COLUMNS} FROM feedback ORDER BY id").fetchall()  # noqa: S608
        return [_stored(row) for row in found]

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _keep(self, sha256: str, data: bytes, ending: str) -> str:
        """Write a picture under its hash, durably, unless it is there; return its path relative to the folder."""
        name = f"{PICTURES}/{sha256[:2]}/{sha256}{ending}"
        path = self.folder / name
        if path.exists():
            return name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.partial")
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        for folder in (path.parent, path.parent.parent, self.folder):
            _sync_folder(folder)
        return name


def picture_hash(data: bytes) -> str:
    """Return the SHA-256 of a picture's file, in hex."""
    return hashlib.sha256(data).hexdigest()


def feedback_table(folder: Path, classes: Sequence[str] = ()) -> "Table":
    """Return the corrections whose pictures are kept as a table to train on; of one picture, the last said counts.

    Args:
        folder: what a ``FeedbackStore`` keeps.
        classes: names that are classes whether or not a correction names them, in order; others come after these.

    Returns:
        One row a picture: its label is the correction, null for none of the classes; its group is its hash.

    Raises:
        DataError: there is no such folder, or no picture in it.
    """
    from fieldmark.data.table import make_table

    if not (folder / STORE_FILE).is_file():
        raise DataError(
            f"There are no corrections in {folder}.", "Name the folder that fieldmark serve --feedback used."
        )
    store = FeedbackStore(folder)
    rows = store.rows()
    store.close()
    last = {row.correction.sha256: row for row in rows if row.picture and (folder / row.picture).is_file()}
    if not last:
        raise DataError(
            f"None of the {len(rows)} corrections in {folder} has its picture.",
            "Serve with --keep-pictures, so that corrections can be trained on.",
        )
    chosen = list(last.values())
    new = sorted({row.correction.label for row in chosen if row.correction.label} - set(classes))
    columns: dict[str, list[object]] = {
        "id": [f"feedback-{row.id}" for row in chosen],
        "path": [row.picture for row in chosen],
        "label": [row.correction.label for row in chosen],
        "group": [row.correction.sha256 for row in chosen],
    }
    return make_table(columns, folder.resolve(), reader="feedback", classes=(*classes, *new))


def _stored(row: Sequence[object]) -> StoredCorrection:
    number, time, model, version, sha256, picture, predicted, label, note, sender = row
    correction = Correction(
        model=str(model),
        version=str(version),
        sha256=str(sha256),
        predicted=None if predicted is None else str(predicted),
        label=None if label is None else str(label),
        note=str(note),
        sender=str(sender),
    )
    return StoredCorrection(int(str(number)), str(time), None if picture is None else str(picture), correction)


def _sync_folder(folder: Path) -> None:
    """Have the disk know a folder's new entries; where folders can't be opened (Windows) there is nothing to do."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
