"""`fieldmark data shard`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import Quiet, ReaderName, open_terminal


class ShardFormat(StrEnum):
    """How shards are written."""

    WEBDATASET = "webdataset"
    PARQUET = "parquet"


def data_shard(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="Folder or file of pictures.")],
    out: Annotated[Path, typer.Option(help="Folder of the shards: new, or empty.")],
    output: Annotated[ShardFormat, typer.Option("--format", help="How to write.", show_default=False)],
    shard_size: Annotated[int, typer.Option(min=1, help="Pictures in a shard.")] = 1000,
    reader: ReaderName = None,
    quiet: Quiet = False,
) -> None:
    """Copy a data set of pictures into a few large files, and print their folder.

    A data set that is too large for one disk is quicker to copy and to read in shards. They hold the pictures as they
    are encoded, with all that is known of each, and are read like any other data set.

    webdataset: tar files, as many libraries for training read them. parquet: Parquet files with a column of pictures.

    The exit code is 1 where pictures could not be read and were left out.

    Examples:
      fieldmark data shard photos/ --out shards --format webdataset
      fieldmark data shard photos/ --out shards --format parquet --shard-size 5000
      fieldmark scale predict shards/ --run runs/first --out predicted
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.cli.evaluation_output import counted
    from fieldmark.data.reading import read_table
    from fieldmark.data.sharding import write_shards

    table = read_table(path, reader=reader)
    with terminal.progress("Writing shards") as progress:
        sharded = write_shards(table, out, output.value, shard_rows=shard_size, progress=progress)
    shards = sharded.frame["path"].str.split("#").list.first().n_unique()
    terminal.note(f"{counted(len(sharded), 'picture')} in {counted(shards, 'shard')}")
    terminal.result(str(out))
    left_out = sharded.skipped[len(table.skipped) :]
    for row in left_out:
        terminal.warn(f"Left out: {row.path}: {row.reason}")
    if left_out:
        raise typer.Exit(1)
