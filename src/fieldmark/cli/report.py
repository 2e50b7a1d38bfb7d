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
    """Write the report of a training, of several seeds or of a pretraining again and print its path.

    Examples:
      fieldmark report runs/first
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.pretraining_results import RESULT_FILE
    from fieldmark.report import write_pretraining_report, write_report, write_seeds_report
    from fieldmark.seed_results import SEEDS_FILE

    special = {RESULT_FILE: write_pretraining_report, SEEDS_FILE: write_seeds_report}
    write = next((writer for file, writer in special.items() if (run / file).is_file()), write_report)
    terminal.result(str(write(run)))
