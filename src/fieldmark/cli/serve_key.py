"""`fieldmark serve-key`."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import Quiet, open_terminal


def serve_key(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose key it is: letters, digits, dots, dashes.")],
    keys: Annotated[Path, typer.Option(help="File of keys, made where it is missing.", dir_okay=False)],
    quiet: Quiet = False,
) -> None:
    """Make a key for `fieldmark serve --keys`, and print it.

    The file keeps only its hash, so the key can't be shown again. Delete a line of the file to take a key back; the
    service reads the file when it starts.

    Examples:
      fieldmark serve-key anna --keys keys.txt
      fieldmark serve runs/first --keys keys.txt
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.serve.keys import add_key

    terminal.result(add_key(keys, name))
    terminal.note(f"Send it as: Authorization: Bearer KEY. {keys} keeps its hash alone; it can't be shown again.")
