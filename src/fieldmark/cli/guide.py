"""`fieldmark guide`."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import CacheFolder, Quiet, cache_folder, open_terminal
from fieldmark.guide_results import DEFAULT_PAIRS, DEFAULT_TILES, MARK_SPLITS


def guide(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The folder of a run whose recogniser has parts.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write.", show_default="RUN/guide", file_okay=False)
    ] = None,
    pairs: Annotated[
        int, typer.Option(help="The most pairs of lookalikes, the most confused first.", min=0)
    ] = DEFAULT_PAIRS,
    tiles: Annotated[int, typer.Option(help="The most pictures of one mark.", min=1)] = DEFAULT_TILES,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Take the marks from this split; may be repeated.", show_default=" and ".join(MARK_SPLITS)),
    ] = None,
    held_out: Annotated[
        str | None,
        typer.Option(help="Put the marks to the test on this split.", show_default="test, or val without labels there"),
    ] = None,
    device: Annotated[str, typer.Option(help="Where the network runs, as torch names it.")] = "cpu",
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Write the field guide of a run: the marks of each class, and what splits each pair of lookalikes.

    A folder of static pages that need no server and no network: every class, every pair, and a key. Name the parts with
    `fieldmark name-part`, then write the guide again.

    Examples:
      fieldmark guide runs/first
      fieldmark guide runs/first --pairs 100 --out guides/birds
      fieldmark guide runs/first --split train --held-out val
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.field_guide import write_guide

    with terminal.bars() as bars:
        index = write_guide(
            run,
            cache=cache_folder(cache),
            out=out,
            splits=split or MARK_SPLITS,
            held_out=held_out,
            pairs=pairs,
            tiles=tiles,
            device=device,
            reading=lambda done, total: bars.update("Reading evidence", done, total),
            building=lambda done, total: bars.update("Finding marks", done, total),
        )
    terminal.note("Open it in a browser; the folder can be copied or served as it is.")
    terminal.result(str(index))
