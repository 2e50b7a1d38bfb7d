import tracemalloc

import numpy as np
import pytest

from fieldmark.audit.neighbours import nearest


def unit_rows(count: int, dim: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_nearest_are_those_of_a_full_table_of_cosines() -> None:
    rows = unit_rows(60, 8)
    found = nearest(rows, 4)
    cosines = rows.astype(np.float64) @ rows.T.astype(np.float64)
    np.fill_diagonal(cosines, -2)
    order = np.argsort(-cosines, axis=1)[:, :4]
    assert (found.places == order).all()
    assert found.cosines == pytest.approx(np.take_along_axis(cosines, order, 1))


@pytest.mark.parametrize("block", [1, 7, 59, 1000])
def test_blocks_give_the_same_as_one_block(block: int) -> None:
    rows = unit_rows(60, 8)
    rows[30:40] = rows[:10]  # ties are decided by place, whatever the block
    whole, parts = nearest(rows, 5), nearest(rows, 5, block=block)
    assert (whole.places == parts.places).all()
    assert (whole.cosines == parts.cosines).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_rows_than_neighbours_leave_places_empty(count: int) -> None:
    found = nearest(unit_rows(count, 4), 5)
    assert found.places.shape == (count, 5)
    assert (found.places[:, : count - 1] >= 0).all()
    assert (found.places[:, count - 1 :] == -1).all()
    assert (found.places != np.arange(count)[:, None]).all()


def test_progress_reaches_the_end() -> None:
    seen: list[tuple[int, int]] = []
    nearest(unit_rows(10, 4), 2, block=4, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(4, 10), (8, 10), (10, 10)]


def test_memory_is_that_of_a_block_whatever_the_number_of_rows() -> None:
    block = 256

    def peak(count: int) -> int:
        rows = unit_rows(count, 8)
        tracemalloc.start()
        nearest(rows, 5, block=block)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return taken - count * 5 * 16  # beside the result

    assert peak(2 * block) < 60 * block**2
    assert peak(16 * block) < 60 * block**2  # a table of all cosines would take 4 * 256 * block²
