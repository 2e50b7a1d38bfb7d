"""`fieldmark explain`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import CacheFolder, Quiet, cache_folder, open_terminal
from fieldmark.explanations import TOP


class ExplanationFormat(StrEnum):
    """How an explanation is printed."""

    TABLE = "table"
    JSON = "json"


def explain(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run's folder, or a bundle.")],
    image: Annotated[str, typer.Argument(help="The picture.")],
    versus: Annotated[
        str | None, typer.Option(help="The class to compare with.", show_default="the second most probable")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Parts to show, the most telling first.")] = TOP,
    verify: Annotated[bool, typer.Option(help="Take each part out of the picture, too, and measure.")] = True,
    output: Annotated[
        ExplanationFormat, typer.Option("--format", help="How to print the explanation.")
    ] = ExplanationFormat.TABLE,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write besides: .html, .png or .json.", show_default="none", dir_okay=False),
    ] = None,
    device: Annotated[str, typer.Option(help="Where the network runs: cpu, cuda ...")] = "cpu",
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Tell which parts of a picture decided, and why it is one class and not another.

    The recogniser adds up what each part says, so the parts' contributions add up to the answer. A recogniser that
    looks at the whole picture at once has no parts; then places are covered and the change is measured, which is said.

    Examples:
      fieldmark explain runs/first bird.jpg
      fieldmark explain runs/first bird.jpg --versus 'Plain Thornfinch' --out why.html
      fieldmark explain runs/first bird.jpg --no-verify --format json | jq '.marks[0].part'
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.cli.explanation_output import check_file, one_picture, print_explanation, write_explanation_file
    from fieldmark.explain import field_marks

    if out is not None:
        check_file(out)
    picture = one_picture(image)
    with terminal.progress("Reading training pictures") as progress:
        found = field_marks(
            run,
            picture,
            versus,
            cache=cache_folder(cache),
            verify=verify,
            top=top,
            device=device,
            progress=progress,
        )
    if output is ExplanationFormat.JSON:
        terminal.result(found.without_pictures().to_json())
    else:
        print_explanation(terminal, found, top)
    if out is not None:
        write_explanation_file(found, out, top)
        terminal.note(f"Written: {out}")
