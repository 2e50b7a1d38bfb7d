import errno
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import fieldmark.data.cache
import fieldmark.data.cache_folder
from fieldmark.data.cache import CachedImages, cache_entries, cache_images, clear_cache
from fieldmark.data.images import load_fitted
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError
from fieldmark.records import Preprocessing

SIDE = 16
SMALL = Preprocessing(SIDE)
BYTES = SIDE * SIDE * 3


def paint(path: Path, seed: int) -> None:
    height, width = 20 + seed % 7, 30 - seed % 5
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)


def make(folder: Path, count: int = 6, **columns: list[str]) -> Table:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{index}.png" for index in range(count)]
    for index, name in enumerate(names):
        paint(folder / name, index)
    return make_table({"path": names, **columns}, folder, reader="flat")


def only(cache: Path) -> Path:
    """The folder of the one entry of a cache."""
    (entry,) = cache_entries(cache)
    return cache / entry.key


def forbid_building(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*arguments: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(fieldmark.data.cache, "_build", build)


def assert_as_loaded(images: CachedImages, preprocessing: Preprocessing) -> None:
    for row, path in enumerate(images.table.frame["path"]):
        fitted = load_fitted(images.table.root, path, preprocessing)
        assert (images.pixels[row] == fitted.pixels).all()
        assert images.windows[row].tolist() == pytest.approx(fitted.window)
        assert tuple(images.sizes[row]) == fitted.size


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
def test_the_array_holds_exactly_what_loading_one_by_one_gives(tmp_path: Path, workers: int, fit: str) -> None:
    preprocessing = Preprocessing(SIDE, fit=fit)
    told: list[tuple[int, int]] = []
    table = make(tmp_path / "data", 40)
    images = cache_images(
        table, preprocessing, tmp_path / "c", workers=workers, progress=lambda *pair: told.append(pair)
    )
    assert (images.pixels.shape, images.pixels.dtype) == ((40, SIDE, SIDE, 3), np.uint8)
    assert_as_loaded(images, preprocessing)
    assert told == [(done, 40) for done in range(1, 41)]
    assert images.broken == ()


def test_the_array_can_be_inspected_and_not_written(tmp_path: Path) -> None:
    images = cache_images(make(tmp_path / "data"), SMALL, tmp_path / "c")
    assert (np.load(only(tmp_path / "c") / "pixels.npy") == images.pixels).all()
    with pytest.raises(ValueError, match="read-only"):
        images.pixels[0] = 0


def test_a_second_time_it_is_opened_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make(tmp_path / "data")
    first = cache_images(table, SMALL, tmp_path / "c")
    forbid_building(monkeypatch)
    again = cache_images(table, replace(SMALL, mean=(0, 0, 0), std=(1, 1, 1)), tmp_path / "c")
    assert (again.pixels == first.pixels).all()
    assert again.content.tolist() == first.content.tolist()


@pytest.mark.parametrize(
    "change",
    [
        lambda folder, wanted: replace(wanted, resolution=17),
        lambda folder, wanted: replace(wanted, fit="crop"),
        lambda folder, wanted: replace(wanted, fill=(0, 0, 0)),
        lambda folder, wanted: paint(folder / "0.png", 99) or wanted,
        lambda folder, wanted: os.utime(folder / "0.png", (1, 1)) or wanted,
    ],
)
def test_another_preprocessing_or_a_changed_file_makes_another_entry(tmp_path: Path, change: object) -> None:
    table = make(tmp_path / "data")
    cache_images(table, SMALL, tmp_path / "c")
    wanted = change(table.root, SMALL)
    assert_as_loaded(cache_images(table, wanted, tmp_path / "c"), wanted)
    assert len(cache_entries(tmp_path / "c")) == 2


def test_broken_rows_are_left_out_and_named(tmp_path: Path) -> None:
    table = make(tmp_path / "data", id=list("abcdef"))
    (table.root / "1.png").write_bytes(b"")
    (table.root / "4.png").unlink()
    for _ in range(2):  # built, then opened
        images = cache_images(table, SMALL, tmp_path / "c", max_broken=0.5)
        assert [(row.id, row.path, row.reason) for row in images.broken] == [
            ("b", "1.png", "the file is empty"),
            ("e", "4.png", "no such file"),
        ]
        assert images.table.frame["id"].to_list() == ["a", "c", "d", "f"]
        assert len(images.pixels) == len(images.windows) == len(images.sizes) == len(images.content) == 4
        assert len(images.looks) == 4
        assert_as_loaded(images, SMALL)


def test_rows_stay_aligned_when_another_table_gives_the_pictures_other_ids(tmp_path: Path) -> None:
    table = make(tmp_path / "data", id=list("abcdef"))
    (table.root / "0.png").write_bytes(b"")
    cache_images(table, SMALL, tmp_path / "c", max_broken=0.5)
    renamed = replace(table, frame=table.frame.with_columns(id=pl.col("id").str.to_uppercase()))
    images = cache_images(renamed, SMALL, tmp_path / "c", max_broken=0.5)
    assert len(cache_entries(tmp_path / "c")) == 1
    assert [row.id for row in images.broken] == ["A"]
    assert images.table.frame["id"].to_list() == list("BCDEF")
    assert_as_loaded(images, SMALL)


def test_a_file_that_came_back_is_used(tmp_path: Path) -> None:
    table = make(tmp_path / "data")
    (table.root / "2.png").unlink()
    assert len(cache_images(table, SMALL, tmp_path / "c", max_broken=1).broken) == 1
    paint(table.root / "2.png", 2)
    assert cache_images(table, SMALL, tmp_path / "c").broken == ()


@pytest.mark.parametrize(("broken", "refused"), [(1, False), (2, True)])
def test_more_than_one_percent_broken_stops_with_the_list(tmp_path: Path, broken: int, refused: bool) -> None:
    table = make(tmp_path / "data", 100)
    for index in range(broken):
        (table.root / f"{index}.png").write_bytes(b"")
    if not refused:
        assert len(cache_images(table, SMALL, tmp_path / "c").broken) == broken
        return
    with pytest.raises(DataError) as caught:
        cache_images(table, SMALL, tmp_path / "c")
    assert caught.value.message == (
        "2 of 100 pictures are broken:\n  0.png: the file is empty\n  1.png: the file is empty"
    )
    assert "data check" in caught.value.cure


def test_of_very_many_broken_pictures_twenty_are_listed_and_the_rest_counted(tmp_path: Path) -> None:
    table = make(tmp_path / "data", 30)
    for path in table.root.glob("*.png"):
        path.write_bytes(b"x")
    with pytest.raises(DataError, match="30 of 30") as caught:
        cache_images(table, SMALL, tmp_path / "c")
    assert caught.value.message.count(".png: not a picture") == 20
    assert caught.value.message.endswith("… and 10 more")
    assert len(cache_images(table, SMALL, tmp_path / "c", max_broken=1).broken) == 30


def test_rows_without_pictures(tmp_path: Path) -> None:
    table = make_table({"id": ["a"], "text": ["hello"]}, tmp_path, reader="manifest")
    with pytest.raises(DataError, match="no rows with pictures"):
        cache_images(table, SMALL, tmp_path / "c")


def spoil(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 255
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: spoil(entry / "pixels.npy", (entry / "pixels.npy").stat().st_size - 1),
        lambda entry: spoil(entry / "pixels.npy", 0),
        lambda entry: (entry / "pixels.npy").unlink(),
        lambda entry: (entry / "pixels.npy").write_bytes(bytes((entry / "pixels.npy").stat().st_size)),
        lambda entry: spoil(entry / "rows.npz", 100),
        lambda entry: (entry / "rows.npz").write_bytes(b"\1" * (entry / "rows.npz").stat().st_size),
        lambda entry: flip(entry / "rows.npz", 250),
        lambda entry: (entry / "rows.npz").unlink(),
        lambda entry: (entry / "entry.json").unlink(),
        lambda entry: (entry / "entry.json").write_text("{"),
        lambda entry: (entry / "entry.json").write_text("[]"),
        lambda entry: (entry / "entry.json").write_bytes(b"\xff\xfe"),
        lambda entry: (entry / "entry.json").write_text('{"format": 1, "rows": 6}'),
    ],
)
def test_a_damaged_entry_is_built_again(tmp_path: Path, damage: object) -> None:
    table = make(tmp_path / "data")
    cache_images(table, SMALL, tmp_path / "c")
    damage(only(tmp_path / "c"))
    assert_as_loaded(cache_images(table, SMALL, tmp_path / "c"), SMALL)
    assert len(cache_entries(tmp_path / "c")) == 1


