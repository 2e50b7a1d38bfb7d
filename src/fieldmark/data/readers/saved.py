"""Tables that Fieldmark saved."""

from pathlib import Path

import polars as pl

from fieldmark.data.table import UNREADABLE, Table


class SavedReader:
    """One Parquet file that ``Table.save`` wrote."""

    looks_for = "a Parquet file that Fieldmark saved"

    def recognise(self, path: Path) -> str | None:
        """Look for Fieldmark's key in the file's metadata."""
        if path.suffix != ".parquet" or not path.is_file():
            return None
        try:
            return "a table that Fieldmark saved" if "fieldmark" in pl.read_parquet_metadata(path) else None
        except UNREADABLE:
            return None

    def read(self, path: Path) -> Table:
        """Load the table."""
        return Table.load(path)
