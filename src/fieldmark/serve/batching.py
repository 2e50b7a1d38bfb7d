"""A bounded queue whose items are worked on in small batches, by one thread."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from fieldmark.serve.refusals import Closing, busy

Item = TypeVar("Item")
Answer = TypeVar("Answer")

#: Weight of the newest batch in the running mean of seconds an item.
_NEWEST = 0.2

#: What a caller is told to wait at least, in s.
_LEAST_WAIT = 1.0


class Batcher(Generic[Item, Answer]):
    """Collects items for a moment and works on them together.

    Every item that was accepted is answered, by a result or an error; closing waits for that. An item whose future was
    cancelled while it waited is not worked on.

    Args:
        work: turns items into as many answers, in order.
        name: what its thread is called.
        max_batch: items that are worked on at once, at least 1.
        max_wait_s: seconds that the first item of a batch waits for others.
        capacity: items that wait at most, at least 1; more are refused.
        observe: told the size of every batch and the seconds that it took.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Answer]],
        *,
        name: str,
        max_batch: int,
        max_wait_s: float,
        capacity: int,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        self._work = work
        self._max_batch = max_batch
        self._max_wait = max_wait_s
        self._capacity = capacity
        self._observe = observe
        self._waiting: deque[tuple[Item, Future[Answer]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._seconds_each = 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """How many items wait."""
        return len(self._waiting)

    def expected_wait(self) -> float:
        """Return the seconds after which the queue should be empty, as far as the last batches tell; at least 1."""
        return max(_LEAST_WAIT, self._seconds_each * (self.depth + self._max_batch))

    def submit(self, item: Item) -> "Future[Answer]":
        """Accept an item, or refuse it.

        Raises:
            Busy: the queue is full.
            Closing: it was closed.
        """
        future: Future[Answer] = Future()
        with self._changed:
            if self._closed:
                raise Closing("The service is stopping.", "Try again in a moment.", retry_after=_LEAST_WAIT)
            if len(self._waiting) >= self._capacity:
                raise busy(self.expected_wait())
            self._waiting.append((item, future))
            self._changed.notify()
        return future

    def close(self, timeout: float | None = None) -> bool:
        """Accept no more, and wait until all that was accepted is answered.

        Args:
            timeout: seconds to wait at most; ``None`` waits as long as it takes.

        Returns:
            Whether all is answered.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while batch := self._next_batch():
            started = time.monotonic()
            self._answer([pair for pair in batch if pair[1].set_running_or_notify_cancel()])
            seconds = time.monotonic() - started
            self._seconds_each += _NEWEST * (seconds / len(batch) - self._seconds_each)
            if self._observe is not None:
                self._observe(len(batch), seconds)

    def _next_batch(self) -> list[tuple[Item, "Future[Answer]"]]:
        """Wait for items; return none once it is closed and all are taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._waiting and not self._closed:
                self._changed.wait_for(lambda: len(self._waiting) >= self._max_batch or self._closed, self._max_wait)
            return [self._waiting.popleft() for _ in range(min(self._max_batch, len(self._waiting)))]

    def _answer(self, batch: list[tuple[Item, "Future[Answer]"]]) -> None:
        if not batch:
            return
        try:
            answers = self._work([item for item, _ in batch])
            for (_, future), answer in zip(batch, answers, strict=True):
                future.set_result(answer)
        except Exception as error:  # whoever waits for an answer is told
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
