"""`fieldmark report`."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import Quiet, open_terminal


def report(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The folder of a run that was evaluated.")],
    quiet: Quiet = False,
) -> None:
    """Write a run's report again and print its path.

    Examples:
      fieldmark report runs/first
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.report import write_report

    terminal.result(str(write_report(run)))
