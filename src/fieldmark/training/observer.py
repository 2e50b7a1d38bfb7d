"""How training tells the outside world what it is doing; it prints nothing itself."""

from collections.abc import Mapping
from typing import Protocol


class TrainObserver(Protocol):
    """Receives what happens during training."""

    def message(self, text: str) -> None:
        """Something worth a line."""
        ...

    def start(self, total_steps: int, done_steps: int) -> None:
        """The steps begin (or begin again, when the plan was cut)."""
        ...

    def step(self, done: int, loss: float) -> None:
        """``done`` steps are over; ``loss`` is the last one's."""
        ...

    def epoch(self, row: Mapping[str, float | int | str | None]) -> None:
        """An epoch is over; ``row`` is its line of log.csv."""
        ...

    def progress(self, name: str, done: int, total: int) -> None:
        """``done`` of ``total`` items of the work called ``name`` are over."""
        ...


class SilentObserver:
    """Ignores everything."""

    def message(self, text: str) -> None:
        """Ignore it."""

    def start(self, total_steps: int, done_steps: int) -> None:
        """Ignore it."""

    def step(self, done: int, loss: float) -> None:
        """Ignore it."""

    def epoch(self, row: Mapping[str, float | int | str | None]) -> None:
        """Ignore it."""

    def progress(self, name: str, done: int, total: int) -> None:
        """Ignore it."""
