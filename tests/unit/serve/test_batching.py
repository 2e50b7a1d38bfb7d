import threading
import time
from collections.abc import Sequence

import pytest

from fieldmark.serve.batching import Batcher
from fieldmark.serve.refusals import Busy, Closing

PATIENCE = 20.0


class Doubler:
    """Doubles numbers once it may; keeps the batches that it was given."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.may_work = threading.Event()
        if not held:
            self.may_work.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        assert self.may_work.wait(PATIENCE)
        return [2 * item for item in items]


def batcher(work: Doubler, *, max_batch: int = 4, max_wait_s: float = 0.0, capacity: int = 8) -> Batcher[int, int]:
    return Batcher(work, name="test", max_batch=max_batch, max_wait_s=max_wait_s, capacity=capacity)


def held(work: Doubler, queue: Batcher[int, int]) -> None:
    """Submit one item, and wait until it is being worked on."""
    queue.submit(0)
    deadline = time.monotonic() + PATIENCE
    while not work.batches and time.monotonic() < deadline:
        time.sleep(0.001)
    assert work.batches == [[0]]


def test_what_waits_is_worked_on_together_in_order() -> None:
    work = Doubler(held=True)
    queue = batcher(work)
    held(work, queue)
    futures = [queue.submit(item) for item in range(1, 7)]
    assert queue.depth == 6
    work.may_work.set()
    assert [future.result(PATIENCE) for future in futures] == [2, 4, 6, 8, 10, 12]
    assert work.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_the_first_of_a_batch_waits_for_others_until_it_is_full() -> None:
    work = Doubler()
    queue = batcher(work, max_batch=3, max_wait_s=PATIENCE)
    futures = [queue.submit(item) for item in (1, 2, 3)]
    assert [future.result(PATIENCE / 2) for future in futures] == [2, 4, 6]  # a full batch doesn't wait
    assert work.batches == [[1, 2, 3]]


def test_a_full_queue_refuses_and_says_how_long_to_wait() -> None:
    work = Doubler(held=True)
    queue = batcher(work, capacity=2)
    held(work, queue)
    accepted = [queue.submit(1), queue.submit(2)]
    with pytest.raises(Busy) as caught:
        queue.submit(3)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after >= 1
    work.may_work.set()
    assert [future.result(PATIENCE) for future in accepted] == [2, 4]
    assert queue.submit(3).result(PATIENCE) == 6


def test_closing_answers_all_that_was_accepted_and_nothing_after() -> None:
    work = Doubler(held=True)
    queue = batcher(work)
    held(work, queue)
    futures = [queue.submit(item) for item in range(7)]
    assert not queue.close(0.01)
    with pytest.raises(Closing):
        queue.submit(9)
    work.may_work.set()
    assert queue.close(PATIENCE)
    assert [future.result(0) for future in futures] == [0, 2, 4, 6, 8, 10, 12]


def test_what_nobody_waits_for_any_more_is_not_worked_on() -> None:
    work = Doubler(held=True)
    queue = batcher(work)
    held(work, queue)
    given_up, wanted = queue.submit(1), queue.submit(2)
    assert given_up.cancel()
    work.may_work.set()
    assert wanted.result(PATIENCE) == 4
    assert work.batches == [[0], [2]]


def test_an_error_reaches_everyone_in_the_batch_and_the_next_batch_goes_on() -> None:
    def work(items: Sequence[int]) -> list[int]:
        if 0 in items:
            raise ValueError("zero")
        return list(items)

    queue: Batcher[int, int] = Batcher(work, name="test", max_batch=2, max_wait_s=0.2, capacity=8)
    first, second = queue.submit(0), queue.submit(1)
    for future in (first, second):
        with pytest.raises(ValueError, match="zero"):
            future.result(PATIENCE)
    assert queue.submit(5).result(PATIENCE) == 5


def test_batches_are_told_of() -> None:
    seen: list[int] = []
    told = threading.Event()

    def observe(size: int, _seconds: float) -> None:
        seen.append(size)
        told.set()

    queue: Batcher[int, int] = Batcher(Doubler(), name="test", max_batch=2, max_wait_s=0, capacity=8, observe=observe)
    queue.submit(1)
    assert told.wait(PATIENCE)
    assert seen == [1]
