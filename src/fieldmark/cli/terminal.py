"""Where a command's words go: results to stdout, everything else to stderr."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.progress import Bars, LineBars, NoBars, RichBars

if TYPE_CHECKING:
    from rich.console import Console

    from fieldmark.records import Progress

#: The environment variable that names the folder of decoded pictures.
CACHE_VARIABLE = "FIELDMARK_CACHE"

#: Width of a table where stdout is no terminal: nothing is cut, whatever reads it.
_PIPE_WIDTH = 10_000

#: A cell that holds a figure, with its sign and its unit, or nothing.
_FIGURE = re.compile(r"-?|[+-]?[\d.,]+( (%|px|B|kB|MB|GB))?")

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")]
ReaderName = Annotated[
    str | None, typer.Option(help="Read PATH as this format; by default it is recognised.", show_default=False)
]
CacheFolder = Annotated[
    Path | None,
    typer.Option(
        help="Folder of decoded pictures, shared by runs.",
        envvar=CACHE_VARIABLE,
        show_default="the user's cache folder",
    ),
]


class Terminal:
    """The two streams of a command.

    Args:
        quiet: neither notes nor progress.
    """

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console

        # Under torchrun only the first process speaks.
        self._quiet = quiet or os.environ.get("RANK", "0") != "0"
        self._errors = Console(stderr=True)

    def note(self, text: str) -> None:
        """Print a line on stderr, unless quiet."""
        if not self._quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Print a line on stderr, quiet or not."""
        self._errors.print(printable(text, lines=True), markup=False, highlight=False, soft_wrap=True)

    def result(self, text: str) -> None:
        """Print a line on stdout."""
        typer.echo(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
        """Print a table on stdout, without a head where no column has a name; figures are aligned right."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD if any(columns) else None, show_header=any(columns), title=title or None)
        table.title_justify, table.title_style = "left", "bold"
        for index, column in enumerate(columns):
            figures = all(_FIGURE.fullmatch(row[index]) for row in rows)
            table.add_column(column, justify="right" if figures and rows else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        _stdout().print(table)

    def bars(self) -> Bars:
        """Return what shows progress here."""
        if self._quiet:
            return NoBars()
        return RichBars(self._errors) if self._errors.is_terminal else LineBars(self._errors)

    @contextmanager
    def progress(self, name: str, *, hidden: bool = False) -> Iterator["Progress"]:
        """Show the progress of one piece of work, called with the numbers done and in all; nothing if ``hidden``."""
        with NoBars() if hidden else self.bars() as bars:
            yield lambda done, total: bars.update(name, done, total)


def open_terminal(context: typer.Context, quiet: bool = False) -> Terminal:
    """Return the terminal of a command: quiet where it was asked for before or after the command's name."""
    return Terminal(quiet=quiet or bool(context.find_root().params.get("quiet")))


def cache_folder(given: Path | None) -> Path:
    """Return the folder of decoded pictures: the given one, else that of the user's system."""
    if given is not None:
        return given
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "fieldmark"


def printable(text: str, *, lines: bool = False) -> str:
    """Return text that a terminal can show.

    Control characters, which could move its cursor, and bytes that are not UTF-8 are spelt out.

    Args:
        text: any text, such as the name of a file.
        lines: keep the ends of lines.
    """
    kept = "\n" if lines else ""
    return "".join(
        char if char.isprintable() or char in kept else char.encode("unicode_escape").decode("ascii") for char in text
    )


def in_bytes(count: int) -> str:
    """Return a number of bytes in the largest unit that it fills, such as ``"1.5 GB"``."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def percent(value: float | None) -> str:
    """Return a share as a percentage with one decimal, ``"-"`` where there is none."""
    return "-" if value is None else f"{100 * value:.1f} %"


def _stdout() -> "Console":
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(width=None if terminal else _PIPE_WIDTH, soft_wrap=not terminal)
