"""What is kept of pictures: as a file and back, thinned, and told apart by the network."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fieldmark.errors import BundleError
from fieldmark.gallery.edited_bundle import beside, thinned
from fieldmark.gallery.stored import GALLERY_FILE, StoredPictures, identity
from fieldmark.models.bundle import load_bundle, save_bundle
from gallery_stand_ins import stored_stand_ins as pictures


def same(first: StoredPictures, second: StoredPictures) -> bool:
    arrays = ("vectors", "presence", "embedding", "boxes", "sizes", "left_out")
    texts = ("ids", "files", "labels", "splits", "network", "additions")
    equal = all(np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True) for name in arrays)
    return equal and all(getattr(first, name) == getattr(second, name) for name in texts)


def test_pictures_come_back_from_their_file(tmp_path: Path) -> None:
    pictures().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [GALLERY_FILE]
    assert same(StoredPictures.load(tmp_path), pictures())


@pytest.mark.parametrize("damage", [b"", b"\0" * 64, b'{"words": 3}' * 9])
def test_a_damaged_file_is_an_error_with_its_cure(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / GALLERY_FILE).write_bytes(damage)
    with pytest.raises(BundleError, match="can't be read") as caught:
        StoredPictures.load(tmp_path)
    assert GALLERY_FILE in caught.value.cure


def test_a_file_that_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    replace(pictures(), presence=np.zeros((5, 2), np.float32)).save(tmp_path)
    with pytest.raises(BundleError, match="presence has the shape"):
        StoredPictures.load(tmp_path)
    replace(pictures(), ids=("a",)).save(tmp_path)
    with pytest.raises(BundleError, match="words"):
        StoredPictures.load(tmp_path)


def test_rows_are_taken_and_joined() -> None:
    first, second = pictures().take(np.array([1, 3])), pictures().take(np.array([0]))
    both = first.joined(second)
    assert both.ids == ("é1", "é3", "é0")
    assert np.array_equal(both.vectors, pictures().vectors[[1, 3, 0]])


def test_what_is_learned_from_and_what_is_held_out() -> None:
    left_out = np.full((6, 1), np.nan, np.float32)
    found = replace(pictures(labels="aabbba"), left_out=left_out)
    assert found.learned_from(("a",)).tolist() == [0, 1]
    assert found.held_out(("a", "b")).tolist() == [2, 5]
    left_out[[0, 3]] = 1.0  # of class a that is not added; of class b, by a row without the picture
    assert found.held_out(("a", "b")).tolist() == [2, 3, 5]
    assert found.held_out(("b",)).tolist() == [2, 3]
    leaked = replace(found, splits=("leaked",) * 6)
    assert leaked.held_out(("a", "b")).tolist() == [3]
    assert found.turns().tolist() == [-1, -1, 0, 1, 2, -1]


def test_a_class_goes_with_its_pictures_and_what_was_known_of_it() -> None:
    left = pictures(labels="aab").without("b")
    assert set(left.labels) == {"a"}
    assert left.left_out.shape == (4, 0)
    assert left.additions == ()
    assert pictures(labels="aab").without("a").left_out.shape == (2, 1)


def test_of_too_many_pictures_every_class_keeps_equally_many() -> None:
    many = pictures(90, "aaaaaaaabc")
    each = (many.vectors.nbytes + many.embedding.nbytes) // 90
    kept = thinned(replace(many, additions=()), most_bytes=30 * each)
    counts = {name: kept.labels.count(name) for name in "abc"}
    assert sum(counts.values()) == 30
    assert counts["b"] == counts["c"] == 9
    assert same(thinned(many, most_bytes=90 * each), many)
    assert thinned(many, most_bytes=30 * each).labels.count("b") == 9  # of an added class all stay


def test_the_network_is_told_by_what_it_sees_not_by_its_classes(tiny_run: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_run / "bundle", bundle)
    before = identity(bundle, "data")
    assert identity(bundle, "other data") != before
    recognizer, info = load_bundle(bundle)
    recognizer.bias.data += 1
    recognizer.head.weight.data += 1  # type: ignore[attr-defined]
    save_bundle(bundle, recognizer, info)
    assert identity(bundle, "data") == before
    next(recognizer.backbone.parameters()).data += 1  # type: ignore[attr-defined]
    save_bundle(bundle, recognizer, info)
    assert identity(bundle, "data") != before
    (bundle / "weights.safetensors").write_bytes(b"\1" * 20)
    with pytest.raises(BundleError, match="can't be read"):
        identity(bundle, "data")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("Kea", "bundle-with-kea"), ("Größe/../x", "bundle-with-größe-x"), ("***", "bundle-with-class")],
)
def test_a_changed_bundle_lies_beside_the_old_one_whatever_the_class_is_called(name: str, wanted: str) -> None:
    assert beside(Path("runs/bundle"), "with", name) == Path("runs") / wanted
