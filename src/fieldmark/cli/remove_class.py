"""`fieldmark remove-class`."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import CacheFolder, Quiet, cache_folder, open_terminal


def remove_class(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run's folder, or a bundle.")],
    name: Annotated[str, typer.Argument(help="The class.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the new bundle.", show_default="beside the old one", file_okay=False)
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Put the new bundle in the old one's place, which is kept beside it.")
    ] = False,
    device: Annotated[str, typer.Option(help="Where the network runs: cpu, cuda ...")] = "cpu",
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Take a class away from a recogniser, one that was added or one that was trained, without training.

    The other classes keep their scores. A class that was added last leaves the bundle as it was before.

    Examples:
      fieldmark remove-class runs/first "Kea"
      fieldmark remove-class bundles/with-kea "Kea" --out bundles/without
      fieldmark remove-class runs/first "Kea" --in-place
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.cli.gallery_output import changed_place, print_removed
    from fieldmark.gallery import remove_class

    place = changed_place(run, out, in_place=in_place)
    with terminal.progress("Looking at training pictures") as progress:
        gone = remove_class(run, name, out=place, cache=cache_folder(cache), device=device, progress=progress)
    print_removed(terminal, gone)
