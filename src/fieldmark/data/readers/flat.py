"""A folder of pictures without labels."""

from pathlib import Path

from fieldmark.data.listing import list_pictures
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError


class FlatReader:
    """Pictures in one folder; every row is unlabelled."""

    looks_for = "a folder that holds pictures and no class folders"

    def recognise(self, path: Path) -> str | None:
        """Look for any picture."""
        if not path.is_dir():
            return None
        count = len(list_pictures(path).files)
        return f"{count} pictures and no class folders" if count else None

    def read(self, path: Path) -> Table:
        """Read all pictures below the folder as unlabelled rows."""
        found = list_pictures(path)
        if not found.files:
            raise DataError(f"{path} holds no pictures.", "Give a folder of pictures, or of class folders.")
        return make_table({"path": found.files}, path, reader="flat", skipped=found.skipped)
