"""`fieldmark export`."""

from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import Quiet, open_terminal


def export(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run's folder, or a bundle.")],
    name: Annotated[
        str, typer.Option("--format", help="What to write: onnx, openvino, int8 or keras.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write; of openvino, a folder.",
            show_default="RUN/export/model.onnx, openvino or model.int8.onnx; RUN/autoencoder.keras",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Pictures to check a recogniser's file with.", show_default="those that it was trained on"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write a run's network as a file of another library and print the file's path.

    onnx: a recogniser for onnxruntime and whatever else reads ONNX. It takes pictures as bytes and tells its classes;
    `fieldmark predict --engine onnx` runs it, without torch. openvino: the same for OpenVINO.

    Both predict 256 of the run's pictures, from their files to decisions, beside torch. If one decision or any output
    differs, nothing is written.

    int8: the same as onnx in 8-bit integers, which may decide otherwise: kept only if measured faster and at most half
    a point less accurate on held-out pictures. Otherwise the figures are told and nothing is written.

    keras: a dense or convolutional autoencoder as a Keras 3 file. It takes values in 0..1, channels last; its layer
    "code" gives the codes. A dense one takes flat inputs, a convolutional one pictures of any size that its stride
    divides. The file is read again and kept only if its outputs are the same.

    Examples:
      fieldmark export runs/first --format onnx
      fieldmark export runs/first --format int8 --out models/birds.onnx --force
      fieldmark export runs/digits --format keras
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.export import FORMATS
    from fieldmark.export import export as write

    terminal.note(f"Exporting {run} as {name} ...")  # translating a network takes half a minute and has no measure
    with terminal.progress("Checking the file") as progress:
        exported = write(run, name, out, data=data, replace=force, progress=progress)
    for finding in exported.findings:
        terminal.note(finding)
    terminal.note(FORMATS[name].note)
    terminal.result(str(exported.file))
