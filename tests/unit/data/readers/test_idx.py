import gzip
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the test folders are no packages
from fieldmark.data.images import load_fitted
from fieldmark.data.readers.idx import IdxReader
from fieldmark.errors import DataError
from fieldmark.records import Preprocessing
from format_examples import idx, make_idx, write

LABELS = idx(np.array([1, 2]))
PICTURES = idx(np.zeros((2, 4, 4)))


def test_gzipped_and_plain_files_with_their_labels(tmp_path: Path) -> None:
    table = IdxReader().read(make_idx(tmp_path))
    assert table.counts() == {"test": 2, "train": 4}
    assert table.frame["label"].to_list() == ["3", "7", "3", "7", "7", "3"]
    assert table.frame["path"][3:5].to_list() == ["train-images-idx3-ubyte.gz#3", "t10k-images-idx3-ubyte#0"]


def test_a_picture_is_the_one_in_the_file_in_colour_too(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    write(tmp_path, {"test-images-idx3-ubyte": idx(colour), "test-labels-idx1-ubyte": LABELS})
    table = IdxReader().read(tmp_path)
    assert table.counts() == {"test": 2}
    assert (load_fitted(tmp_path, table.frame["path"][1], Preprocessing(4)).pixels == colour[1]).all()


def test_the_gzipped_file_is_not_read_twice_beside_the_plain_one(tmp_path: Path) -> None:
    write(tmp_path, {"train-images-idx3-ubyte": PICTURES, "train-images-idx3-ubyte.gz": gzip.compress(PICTURES)})
    assert len(IdxReader().read(write(tmp_path, {"train-labels-idx1-ubyte": LABELS}))) == 2


@pytest.mark.parametrize(
    ("images", "labels", "named"),
    [
        (PICTURES, None, "no labels"),
        (PICTURES, idx(np.array([1])), "2 pictures but 1 labels"),
        (PICTURES, PICTURES, "labels have one"),
        (LABELS, LABELS, "not those of pictures"),
        (idx(np.zeros((2, 4, 4, 2))), LABELS, "not those of pictures"),
        (PICTURES[:-1], LABELS, "not a whole IDX"),
        (PICTURES + b"x", LABELS, "not a whole IDX"),
        (b"", LABELS, "not an IDX"),
        (PICTURES[:3] + b"\xff", LABELS, "not an IDX"),
        (struct.pack(">HBB", 0, 8, 0) + b"a", LABELS, "not a whole IDX"),
        (struct.pack(">HBBIII", 0, 8, 3, 2**31, 2**31, 4), LABELS, "not a whole IDX"),
        (struct.pack(">HBBI", 0, 13, 1, 1) + bytes(4), LABELS, "unsigned bytes"),
        (gzip.compress(PICTURES, mtime=0)[:-9], LABELS, "cut off"),
        (
            gzip.compress(PICTURES, mtime=0)[:12] + b"\xff\xff\xff" + gzip.compress(PICTURES, mtime=0)[15:],
            LABELS,
            "cut off",
        ),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, images: bytes, labels: bytes | None, named: str) -> None:
    write(tmp_path, {"train-images-idx3-ubyte": images})
    if labels is not None:
        write(tmp_path, {"train-labels-idx1-ubyte": labels})
    with pytest.raises(DataError, match=named):
        IdxReader().read(tmp_path)
