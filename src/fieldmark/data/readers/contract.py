"""What every reader offers."""

from pathlib import Path
from typing import Protocol

from fieldmark.data.table import Table


class Reader(Protocol):
    """Reads one format.

    Attributes:
        looks_for: what the format is recognised by, in words.
    """

    looks_for: str

    def recognise(self, path: Path) -> str | None:
        """Say what this format was recognised by, or ``None`` where ``path`` is something else. Cheap."""
        ...

    def read(self, path: Path) -> Table:
        """Read ``path`` as this format.

        Raises:
            DataError: it isn't in this format, or holds no samples.
        """
        ...
