"""`fieldmark export`."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import Quiet, open_terminal


def export(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    name: Annotated[str, typer.Option("--format", help="What to write: keras.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="RUN/autoencoder.keras", dir_okay=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write a run's network as a file of another library and print the file's path.

    keras: a dense or convolutional autoencoder as a Keras 3 file. It takes values in 0..1, channels last; its layer
    "code" gives the codes. A dense one takes flat inputs, a convolutional one pictures of any size that its stride
    divides. The file is read again and kept only if its outputs are the same.

    Examples:
      fieldmark export runs/digits --format keras
      fieldmark export runs/digits --format keras --out models/digits.keras --force
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.export import FORMATS
    from fieldmark.export import export as write

    file = write(run, name, out, replace=force)
    terminal.note(FORMATS[name].note)
    terminal.result(str(file))
