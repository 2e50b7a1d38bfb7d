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


def test_few_queries_find_what_many_find() -> None:
    found = Neighbours(normalised(embeddings(50, 0)))
    queries = embeddings(100, 1)
    similarities, places = found.nearest(queries, 4)
    for start in range(0, 100, 10):
        here = slice(start, start + 10)
        few = found.nearest(queries[here], 4)
        assert few[0] == pytest.approx(similarities[here], abs=1e-6)
        assert few[1].tolist() == places[here].tolist()


def test_of_equal_ones_the_first_come_first() -> None:
    reference = normalised(np.repeat(embeddings(2, 0), 4, axis=0))
    _, places = Neighbours(reference).nearest(reference[5:6], 8)
    assert places[0].tolist() == [4, 5, 6, 7, 0, 1, 2, 3]


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
