"""`fieldmark scale predict`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import Quiet, ReaderName, open_terminal

Cluster = Annotated[
    str | None,
    typer.Option(
        help="Address of a Ray cluster, or auto.", show_default="one embedded in this command", metavar="ADDRESS"
    ),
]


def scale_predict(
    context: typer.Context,
    table: Annotated[Path, typer.Argument(help="A saved table, or any data set that can be read.")],
    run: Annotated[Path, typer.Option(help="The run's folder, or a bundle.")],
    out: Annotated[Path, typer.Option(help="The job's folder: new, or empty.")],
    cluster: Cluster = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that predict at once.", show_default="one a core")
    ] = None,
    shard_size: Annotated[int, typer.Option(min=1, help="Most rows of a file of predictions.")] = 512,
    top: Annotated[int, typer.Option(min=1, help="Classes to list for each picture.")] = 5,
    device: Annotated[str, typer.Option(help="Where the network runs: cpu, cuda (a GPU a worker) ...")] = "cpu",
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures that go through the network at once.")] = 32,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the job in --out.")] = False,
    reader: ReaderName = None,
    quiet: Quiet = False,
) -> None:
    """Name what the pictures of a table show, on many processes or machines.

    Writes Parquet files below OUT/predictions, each row of the table exactly once, which is checked at the end. A
    worker that dies is replaced; a command that was stopped goes on with --resume. On a cluster, the table's pictures,
    the run and --out must be the same folders on every machine. Needs the extra `ray`.

    The exit code is 1 where pictures could not be read; their rows say why.

    Examples:
      fieldmark scale predict photos/ --run runs/first --out predicted
      fieldmark scale predict photos/ --run runs/first --out predicted --resume
      fieldmark scale predict table.parquet --run runs/first --out predicted --cluster 10.0.0.1:6379 --workers 64
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.cli.evaluation_output import counted
    from fieldmark.scale import PredictionOptions, predict_table

    options = PredictionOptions(shard_rows=shard_size, top=top, batch_size=batch_size, device=device)
    # Ray tells on stdout of workers that died.
    with redirect_stdout(sys.stderr), terminal.progress("Predicting") as progress:
        summary = predict_table(
            table,
            run,
            out,
            options,
            address=cluster,
            workers=workers,
            reader=reader,
            resume=resume,
            progress=progress,
        )
    kept = f", {summary.kept:,} of them from before" if summary.kept else ""
    terminal.result(
        f"{counted(summary.rows, 'row')}, each exactly once, in {counted(summary.files, 'file')}{kept}: "
        f"{out / 'predictions'}"
    )
    if summary.broken:
        terminal.warn(f"{summary.broken:,} of {summary.rows:,} pictures could not be read; their rows say why.")
        raise typer.Exit(1)
