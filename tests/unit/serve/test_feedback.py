import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fieldmark.data.reading import read_table
from fieldmark.errors import DataError
from fieldmark.serve.feedback import STORE_FILE, Correction, FeedbackStore, feedback_table, picture_hash
from hostile_files import encoded


def said(label: str | None, sha256: str = "0" * 64, **more: str) -> Correction:
    return Correction(model="birds", version="v1", sha256=sha256, predicted="ant", label=label, **more)


def test_corrections_come_back_as_they_were_said(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path)
    first = store.append(said("élan", note="seen at dusk\n–", sender="anna"))
    second = store.append(said(None))
    store.close()
    assert FeedbackStore(tmp_path).rows() == [first, second]
    assert (first.id, second.id) == (1, 2)
    assert first.correction.label == "élan"
    assert second.correction.label is None


def test_every_commit_reaches_the_disk(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_was_acknowledged_survives_a_killed_process(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from fieldmark.serve.feedback import Correction, FeedbackStore
store = FeedbackStore(Path(sys.argv[1]), keep_pictures=True)
for number in range(1000):
    stored = store.append(Correction("m", "v", f"{number:064x}", None, "ant"), (b"picture %d" % number, ".jpg"))
    os.write(1, b"%d\\n" % stored.id)
    if number == 20:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, check=False, timeout=60)
    acknowledged = [int(line) for line in done.stdout.split()]
    assert len(acknowledged) == 21
    rows = FeedbackStore(tmp_path).rows()
    assert [row.id for row in rows] == acknowledged
    for number, row in enumerate(rows):
        assert (tmp_path / str(row.picture)).read_bytes() == b"picture %d" % number


def test_pictures_are_kept_once_by_their_hash_and_only_if_wanted(tmp_path: Path) -> None:
    data = encoded("PNG")
    sha256 = picture_hash(data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    store = FeedbackStore(tmp_path / "kept", keep_pictures=True)
    first, second = (store.append(said("bee", sha256), (data, ".png")) for _ in range(2))
    assert first.picture == second.picture == f"pictures/{sha256[:2]}/{sha256}.png"
    assert [path.read_bytes() for path in (tmp_path / "kept" / "pictures").rglob("*.*")] == [data]
    assert FeedbackStore(tmp_path / "not").append(said("bee", sha256), (data, ".png")).picture is None
    assert not (tmp_path / "not" / "pictures").exists()


def test_the_table_has_what_was_said_last_of_every_kept_picture(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path / "feedback", keep_pictures=True)
    pictures = [encoded("PNG", seed=seed) for seed in range(3)]
    hashes = [picture_hash(data) for data in pictures]
    for place, label in ((0, "bee"), (1, "newt"), (0, "ant"), (2, None)):
        store.append(said(label, hashes[place]), (pictures[place], ".png"))
    store.append(said("cat", "f" * 64))  # no picture, so nothing to train on
    table = feedback_table(tmp_path / "feedback", ("ant", "bee"))
    assert table.classes == ("ant", "bee", "newt")
    assert dict(zip(table.frame["group"], table.frame["label"], strict=True)) == dict(
        zip(hashes, ("ant", "newt", None), strict=True)
    )
    table.save(tmp_path / "table.parquet")
    read = read_table(tmp_path / "table.parquet")
    assert len(read) == 3
    assert all((read.root / path).is_file() for path in read.frame["path"])


def test_without_pictures_or_store_there_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no corrections"):
        feedback_table(tmp_path)
    FeedbackStore(tmp_path).append(said("ant"))
    with pytest.raises(DataError, match="None of the 1") as caught:
        feedback_table(tmp_path)
    assert "--keep-pictures" in caught.value.cure


def test_a_place_that_can_hold_no_corrections_is_an_error_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as caught:
        FeedbackStore(tmp_path / "file")
    assert caught.value.cure
    (tmp_path / STORE_FILE).write_bytes(b"no database at all, but long enough to look like one" * 100)
    with pytest.raises(DataError):
        FeedbackStore(tmp_path)


def test_a_row_that_can_not_be_written_is_an_error_not_an_acknowledgement(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path)
    sqlite3.connect(tmp_path / STORE_FILE).execute("DROP TABLE feedback")
    with pytest.raises(DataError, match="can't be kept"):
        store.append(said("ant"))
