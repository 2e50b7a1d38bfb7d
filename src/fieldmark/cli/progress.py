"""How long work shows on stderr: bars in a terminal, now and then a line elsewhere, nothing when quiet."""

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

#: Work that takes less than this shows no line at all, in seconds.
_FIRST_LINE = 2.0

#: Seconds between two lines about the same work.
_BETWEEN_LINES = 15.0


class Bars(Protocol):
    """Shows how far pieces of work are; used as a context."""

    def update(self, name: str, done: int, total: int, extra: str = "") -> None:
        """``done`` of ``total`` items of the work ``name`` are over; fewer than before is such work begun anew."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class NoBars:
    """Shows nothing."""

    def update(self, name: str, done: int, total: int, extra: str = "") -> None:
        """Show nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show nothing."""


class LineBars:
    """Prints a line about each piece of work now and then, for logs and pipes.

    Args:
        console: where to print.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun: dict[str, tuple[float, int]] = {}
        self._next: dict[str, float] = {}
        self._done: dict[str, int] = {}

    def update(self, name: str, done: int, total: int, extra: str = "") -> None:
        """Print a line, unless one was printed just now or the work has hardly begun."""
        now = time.monotonic()
        if done < self._done.get(name, 0):
            self._begun[name] = (now, done)
        self._done[name] = done
        begun, first = self._begun.setdefault(name, (now, done))
        due = self._next.setdefault(name, begun + _FIRST_LINE)
        if now < due:
            return
        self._next[name] = now + _BETWEEN_LINES
        left = (now - begun) / max(1, done - first) * max(0, total - done)
        words = [f"{name}: {done:,} of {total:,}", extra, f"about {in_words(left)} left" if done < total else ""]
        self._console.print(", ".join(word for word in words if word), markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the lines as they are."""


class RichBars:
    """Shows a bar with the time left for each piece of work; the bars go away at the end.

    Args:
        console: where to show them.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[extra]}", markup=False),
            console=console,
            transient=True,
            redirect_stdout=False,  # results would end up on stderr
        )
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}

    def update(self, name: str, done: int, total: int, extra: str = "") -> None:
        """Move the bar called ``name``."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total, completed=done, extra=extra)
        elif done < self._done[name]:
            self._progress.reset(self._tasks[name], total=total, completed=done)
        self._done[name] = done
        self._progress.update(self._tasks[name], completed=done, total=total, extra=extra)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


def in_words(seconds: float) -> str:
    """Return a span of time in the two largest units that it has, such as ``"3 min 20 s"``."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