@pytest.mark.parametrize("lost", ["entry.json", "pixels.npy", "rows.npz"])
@pytest.mark.parametrize("wholly", [True, False])
def test_a_damaged_entry_is_not_listed_but_cleared(tmp_path: Path, lost: str, wholly: bool) -> None:
    cache = tmp_path / "c"
    cache_images(make(tmp_path / "data"), SMALL, cache)
    entry = only(cache)
    left = sum(path.stat().st_size for path in entry.iterdir()) - (entry / lost).stat().st_size
    if wholly:
        (entry / lost).unlink()
    else:
        spoil(entry / lost, 50)
    assert cache_entries(cache) == []
    assert clear_cache(cache) == left + (0 if wholly else 50)
    assert not entry.exists()


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    table, cache = make(tmp_path / "data", 30), tmp_path / "c"
    with pytest.raises(KeyboardInterrupt):
        cache_images(table, SMALL, cache, progress=interrupt)
    assert [path.suffix for path in cache.iterdir()] == [".lock"]
    assert_as_loaded(cache_images(table, SMALL, cache), SMALL)


KILLED = """
import os, sys
from pathlib import Path
from fieldmark.data.cache import cache_images
from fieldmark.data.table import Table
from fieldmark.records import Preprocessing
table = Table.load(Path(sys.argv[1]))
def progress(done, total):
    if done == 3:
        os.kill(os.getpid(), 9)
cache_images(table, Preprocessing(16), Path(sys.argv[2]), progress=progress)
"""


