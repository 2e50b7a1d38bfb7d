"""`fieldmark name-part`."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import Quiet, open_terminal
from fieldmark.errors import ConfigError


def name_part(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run's folder, or a bundle.")],
    part: Annotated[
        str | None, typer.Argument(help="The part's number or present name.", show_default="lists the parts")
    ] = None,
    name: Annotated[str | None, typer.Argument(help="What it is to be called.", show_default=False)] = None,
    quiet: Quiet = False,
) -> None:
    """Give a part of a recogniser a name, or list the parts.

    Parts that are found without labels are called part 1, part 2 and so on. The field guide shows what each looks like.
    The name is kept in the run's bundle.

    Examples:
      fieldmark name-part runs/first
      fieldmark name-part runs/first 3 "wing bar"
      fieldmark name-part runs/first "wing bar" "white wing bar"
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.guide_results import GUIDE_FOLDER
    from fieldmark.models.bundle import read_info
    from fieldmark.models.part_names import is_placeholder, name_part, nameable_parts

    if part is not None and name is None:
        raise ConfigError(
            f"There is no name for part {part}.", f'Give one: fieldmark name-part {run} {part} "wing bar".'
        )
    if part is not None and name is not None:
        name_part(run, part, name)
        if (run / GUIDE_FOLDER).is_dir():
            terminal.note(f"The guide shows the old name until it is written again: fieldmark guide {run}")
    rows = [
        [str(number), entry, "no" if is_placeholder(entry) else "yes"]
        for number, entry in enumerate(nameable_parts(read_info(run)), start=1)
    ]
    terminal.table(["part", "name", "named"], rows)
