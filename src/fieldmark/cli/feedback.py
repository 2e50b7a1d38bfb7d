"""`fieldmark feedback`."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import Quiet, open_terminal


def feedback(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run's folder, or a bundle.")],
    out: Annotated[Path, typer.Option(help="Table to write, .parquet.", dir_okay=False)],
    folder: Annotated[
        Path | None, typer.Option("--feedback", help="Folder of corrections.", show_default="feedback in the run")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write the corrections that users made as a table to train on.

    Of a picture that was corrected more than once, what was said last counts. Only corrections whose picture was kept
    can be trained on: serve with --keep-pictures. Look at them before you train: anyone may be wrong.

    Examples:
      fieldmark feedback runs/first --out corrections.parquet
      fieldmark data check corrections.parquet
      fieldmark train corrections.parquet --out runs/second --init runs/first
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.errors import ConfigError
    from fieldmark.models.bundle import read_info
    from fieldmark.serve.feedback import FEEDBACK_FOLDER, feedback_table

    if out.suffix != ".parquet":
        raise ConfigError(f"{out} is no table.", "Name a file that ends in .parquet.")
    table = feedback_table(folder or run / FEEDBACK_FOLDER, read_info(run).classes)
    out.parent.mkdir(parents=True, exist_ok=True)
    table.save(out)
    labelled = len(table.labelled())
    terminal.note(f"Written: {out}, {labelled:,} labelled pictures and {len(table) - labelled:,} of no class.")
