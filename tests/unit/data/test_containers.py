import gzip
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import fieldmark.data.containers
from fieldmark.data.containers import file_of, is_member, read_idx, read_member
from fieldmark.data.images import decode
from fieldmark.errors import BrokenImageError, DataError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from format_examples import idx, write

GREY = np.random.default_rng(0).integers(0, 256, (3, 5, 7), dtype=np.uint8)


@pytest.mark.parametrize(
    ("path", "member"),
    [
        ("train-images-idx3-ubyte.gz#0", True),
        ("a/t10k-images-idx3-ubyte#12", True),
        ("train/data.arrow#3", True),
        ("shot#1.jpg", False),
        ("shot.jpg#1", False),
        ("a-ubyte", False),
        ("a-ubyte#", False),
        ("a-ubyte#-1", False),
        ("a-ubyte#²", False),
        ("a-ubyte#٣", False),
    ],
)
def test_only_an_index_behind_a_file_of_many_makes_a_member(path: str, member: bool) -> None:
    assert is_member(path) is member
    if member:
        assert f"{file_of(path)}#{int(path.rpartition('#')[2])}" == path


def test_a_member_is_exactly_the_picture_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, {"a-ubyte.gz": gzip.compress(idx(GREY))})
    for index in range(3):
        shown = np.asarray(decode(read_member(tmp_path, f"a-ubyte.gz#{index}")))
        assert (shown == GREY[index, :, :, None]).all()


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    write(tmp_path, {"a-ubyte": idx(GREY)})
    before = read_member(tmp_path, "a-ubyte#0")
    write(tmp_path, {"a-ubyte": idx(255 - GREY)})
    (tmp_path / "a-ubyte").touch()
    assert read_member(tmp_path, "a-ubyte#0") != before


def test_threads_that_want_the_same_file_read_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []

    def counted(file: Path) -> np.ndarray:
        reads.append(file)
        return read_idx(file)

    monkeypatch.setattr(fieldmark.data.containers, "read_idx", counted)
    write(tmp_path, {"a-ubyte": idx(GREY)})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: read_member(tmp_path, f"a-ubyte#{index % 3}"), range(64)))
    assert len(reads) == 1


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("a-ubyte#3", "no picture 3"),
        ("missing-ubyte#0", "No such file"),
        ("flat-ubyte#0", "not those of pictures"),
        ("cut-ubyte#0", "not a whole IDX"),
        ("cut.arrow#0", "not an Arrow file"),
        ("empty.arrow#0", "not an Arrow file"),
        ("nul\0-ubyte#0", "can't be read"),
        ("folder-ubyte#0", "IDX"),
    ],
)
def test_what_is_no_picture_is_broken_with_the_reason(tmp_path: Path, path: str, named: str) -> None:
    files = {"a-ubyte": idx(GREY), "flat-ubyte": idx(GREY.ravel()), "cut-ubyte": idx(GREY)[:-1]}
    write(tmp_path, files | {"cut.arrow": b"ARROW1", "empty.arrow": b"", "folder-ubyte/x": b""})
    with pytest.raises(BrokenImageError, match=named):
        read_member(tmp_path, path)


def write_arrow(file: Path, cells: list[object]) -> None:
    pa = pytest.importorskip("pyarrow")
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(cells, kind)})
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def test_arrow_cells_hold_bytes_or_name_a_file(tmp_path: Path) -> None:
    write(tmp_path, {"far.png": b"pixels"})
    cells = [{"bytes": b"near", "path": None}, {"bytes": None, "path": str(tmp_path / "far.png")}]
    write_arrow(tmp_path / "a.arrow", cells)
    assert read_member(tmp_path, "a.arrow#0") == b"near"
    assert read_member(tmp_path, "a.arrow#1") == b"pixels"


@pytest.mark.parametrize(
    ("cell", "named"),
    [
        (None, "holds no picture"),
        ({"bytes": None, "path": None}, "neither bytes nor a path"),
        ({"bytes": None, "path": "/missing/a.png"}, "can't be read"),
        ({"bytes": None, "path": "nul\0"}, "can't be read"),
    ],
)
def test_arrow_cells_without_a_picture_are_broken(tmp_path: Path, cell: object, named: str) -> None:
    write_arrow(tmp_path / "a.arrow", [cell])
    with pytest.raises(BrokenImageError, match=named):
        read_member(tmp_path, "a.arrow#0")
    with pytest.raises(BrokenImageError, match="no picture 1"):
        read_member(tmp_path, "a.arrow#1")


def test_idx_of_any_dimensions(tmp_path: Path) -> None:
    for values in (GREY, GREY[0, 0], np.zeros((2, 0, 3), np.uint8)):
        (tmp_path / "x").write_bytes(idx(values))
        assert (read_idx(tmp_path / "x") == values).all()
        assert read_idx(tmp_path / "x").shape == values.shape
    with pytest.raises(DataError):
        read_idx(tmp_path / "missing")
