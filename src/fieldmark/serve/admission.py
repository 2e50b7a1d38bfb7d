"""How much is let in at once: pictures, requests and their bytes; how often one caller may ask."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from fieldmark.serve.refusals import TooLarge, TooMany, busy

#: Callers that are remembered at most; the one not heard of for longest is forgotten.
_MOST_CALLERS = 10_000


class Places:
    """A number of places that are taken and given back.

    Args:
        count: how many there are.
        what: what they are for, as an error says it.
    """

    def __init__(self, count: int, what: str) -> None:
        self._count = count
        self._what = what
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def taken_now(self) -> int:
        """How many are taken."""
        return self._taken

    @property
    def free(self) -> int:
        """How many are free."""
        return self._count - self._taken

    @contextmanager
    def taken(self, wanted: int, *, retry_after: float = 1.0) -> Iterator[None]:
        """Hold some places for a while.

        Args:
            wanted: how many.
            retry_after: what a refused caller is told to wait, in s.

        Raises:
            Busy: not so many are free.
            TooLarge: there are not so many in all.
        """
        if wanted > self._count:
            raise TooLarge(f"{wanted:,} {self._what} are more than the {self._count:,} there are.", "Send fewer.")
        with self._lock:
            if self._taken + wanted > self._count:
                raise busy(retry_after)
            self._taken += wanted
        try:
            yield
        finally:
            with self._lock:
                self._taken -= wanted


class RateLimit:
    """Lets every caller make so many requests a minute, in bursts of a quarter of that.

    A bucket of tokens: each request takes one, and they come back evenly.

    Args:
        per_minute: requests a minute; 0 sets no limit.
    """

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._burst = max(1.0, per_minute / 4)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # caller → tokens, when

    def take(self, caller: str, now: float | None = None) -> None:
        """Count a request of a caller.

        Args:
            caller: who asks.
            now: seconds of a clock that never goes back; by default the machine's.

        Raises:
            TooMany: the caller has to wait.
        """
        if not self._rate:
            return
        now = time.monotonic() if now is None else now
        tokens, since = self._buckets.pop(caller, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        allowed = tokens >= 1
        self._buckets[caller] = (tokens - allowed, now)
        if len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)
        if not allowed:
            wait = (1 - tokens) / self._rate
            raise TooMany("These are too many requests.", f"Wait {wait:.0f} s.", retry_after=wait)