def test_a_killed_build_is_not_taken_for_complete_and_is_swept_up(tmp_path: Path) -> None:
    table, cache = make(tmp_path / "data", 30), tmp_path / "c"
    table.save(tmp_path / "table")
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "table", cache], check=False, timeout=60)
    assert done.returncode == -9
    (left,) = cache.glob("*.partial")
    assert cache_entries(cache) == []
    cache_images(make(tmp_path / "other", 3), SMALL, cache)  # any later build sweeps
    assert not left.exists()
    assert_as_loaded(cache_images(table, SMALL, cache), SMALL)


BOTH = """
import sys, time
from pathlib import Path
import fieldmark.data.cache as module
from fieldmark.data.table import Table
from fieldmark.records import Preprocessing
table, ready = Table.load(Path(sys.argv[1])), Path(sys.argv[3])
built = []
def progress(done, total):
    built.append(done)
    time.sleep(0.02)
ready.touch()
while not (ready.parent / "go").exists():
    time.sleep(0.005)
images = module.cache_images(table, Preprocessing(16), Path(sys.argv[2]), progress=progress)
print(len(built), int(images.pixels.astype("int64").sum()), len(images.table))
"""


def test_two_processes_at_once_build_once(tmp_path: Path) -> None:
    table, cache = make(tmp_path / "data", 20), tmp_path / "c"
    table.save(tmp_path / "table")
    command = [sys.executable, "-c", BOTH, tmp_path / "table", cache]
    processes = [
        subprocess.Popen([*command, tmp_path / f"ready{index}"], stdout=subprocess.PIPE, text=True)
        for index in range(2)
    ]
    started = time.monotonic()
    while len(list(tmp_path.glob("ready*"))) < 2:
        assert time.monotonic() - started < 60
        time.sleep(0.01)
    (tmp_path / "go").touch()
    results = [process.communicate(timeout=60)[0].split() for process in processes]
    total = str(int(cache_images(table, SMALL, cache).pixels.astype(np.int64).sum()))
    assert sorted(int(built) for built, _, _ in results) == [0, 20]
    assert [rest for _, *rest in results] == [[total, "20"]] * 2
    assert len(cache_entries(cache)) == 1


def test_the_least_recently_used_entry_makes_room(tmp_path: Path) -> None:
    cache, tables = tmp_path / "c", [make(tmp_path / name) for name in "abcd"]
    keys = []
    for age, table in enumerate(tables[:3]):
        cache_images(table, SMALL, cache)
        (new,) = {entry.key for entry in cache_entries(cache)} - set(keys)
        keys.append(new)
        os.utime(cache / new / "entry.json", (1000 + age, 1000 + age))
    cache_images(tables[0], SMALL, cache)  # the oldest has now been used last
    room = sum(entry.bytes for entry in cache_entries(cache))
    cache_images(tables[3], SMALL, cache, max_bytes=room)
    kept = {entry.key for entry in cache_entries(cache)}
    assert keys[0] in kept
    assert keys[1] not in kept
    assert keys[2] in kept
    assert len(kept) == 3


def test_an_entry_in_use_is_never_evicted(tmp_path: Path) -> None:
    cache = tmp_path / "c"
    used = cache_images(make(tmp_path / "a"), SMALL, cache)
    entry = only(cache)
    bound = int(6 * BYTES * 1.5)
    cache_images(make(tmp_path / "b"), SMALL, cache, max_bytes=bound)
    assert entry.exists()
    assert_as_loaded(used, SMALL)
    del used
    cache_images(make(tmp_path / "d"), SMALL, cache, max_bytes=bound)
    assert not entry.exists()


