"""Shards give the same table and the same pictures, and are what other programs expect."""

import io
import json
import shutil
import sys
import tarfile
from pathlib import Path

import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
import fieldmark.data.shard_files
from fieldmark.data.images import decode, sample_source
from fieldmark.data.reading import read_table
from fieldmark.data.sharding import write_shards
from fieldmark.data.table import Table, make_table
from fieldmark.errors import BrokenImageError, ConfigError, DataError
from format_examples import make_cub, make_idx, paint, write

FORMS = ("webdataset", "parquet")


@pytest.fixture
def birds(tmp_path: Path) -> Table:
    return read_table(make_cub(tmp_path / "birds"))


@pytest.mark.parametrize("form", FORMS)
def test_a_sharded_table_is_the_same_table(birds: Table, tmp_path: Path, form: str) -> None:
    seen: list[tuple[int, int]] = []
    written = write_shards(birds, tmp_path / "out", form, shard_rows=4, progress=lambda *step: seen.append(step))
    again = read_table(tmp_path / "out")
    assert again.frame.equals(written.frame)
    assert again.frame.drop("path").equals(birds.frame.drop("path"))
    for name in ("classes", "rank_names", "part_names", "attribute_names"):
        assert getattr(again, name) == getattr(birds, name)
    suffix = {"webdataset": "tar", "parquet": "parquet"}[form]
    assert again.frame["path"].to_list() == [f"shard-{row // 4:06}.{suffix}#{row % 4}" for row in range(6)]
    assert seen[-1] == (6, 6)


@pytest.mark.parametrize("form", FORMS)
def test_pictures_are_copied_byte_for_byte(birds: Table, tmp_path: Path, form: str) -> None:
    write_shards(birds, tmp_path / "out", form, shard_rows=4)
    sharded = read_table(tmp_path / "out")
    for before, after in zip(birds.frame["path"], sharded.frame["path"], strict=True):
        assert sample_source(sharded.root, after) == (birds.root / before).read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_shards_can_be_moved_and_are_the_same_bytes_each_time(birds: Table, tmp_path: Path, form: str) -> None:
    write_shards(birds, tmp_path / "a", form, shard_rows=4)
    write_shards(birds, tmp_path / "b", form, shard_rows=4)
    for file in sorted((tmp_path / "a").glob("shard-*")):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    shutil.move(tmp_path / "a", tmp_path / "moved")
    moved = read_table(tmp_path / "moved")
    assert decode(sample_source(moved.root, moved.frame["path"][5])).size == (8, 8)


@pytest.mark.parametrize("form", FORMS)
def test_pictures_inside_files_of_many_can_be_sharded(tmp_path: Path, form: str) -> None:
    digits = read_table(make_idx(tmp_path / "digits"))
    sharded = write_shards(digits, tmp_path / "out", form)
    for before, after in zip(digits.frame["path"], sharded.frame["path"], strict=True):
        pixels = [decode(sample_source(*place)).tobytes() for place in ((digits.root, before), (sharded.root, after))]
        assert pixels[0] == pixels[1]


def test_without_its_index_a_webdataset_says_the_same_of_its_rows(birds: Table, tmp_path: Path) -> None:
    written = write_shards(birds, tmp_path / "out", "webdataset", shard_rows=4)
    (tmp_path / "out" / "index.parquet").unlink()
    assert read_table(tmp_path / "out").frame.equals(written.frame)


def test_a_missing_shard_is_named(birds: Table, tmp_path: Path) -> None:
    write_shards(birds, tmp_path / "out", "webdataset", shard_rows=2)
    (tmp_path / "out" / "shard-000001.tar").unlink()
    with pytest.raises(DataError, match=r"lacks 1 of its shards, such as shard-000001\.tar"):
        read_table(tmp_path / "out")


def test_some_parquet_shards_are_a_table_too(birds: Table, tmp_path: Path) -> None:
    write_shards(birds, tmp_path / "out", "parquet", shard_rows=2)
    one = read_table(tmp_path / "out" / "shard-000001.parquet")
    assert one.frame["id"].to_list() == birds.frame["id"][2:4].to_list()
    assert one.classes == birds.classes


