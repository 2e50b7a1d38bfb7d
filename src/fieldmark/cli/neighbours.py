"""`fieldmark neighbours`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import CacheFolder, Quiet, cache_folder, open_terminal
from fieldmark.neighbour_results import COUNT


class NeighbourFormat(StrEnum):
    """How neighbours are printed."""

    TABLE = "table"
    JSON = "json"


def neighbours(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run's folder, or a bundle to which a class was added.")],
    image: Annotated[str, typer.Argument(help="The picture.")],
    part: Annotated[
        str | None,
        typer.Option(help='Compare by this part alone, or by the "whole picture".', show_default="all of them"),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Training pictures to list for each.")] = COUNT,
    output: Annotated[NeighbourFormat, typer.Option("--format", help="How to print.")] = NeighbourFormat.TABLE,
    html: Annotated[
        Path | None, typer.Option(help="Page to write besides, with the parts side by side.", show_default="none")
    ] = None,
    device: Annotated[str, typer.Option(help="Where the network runs: cpu, cuda ...")] = "cpu",
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Find the training pictures that are most like a picture, as a whole and part by part.

    The first time a run is asked, its training pictures pass the network, and what was seen is kept in its folder.

    Examples:
      fieldmark neighbours runs/first bird.jpg
      fieldmark neighbours runs/first bird.jpg --part 'wing bar' --count 10
      fieldmark neighbours runs/first bird.jpg --html near.html
      fieldmark neighbours runs/first bird.jpg --format json | jq '.compared[0].nearest[0].path'
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.cli.explanation_output import one_picture
    from fieldmark.cli.gallery_output import print_neighbours
    from fieldmark.gallery import neighbours

    picture = one_picture(image)
    with terminal.progress("Looking at training pictures") as progress:
        found = neighbours(
            run, picture, part=part, count=count, cache=cache_folder(cache), device=device, progress=progress
        )
    if output is NeighbourFormat.JSON:
        terminal.result(found.without_pictures().to_json())
    else:
        print_neighbours(terminal, found)
    if html is not None:
        from fieldmark.report import write_neighbours

        write_neighbours(found, html)
        terminal.note(f"Written: {html}")
