"""Read a data set of any known format."""

import difflib
from dataclasses import replace
from pathlib import Path

from fieldmark.data.readers import READERS
from fieldmark.data.splits import assign_splits
from fieldmark.data.table import Table
from fieldmark.errors import DataError, unknown_name


def read_table(path: Path | str, *, reader: str | None = None, seed: int = 0) -> Table:
    """Read a data set; where it has no split, one is made: stratified, groups kept together, 70/10/20.

    Args:
        path: a folder or file.
        reader: a name in ``READERS``; by default the format is recognised, and ``recognised_by`` says how.
        seed: of the split that is made.

    Raises:
        DataError: there is nothing at ``path``, no reader recognises it, or the data are not what the format promises.
        ConfigError: an unknown reader.
    """
    place = Path(path)
    if reader is not None and reader not in READERS:
        raise unknown_name("reader", reader, READERS)
    if not _exists(place):
        raise DataError(f"There is nothing at {place}.", _nearest(place))
    table = READERS[reader].read(place) if reader else _recognise(place)
    labelled = table.labelled()
    if len(labelled) and table.frame["split"].null_count() == len(table):
        table = assign_splits(table, seed=seed)
    return table


def _recognise(path: Path) -> Table:
    for name, reader in READERS.items():
        reason = reader.recognise(path)
        if reason is not None:
            table = reader.read(path)
            return replace(table, reader=name, recognised_by=reason)
    looked = "; ".join(f"{name}: {reader.looks_for}" for name, reader in READERS.items())
    raise DataError(f"{path} is in no format that is known.", f"Looked for — {looked}. Or name one with --reader.")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise DataError(f"{path} can't be opened: {error.strerror}.", "Check the path and your rights.") from error


def _nearest(path: Path) -> str:
    parent = path.parent
    try:
        names = [entry.name for entry in parent.iterdir()]
    except OSError:
        return f"The folder {parent} can't be listed either; check the path."
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return f"Did you mean {parent / near[0]}?" if near else "Check the path."
