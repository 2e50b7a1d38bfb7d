"""Training's progress as lines on stderr."""

import sys
from collections.abc import Mapping


class LineObserver:
    """One line an epoch."""

    def message(self, text: str) -> None:
        """Print it."""
        print(text, file=sys.stderr, flush=True)

    def start(self, total_steps: int, done_steps: int) -> None:
        """Print where training stands."""
        self.message(f"{done_steps} of {total_steps} steps done")

    def step(self, done: int, loss: float) -> None:
        """Print nothing."""

    def epoch(self, row: Mapping[str, float | int | str | None]) -> None:
        """Print the epoch's figures."""
        self.message(" ".join(f"{name}={value}" for name, value in row.items()))

    def progress(self, name: str, done: int, total: int) -> None:
        """Print nothing."""