def test_rows_without_a_readable_picture_are_left_out_and_listed(tmp_path: Path) -> None:
    paint(tmp_path / "good.png")
    write(tmp_path, {"notes.txt": "no picture"})
    table = make_table({"path": ["good.png", "missing.png", "notes.txt"]}, tmp_path, reader="flat")
    sharded = write_shards(table, tmp_path / "out", "parquet")
    assert sharded.frame["id"].to_list() == ["good.png"]
    assert {row.path: row.reason for row in sharded.skipped} == {
        "missing.png": "no such file",
        "notes.txt": "not a picture in a known format",
    }
    assert Table.load(tmp_path / "out" / "index.parquet").skipped == sharded.skipped
    with pytest.raises(DataError, match="no pictures that can be read"):
        write_shards(table.where(pl.col("id") != "good.png"), tmp_path / "none", "parquet")
    assert not list(tmp_path.glob("none*"))


def test_what_can_not_be_written_is_refused_before_anything_is(birds: Table, tmp_path: Path) -> None:
    write(tmp_path / "used", {"thesis.tex": "x"})
    with pytest.raises(ConfigError, match="in use"):
        write_shards(birds, tmp_path / "used", "parquet")
    with pytest.raises(ConfigError, match="0 rows"):
        write_shards(birds, tmp_path / "out", "parquet", shard_rows=0)
    with pytest.raises(ConfigError) as unknown:
        write_shards(birds, tmp_path / "out", "zip")
    assert "parquet, webdataset" in unknown.value.cure
    assert not (tmp_path / "out").exists()


def tar(file: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return file


def picture(tmp_path: Path, seed: int) -> bytes:
    paint(tmp_path / "picture.png", seed)
    return (tmp_path / "picture.png").read_bytes()


def test_webdatasets_of_others_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    tar(
        folder / "train-0.tar",
        {
            "a/1.jpg.txt": b"no picture here",
            "a/2.png": picture(tmp_path, 0),
            "a/2.cls": b"7",
            "a/3.left.PNG": picture(tmp_path, 1),
            "a/3.json": json.dumps({"label": "finch", "id": "stolen", "url": "x"}).encode(),
            "b/2.cls": b"5",
            "b/2.png": picture(tmp_path, 2),
        },
    )
    tar(folder / "val_0.tar", {"4.png": picture(tmp_path, 3), "4.json": b"[1, 2]"})
    table = read_table(folder)
    assert table.frame.select("id", "path", "label", "split").rows() == [
        ("train-0/a/2", "train-0.tar#0", "7", "train"),
        ("train-0/a/3", "train-0.tar#1", "finch", "train"),
        ("train-0/b/2", "train-0.tar#2", "5", "train"),
        ("val_0/4", "val_0.tar#0", None, "val"),
    ]
    assert [sample_source(folder, path) for path in table.frame["path"]] == [
        picture(tmp_path, seed) for seed in range(4)
    ]


def test_a_sample_that_is_not_described_by_json_is_named(tmp_path: Path) -> None:
    file = tar(tmp_path / "x.tar", {"1.png": picture(tmp_path, 0), "1.json": b"{"})
    with pytest.raises(DataError, match=r"x\.tar describes 1 by something"):
        read_table(file)


@pytest.mark.parametrize("form", FORMS)
def test_damaged_shards_and_places_beyond_them_are_broken_pictures(birds: Table, tmp_path: Path, form: str) -> None:
    sharded = write_shards(birds, tmp_path / "out", form)
    file = tmp_path / "out" / sharded.frame["path"][0].partition("#")[0]
    for place in (f"{file.name}#6", f"nonesuch{file.suffix}#0"):
        with pytest.raises(BrokenImageError):
            sample_source(sharded.root, place)
    file.write_bytes(file.read_bytes()[:700])
    for place in sharded.frame["path"]:
        with pytest.raises(
            BrokenImageError, match=r"not a tar file|not a Parquet shard|ends in the middle|has no picture"
        ):
            sample_source(sharded.root, place)


def test_a_member_that_claims_too_much_is_refused_unread(
    birds: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fieldmark.data.shard_files, "_MAX_MEMBER_BYTES", 10)
    sharded = write_shards(birds, tmp_path / "out", "webdataset")
    with pytest.raises(BrokenImageError, match="larger than"):
        sample_source(sharded.root, sharded.frame["path"][0])


def test_neighbours_in_a_parquet_shard_are_read_once(
    birds: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    sharded = write_shards(birds, tmp_path / "out", "parquet")
    reads: list[int] = []
    read_row_group = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda self, group, **rest: reads.append(group) or read_row_group(self, group, **rest),
    )
    for path in sharded.frame["path"]:
        sample_source(sharded.root, path)
    assert reads == [0]
