"""`fieldmark predict`."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import Quiet, open_terminal, printable


class PredictionFormat(StrEnum):
    """How predictions are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def predict(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run's folder, or a bundle.")],
    paths: Annotated[list[str], typer.Argument(help="Pictures, folders of pictures, or globs.")],
    output: Annotated[PredictionFormat, typer.Option("--format", help="How to write.")] = PredictionFormat.TABLE,
    out: Annotated[
        Path | None, typer.Option(help="File to write to.", show_default="standard output", dir_okay=False)
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Classes to list for each picture.")] = 5,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the file that an interrupted command left (csv, parquet).")
    ] = False,
    engine: Annotated[
        str, typer.Option(help="What runs the network: torch, or onnx, int8 or openvino, exported before.")
    ] = "torch",
    device: Annotated[str, typer.Option(help="Where the network runs: cpu, cuda ...")] = "cpu",
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures that go through the network at once.")] = 32,
    quiet: Quiet = False,
) -> None:
    """Name what pictures show.

    Where the bundle holds a decision rule (see `fieldmark calibrate`), each row ends with what may be relied on: the
    name that is certain enough, such as a genus, or "unknown (nearest: X)"; and the set of classes that it may be.

    A picture that can't be read is a row with its reason; the exit code is then 1. Folders are searched for pictures
    at any depth; a file named by itself is always tried.

    A file of --format csv or parquet appears when all are named. Stopped before, the same command with --resume names
    only the others. `fieldmark export` makes what the engine onnx runs: the same decisions, faster, without torch.

    Examples:
      fieldmark predict runs/first bird.jpg
      fieldmark predict runs/first photos/ --format csv --out names.csv
      fieldmark predict runs/first photos/ --engine onnx --format parquet --out names.parquet --resume
      fieldmark predict runs/first 'photos/**/*.png' --format json | jq '.[].label'
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.cli.prediction_output import goes_to_file, opened, write_predictions
    from fieldmark.predict import expand_sources, load_predictor

    form = output.value
    to_file = goes_to_file(form, out, resume=resume)
    sources = expand_sources(paths)
    predictor = load_predictor(run, engine=engine, device=device, batch_size=batch_size, top=top)
    shows_itself = out is None and sys.stdout.isatty()  # the rows are the progress; a bar would tear them
    with terminal.progress("Predicting", hidden=shows_itself) as progress:
        if to_file and out is not None:
            from fieldmark.predict.result_file import predict_to_file

            broken = predict_to_file(
                predictor, run, sources, out, form, engine=engine, top=top, resume=resume, progress=progress
            )
        else:
            with opened(out) as stream:
                broken = write_predictions(
                    predictor.predict_stream(sources), len(sources), predictor.info, form, top, stream, progress
                )
    if broken:
        terminal.warn(f"{len(broken):,} of {len(sources):,} pictures could not be read:")
        for row in broken:
            terminal.warn(f"  {printable(row.path)}: {printable(row.reason)}")
        raise typer.Exit(1)
