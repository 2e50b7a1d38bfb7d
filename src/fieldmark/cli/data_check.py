"""`fieldmark data check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.evaluate import ResultFormat
from fieldmark.cli.terminal import (
    CacheFolder,
    Quiet,
    ReaderName,
    Terminal,
    cache_folder,
    open_terminal,
    printable,
)

if TYPE_CHECKING:
    from fieldmark.data.checking import DataReport

#: Classes and leaks that the tables name; JSON names them all.
_SHOWN = 20


def data_check(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="Folder or file of pictures.")],
    reader: ReaderName = None,
    output: Annotated[ResultFormat, typer.Option("--format", help="How to print the result.")] = ResultFormat.TABLE,
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Say what is in a data set and what is wrong with it.

    Every picture is decoded; the same picture or group on both sides of a split is looked for. The exit code
    is 0 where all is well and 1 where faults were found.

    Examples:
      fieldmark data check photos/
      fieldmark data check photos/ --reader folders
      fieldmark data check CUB_200_2011/ --format json > check.json
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.data.checking import check_data
    from fieldmark.data.reading import read_table

    table = read_table(path, reader=reader)
    with terminal.progress("Decoding pictures") as progress:
        report = check_data(table, cache_folder(cache), progress)
    if output is ResultFormat.JSON:
        terminal.result(report.to_json())
    else:
        _print_report(terminal, report)
    if report.faults:
        raise typer.Exit(1)


def _print_report(terminal: Terminal, report: "DataReport") -> None:
    terminal.table(["", ""], [[name, value] for name, value in report.overview()])
    if report.classes:
        columns = ["class", "train", "val", "test", "no split"]
        ordered = sorted(report.classes, key=lambda entry: (-entry.rows, entry.name))
        shown = ordered if len(ordered) <= _SHOWN else ordered[: _SHOWN // 2] + ordered[-_SHOWN // 2 :]
        rows = [[entry.name, *(f"{count:,}" for count in entry.counts)] for entry in shown]
        part = "" if len(shown) == len(ordered) else f", the {_SHOWN // 2} largest and the {_SHOWN // 2} smallest"
        terminal.table(columns, rows, title=f"Rows of each class{part}")
    _print_list(terminal, "Broken pictures", [f"{row.path}: {row.reason}" for row in report.broken])
    _print_list(terminal, "Files left out", [f"{row.path}: {row.reason}" for row in report.skipped])
    leaks = [
        f"{leak.kind}: {leak.first} ({leak.first_split}) - {leak.second} ({leak.second_split})" for leak in report.leaks
    ]
    _print_list(terminal, "Leaks between splits", leaks, limit=_SHOWN)
    _print_list(terminal, "Notes", list(report.notes))
    if report.faults:
        _print_list(terminal, "Faults", list(report.faults))
    else:
        terminal.result("No faults found.")


def _print_list(terminal: Terminal, title: str, lines: list[str], limit: int | None = None) -> None:
    if not lines:
        return
    terminal.result(f"{title}:")
    for line in lines[:limit]:
        terminal.result(f"  {printable(line)}")
    if limit is not None and len(lines) > limit:
        terminal.result(f"  and {len(lines) - limit:,} more; --format json names them all")
    terminal.result("")
