from pathlib import Path

import numpy as np
import pytest

from fieldmark.gallery.search import nearest

usearch = pytest.importorskip("usearch", reason="usearch isn't installed (make install)")


def vectors(count: int = 400) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 12)).astype(np.float16)


EVERYTHING = np.ones(400, np.bool_)


def test_more_vectors_than_are_compared_one_by_one_are_left_to_an_index() -> None:
    query = np.random.default_rng(1).normal(size=12)
    exact = nearest(vectors(), query, 5, wanted=EVERYTHING)
    found = nearest(vectors(), query, 5, wanted=EVERYTHING, exact_up_to=399)
    assert exact.exact
    assert not found.exact
    assert found.places.tolist() == exact.places.tolist()  # of so few, the index misses none
    assert found.similarities == pytest.approx(exact.similarities, abs=1e-6)


def test_an_index_is_kept_in_its_file_and_used_again(tmp_path: Path) -> None:
    query, file = np.random.default_rng(1).normal(size=12), tmp_path / "index.usearch"
    first = nearest(vectors(), query, 5, wanted=EVERYTHING, index=file, exact_up_to=1)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    written = file.stat().st_mtime_ns
    again = nearest(vectors(), query, 5, wanted=EVERYTHING, index=file, exact_up_to=1)
    assert file.stat().st_mtime_ns == written
    assert again.places.tolist() == first.places.tolist()


def test_an_index_of_another_number_of_vectors_is_made_again(tmp_path: Path) -> None:
    query, file = np.random.default_rng(1).normal(size=12), tmp_path / "index.usearch"
    nearest(vectors(), query, 5, wanted=EVERYTHING, index=file, exact_up_to=1)
    fewer = nearest(vectors()[:300], query, 5, wanted=EVERYTHING[:300], index=file, exact_up_to=1)
    assert fewer.places.tolist() == nearest(vectors()[:300], query, 5, wanted=EVERYTHING[:300]).places.tolist()


def test_what_an_index_finds_unwanted_is_left_out() -> None:
    query = np.random.default_rng(1).normal(size=12)
    first = nearest(vectors(), query, 1, wanted=EVERYTHING).places[0]
    wanted = EVERYTHING.copy()
    wanted[first] = False
    found = nearest(vectors(), query, 5, wanted=wanted, exact_up_to=1)
    assert len(found.places) == 5
    assert first not in found.places


def test_fewer_than_asked_for_and_none() -> None:
    query = np.ones(12)
    assert len(nearest(vectors(3), query, 5, wanted=np.ones(3, np.bool_)).places) == 3
    assert len(nearest(vectors(3), query, 5, wanted=np.zeros(3, np.bool_)).places) == 0


def test_vectors_of_nothing_are_like_nothing() -> None:
    empty = np.zeros((4, 12), np.float16)
    assert nearest(empty, np.ones(12), 2, wanted=np.ones(4, np.bool_)).similarities.tolist() == [0.0, 0.0]
    assert np.isfinite(nearest(vectors(4), np.zeros(12), 2, wanted=np.ones(4, np.bool_)).similarities).all()
