"""The pictures that exported files are checked and calibrated with: those of the run's own table, or others."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from fieldmark.data.images import sample_source
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.errors import DataError
from fieldmark.training.run_folder import TABLE_FILE


def table_of(run: Path, data: Path | None) -> Table:
    """Return the rows with pictures of a run's table, or of other data.

    Args:
        run: a run's folder, or a bundle.
        data: anything that ``read_table`` reads; ``None`` for the table that the run was trained on.

    Raises:
        DataError: the run has no table and no data is given, they can't be read, or they hold no pictures.
    """
    if data is None and not (run / TABLE_FILE).is_file():
        raise DataError(
            f"{run} does not say which pictures it was trained on, and an exported file is checked on real ones.",
            "Name some: --data FOLDER.",
        )
    table = Table.load(run / TABLE_FILE) if data is None else read_table(data)
    pictures = table.where(pl.col("path").is_not_null())
    if not len(pictures):
        raise DataError(f"There are no pictures in the data of {run}.", "Name some: --data FOLDER.")
    return pictures


def shuffled(table: Table, seed: int = 0) -> Table:
    """Return the rows in an order drawn by chance, the same every time."""
    return replace(table, frame=table.frame[np.random.default_rng(seed).permutation(len(table))])


def sources_of(table: Table) -> Iterator[tuple[str, bytes] | Path]:
    """Yield what each row's picture is read from: its file, or its name and bytes in a file of many."""
    for identity, path in table.frame.select("id", "path").iter_rows():
        source = sample_source(table.root, path)
        yield source if isinstance(source, Path) else (identity, source)
