"""`fieldmark compare`."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.evaluate import ResultFormat
from fieldmark.cli.terminal import Quiet, open_terminal


def compare(
    context: typer.Context,
    run_a: Annotated[Path, typer.Argument(help="The folder of an evaluated run, or of several seeds.")],
    run_b: Annotated[Path, typer.Argument(help="Another, evaluated on the same pictures.")],
    output: Annotated[ResultFormat, typer.Option("--format", help="How to print the result.")] = ResultFormat.TABLE,
    quiet: Quiet = False,
) -> None:
    """Tell which of two runs is better, and whether that is more than chance.

    Both are compared picture by picture: top-1 of two single runs by McNemar's exact test, all else by the paired
    bootstrap, over whole groups where the data have groups, and over seeds where a folder holds several. Runs that were
    evaluated on other data, or on another split, are refused.

    Examples:
      fieldmark compare runs/first runs/second
      fieldmark compare runs/three runs/three-with-parts --format json
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.cli.evaluation_output import print_comparison
    from fieldmark.evaluation import compare_runs

    found = compare_runs(run_a, run_b)
    if output is ResultFormat.JSON:
        terminal.result(found.to_json())
    else:
        print_comparison(terminal, found)
