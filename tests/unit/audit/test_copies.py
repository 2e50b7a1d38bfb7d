import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit_stand_ins import colour_network, cut, picture, recoded, three_classes, write_table
from fieldmark.audit.copies import Families, close_hashes, families_by_hash, join_by_embedding
from fieldmark.audit.embedding import embed_pictures
from fieldmark.audit.neighbours import nearest
from fieldmark.audit.projection import centred
from fieldmark.data.cache import CachedImages
from fieldmark.data.checking import decode_for_check


def file_of(folder: Path, image: Image.Image) -> bytes:
    image.save(folder / "source.png")
    return (folder / "source.png").read_bytes()


@pytest.fixture
def images(tmp_path: Path) -> CachedImages:
    """Thirty-six pictures without copies, then five copies of the first, and two of the second."""
    first, second = picture(0, "ant"), picture(1, "ant")
    copies = {
        "exact.png": ("ant", "test", file_of(tmp_path, first)),
        "jpeg.jpg": ("ant", "train", recoded(first, 40)),
        "small.png": ("ant", "train", first.resize((80, 60))),
        "mirror.png": ("bee", "train", first.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        "grey.png": ("ant", None, first.convert("L")),
        "other.png": ("ant", "train", second.resize((240, 180))),
        "other.jpg": ("ant", "train", recoded(second, 60)),
    }
    table = write_table(tmp_path, three_classes() | copies)
    return decode_for_check(table, tmp_path / "cache")


def named(families: Families, images: CachedImages) -> list[set[str]]:
    names = images.table.frame["id"].to_list()
    return [{names[row] for row in rows} for rows in families.members()]


EXPECTED = [
    {"ant/0.png", "exact.png", "jpeg.jpg", "small.png", "mirror.png", "grey.png"},
    {"ant/1.png", "other.png", "other.jpg"},
]


def test_altered_copies_are_one_family_inside_and_across_splits(images: CachedImages) -> None:
    families = families_by_hash(images)
    assert named(families, images) == EXPECTED
    first, exact = (images.table.frame["id"].to_list().index(name) for name in ("ant/0.png", "exact.png"))
    assert families.agreement[first] == families.agreement[exact] == 1
    assert families.agreement[images.table.frame["id"].to_list().index("jpeg.jpg")] > 0.9
    assert families.agreement[5] == -1


@pytest.mark.parametrize("block", [1, 5, 42])
def test_blocks_of_hashes_give_the_same_as_one_block(images: CachedImages, block: int) -> None:
    whole, parts = families_by_hash(images), families_by_hash(images, block=block)
    assert parts.members() == whole.members()
    assert (parts.agreement == whole.agreement).all()


def test_families_do_not_depend_on_the_order_of_pairs() -> None:
    pairs = np.array([[0, 3], [3, 5], [1, 2], [5, 0], [4, 4]])
    agreement = np.array([0.9, 0.95, 0.92, 0.97, 1.0], np.float32)
    results = set()
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(pairs))
        families = Families(7)
        families.join(pairs[order, 0], pairs[order, 1], agreement[order])
        results.add((str(families.members()), str(families.agreement.tolist())))
    assert len(results) == 1
    assert families.members() == [[0, 3, 5], [1, 2]]
    assert families.agreement[:4].tolist() == pytest.approx([0.97, 0.92, 0.92, 0.95])


def test_a_cut_copy_is_told_by_its_embedding_and_its_place_only(tmp_path: Path) -> None:
    wanted = {"cut.jpg": ("ant", "test", recoded(cut(picture(0, "ant"), 0.88), 70))}
    table = write_table(tmp_path, three_classes() | wanted)
    images = decode_for_check(table, tmp_path / "cache")
    families = families_by_hash(images)
    assert families.members() == []
    vectors = embed_pictures(images.table, colour_network())
    rows = np.arange(len(vectors))
    join_by_embedding(families, images, rows, nearest(vectors, 5), centred(vectors))
    assert named(families, images) == [{"ant/0.png", "cut.jpg"}]


def test_small_drawings_are_not_laid_over_each_other(tmp_path: Path) -> None:
    small = {f"{index}.png": ("ant", None, picture(0).resize((40, 30))) for index in range(3)}
    table = write_table(tmp_path, small)
    images = decode_for_check(table, tmp_path / "cache")
    different = replace(images, content=np.array(["a", "b", "c"]))
    families = Families(3)
    vectors = np.ones((3, 1), np.float32)
    join_by_embedding(families, different, np.arange(3), nearest(vectors, 2), vectors)
    assert families.members() == []


def test_all_of_one_picture_is_one_family_in_bounded_time(tmp_path: Path) -> None:
    image = picture(3, "cat")
    table = write_table(tmp_path, {f"{index}.png": ("cat", "train", image) for index in range(30)})
    images = decode_for_check(table, tmp_path / "cache")
    assert families_by_hash(images).members() == [list(range(30))]


def test_memory_of_comparing_hashes_is_that_of_a_block() -> None:
    block, count = 256, 4096
    looks = np.random.default_rng(0).integers(0, 2**63, (count, 2), dtype=np.uint64)
    tracemalloc.start()
    found = sum(len(a) for a, _, _ in close_hashes(looks, np.arange(count), block=block))
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found < 10
    assert taken < 60 * block**2  # all pairs at once would take 8 * 256 * block²
