"""Training's progress on the terminal."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from fieldmark.cli.progress import in_words
from fieldmark.cli.terminal import Terminal, percent


class RichObserver:
    """Shows steps as a bar with the time left, and a line for every epoch; used as a context.

    Args:
        terminal: where to show them.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._bars = terminal.bars()
        self._total = 0

    def message(self, text: str) -> None:
        """Print something worth a line."""
        self._terminal.note(text)

    def start(self, total_steps: int, done_steps: int) -> None:
        """Begin the bar of steps, or begin it again with another total."""
        self._total = total_steps
        self._bars.update("Training", done_steps, total_steps)

    def step(self, done: int, loss: float) -> None:
        """Move the bar of steps."""
        self._bars.update("Training", done, self._total, f"loss {loss:.3f}")

    def epoch(self, row: Mapping[str, float | int | str | None]) -> None:
        """Print an epoch's figures."""
        words = [f"Epoch {row['epoch']}"]
        loss, right, seconds = row.get("train_loss"), row.get("val_top1"), row.get("seconds")
        if isinstance(loss, int | float):
            words.append(f"loss {loss:.3f}")
        if isinstance(right, int | float):
            words.append(f"validation accuracy {percent(right)}")
        if isinstance(seconds, int | float):
            words.append(in_words(seconds))
        self._terminal.note(", ".join(words))

    def progress(self, name: str, done: int, total: int) -> None:
        """Move the bar of other work."""
        self._bars.update(name, done, total)

    def __enter__(self) -> Self:
        self._bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.__exit__(kind, error, trace)
