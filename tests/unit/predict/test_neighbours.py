import numpy as np
import pytest

from fieldmark.models.reference import normalised
from fieldmark.predict import neighbours
from fieldmark.predict.neighbours import Neighbours


def embeddings(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)


def test_the_nearest_are_those_of_the_largest_cosine() -> None:
    reference, queries = normalised(embeddings(50, 0)), embeddings(4, 1)
    similarities, places = Neighbours(reference).nearest(queries, 3)
    for row, query in enumerate(queries):
        cosines = [float(query @ one / np.linalg.norm(query)) for one in reference]
        best = sorted(range(50), key=lambda place: -cosines[place])[:3]
        assert places[row].tolist() == best
        assert similarities[row] == pytest.approx([cosines[place] for place in best], abs=1e-5)


def test_no_more_are_found_than_there_are() -> None:
    similarities, places = Neighbours(normalised(embeddings(2, 0))).nearest(embeddings(3, 1), 5)
    assert similarities.shape == places.shape == (3, 2)


@pytest.mark.parametrize("queries", [1, 6])
def test_an_index_finds_what_comparing_all_finds(monkeypatch: pytest.MonkeyPatch, queries: int) -> None:
    pytest.importorskip("usearch", reason="usearch is not installed")
    reference, asked = normalised(embeddings(300, 0)), embeddings(queries, 1)
    exact = Neighbours(reference).nearest(asked, 5)
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 100)
    indexed = Neighbours(reference)
    assert indexed._index is not None
    found = indexed.nearest(asked, 5)
    assert found[0] == pytest.approx(exact[0], abs=1e-4)
    assert (found[1] == exact[1]).mean() > 0.9