def test_a_table_larger_than_the_bound_is_refused_with_the_cure(tmp_path: Path) -> None:
    cache = tmp_path / "c"
    cache_images(make(tmp_path / "a"), SMALL, cache)
    with pytest.raises(DataError, match=r"take 0.0 MiB; the cache may hold 0.0 MiB") as caught:
        cache_images(make(tmp_path / "b", 9), SMALL, cache, max_bytes=9 * BYTES - 1)
    assert "resolution" in caught.value.cure
    assert len(cache_entries(cache)) == 1, "nothing was evicted in vain"


def test_a_full_disk_is_told_before_it_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr(fieldmark.data.cache_folder.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(DataError, match="are free") as caught:
        cache_images(make(tmp_path / "a"), SMALL, tmp_path / "c")
    assert "--cache" in caught.value.cure


def test_a_disk_that_fills_up_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reserve(file: Path, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fieldmark.data.cache, "reserve", reserve)
    with pytest.raises(DataError, match="is full"):
        cache_images(make(tmp_path / "a"), SMALL, tmp_path / "c")
    assert list((tmp_path / "c").glob("*.partial")) == []


def test_a_cache_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="can't be written") as caught:
        cache_images(make(tmp_path / "a"), SMALL, tmp_path / "file" / "c")
    assert "--cache" in caught.value.cure


def test_entries_tell_what_is_there(tmp_path: Path) -> None:
    cache = tmp_path / "c"
    assert cache_entries(cache) == []
    before = time.time()
    for name, side in (("a", 16), ("b", 20)):
        cache_images(make(tmp_path / name), Preprocessing(side), cache)
    newest, oldest = cache_entries(cache)
    assert (newest.rows, newest.resolution, newest.source) == (6, 20, str(tmp_path / "b"))
    assert newest.last_used >= oldest.last_used
    assert before - 1 <= newest.created <= time.time() + 1
    assert newest.bytes == sum(path.stat().st_size for path in (cache / newest.key).iterdir())
    assert newest.bytes > 6 * 20 * 20 * 3


def test_clearing_frees_what_it_says_and_touches_nothing_else(tmp_path: Path) -> None:
    cache = tmp_path / "c"
    for name in "ab":
        cache_images(make(tmp_path / name), SMALL, cache)
    (cache / "thesis.partial").mkdir()
    (cache / "thesis.partial" / "entry.json").write_text("mine")
    (tmp_path / "a" / "entry.json").write_text("theirs")
    (cache / ("0" * 24)).symlink_to(tmp_path / "a", target_is_directory=True)
    first, second = cache_entries(cache)
    assert clear_cache(cache, ["../a", "nonesuch", "thesis"]) == 0
    assert clear_cache(cache, [first.key]) == first.bytes
    assert [entry.key for entry in cache_entries(cache)] == [second.key]
    assert clear_cache(cache) == second.bytes
    assert cache_entries(cache) == []
    assert (cache / "thesis.partial" / "entry.json").read_text() == "mine"
    assert len(list((tmp_path / "a").iterdir())) == 7


def test_clearing_keeps_what_is_being_built_and_an_open_map_readable(tmp_path: Path) -> None:
    cache = tmp_path / "c"
    images = cache_images(make(tmp_path / "a"), SMALL, cache)
    key = only(cache).name
    with fieldmark.data.cache_folder.lock_of(cache, key):
        assert clear_cache(cache) == 0
    assert clear_cache(cache) > 0
    assert_as_loaded(images, SMALL)


def test_hashes_tell_bytes_and_looks(tmp_path: Path) -> None:
    table = make(tmp_path / "data", 4)
    (table.root / "1.png").write_bytes((table.root / "0.png").read_bytes())
    with Image.open(table.root / "0.png") as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(table.root / "2.png")
    images = cache_images(table, SMALL, tmp_path / "c")
    assert images.content[0] == images.content[1]
    assert len(set(images.content)) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", digest) for digest in images.content)
    assert (images.looks[0] == images.looks[1]).all()
    distance = np.bitwise_count(images.looks[:, 0] ^ images.looks[0, 1])
    assert distance[2] <= 4, "the mirror image's hash"
    assert distance[3] > 12


def test_the_description_is_json_with_reasons(tmp_path: Path) -> None:
    table = make(tmp_path / "data")
    (table.root / "3.png").write_bytes(b"")
    cache_images(table, SMALL, tmp_path / "c", max_broken=1)
    entry = json.loads((only(tmp_path / "c") / "entry.json").read_text())
    assert entry["broken"] == [[3, "the file is empty"]]
    assert entry["preprocessing"]["resolution"] == SIDE
