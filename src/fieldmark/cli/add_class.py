"""`fieldmark add-class`."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import CacheFolder, Quiet, cache_folder, open_terminal


def add_class(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run's folder, or a bundle to which a class was added.")],
    name: Annotated[str, typer.Argument(help="The new class.")],
    paths: Annotated[
        list[str] | None, typer.Argument(help="Its pictures, folders of pictures, or globs.", show_default=False)
    ] = None,
    lineage: Annotated[
        str | None, typer.Option(metavar="RANK/RANK", help="The names above it, coarse to fine.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the new bundle.", show_default="beside the old one", file_okay=False)
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Put the new bundle in the old one's place, which is kept beside it.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the class away; the same as remove-class.")] = False,
    device: Annotated[str, typer.Option(help="Where the network runs: cpu, cuda ...")] = "cpu",
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Teach a recogniser one more class from a few pictures, without training.

    The new bundle's other classes keep their scores; what it promises (sets, unknowns) is fitted again. Five pictures
    do much better than one, and from twenty on training again is worth it. The first time a run is asked, its pictures
    pass the network.

    Examples:
      fieldmark add-class runs/first "Kea" kea/*.jpg
      fieldmark add-class runs/first "Kea" kea/ --lineage Nestor --out bundles/with-kea
      fieldmark add-class runs/first "Kea" kea/ --in-place
      fieldmark add-class bundles/with-kea "Kea" --remove
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.cli.gallery_output import changed_place, print_added, print_removed
    from fieldmark.gallery import add_class, remove_class
    from fieldmark.predict import expand_sources

    place = changed_place(run, out, in_place=in_place)
    with terminal.progress("Looking at training pictures") as progress:
        if remove:
            gone = remove_class(run, name, out=place, cache=cache_folder(cache), device=device, progress=progress)
        else:
            added = add_class(
                run,
                name,
                expand_sources(paths or ()),
                lineage=lineage.split("/") if lineage else (),
                out=place,
                cache=cache_folder(cache),
                device=device,
                progress=progress,
            )
    if remove:
        print_removed(terminal, gone)
    else:
        print_added(terminal, added)
