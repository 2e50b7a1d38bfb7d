"""HAM10000: dermatoscopic photos of pigmented skin lesions (Tschandl et al., Scientific Data 2018)."""

from pathlib import Path

import polars as pl

from fieldmark.data.table import UNREADABLE, Table, make_table
from fieldmark.errors import DataError

_METADATA = "HAM10000_metadata.csv"
_FOLDERS = (
    "HAM10000_images",
    "HAM10000_images_part_1",
    "HAM10000_images_part_2",
    "ham10000_images_part_1",
    "ham10000_images_part_2",
)


class Ham10000Reader:
    """``HAM10000_metadata.csv`` beside one or two folders of photos; the group is the lesion."""

    looks_for = f"{_METADATA} with lesion_id, image_id, dx"

    def recognise(self, path: Path) -> str | None:
        """Look for the metadata."""
        return _METADATA if (path / _METADATA).is_file() else None

    def read(self, path: Path) -> Table:
        """Read one row a photo; a photo that is missing keeps its row and shows up as broken."""
        listing = path / _METADATA
        try:
            frame = pl.read_csv(listing, infer_schema=False)
        except UNREADABLE as error:
            raise DataError(f"{listing} can't be read: {error}.", "Take the metadata as it was published.") from error
        missing = {"lesion_id", "image_id", "dx"} - set(frame.columns)
        if missing:
            raise DataError(f"{listing} lacks {', '.join(sorted(missing))}.", f"It has: {', '.join(frame.columns)}.")
        if frame["image_id"].null_count():
            raise DataError(f"{listing} has rows without image_id.", "Take the metadata as it was published.")
        places = {file.stem: file for name in _FOLDERS for file in (path / name).glob("*.jpg")}
        files = [
            places.get(name, path / _FOLDERS[0] / f"{name}.jpg").relative_to(path).as_posix()
            for name in frame["image_id"]
        ]
        return make_table(
            {
                "id": frame["image_id"].to_list(),
                "path": files,
                "label": frame["dx"].to_list(),
                "group": frame["lesion_id"].to_list(),
            },
            path,
            reader="ham10000",
        )
