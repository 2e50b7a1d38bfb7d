"""The Grocery Store Dataset (Klasson et al., WACV 2019)."""

import csv
from pathlib import Path

from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError

_SPLITS = ("train", "val", "test")


class GroceryReader:
    """``classes.csv`` with fine and coarse names, and lists ``train.txt``, ``val.txt``, ``test.txt``."""

    looks_for = "classes.csv and train.txt with lines `path, fine id, coarse id`"

    def recognise(self, path: Path) -> str | None:
        """Look for the class list and its header."""
        listing = path / "classes.csv"
        if not listing.is_file() or not (path / "train.txt").is_file():
            return None
        with listing.open(encoding="utf-8", errors="replace") as file:
            return "classes.csv and train.txt" if file.readline().startswith("Class Name (str)") else None

    def read(self, path: Path) -> Table:
        """Read the official splits; lineage is coarse, fine."""
        names = _class_names(path / "classes.csv")
        rows: dict[str, list[object]] = {"path": [], "label": [], "split": [], "lineage": []}
        for split in _SPLITS:
            listing = path / f"{split}.txt"
            if not listing.is_file():
                continue
            for number, line in enumerate(_lines(listing), 1):
                if not line.strip():
                    continue
                file, fine = _entry(listing, number, line)
                if fine not in names:
                    raise DataError(f"{listing}:{number} names class {fine}.", "classes.csv has no such class.")
                rows["path"].append(file)
                rows["label"].append(names[fine][0])
                rows["split"].append(split)
                rows["lineage"].append([names[fine][1], names[fine][0]])
        classes = [names[fine][0] for fine in sorted(names)]
        return make_table(rows, path, reader="grocery", classes=classes, rank_names=("coarse", "fine"))


def _class_names(listing: Path) -> dict[int, tuple[str, str]]:
    """Return fine id → (fine name, coarse name)."""
    try:
        with listing.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        names = {
            int(row["Class ID (int)"]): (row["Class Name (str)"].strip(), row["Coarse Class Name (str)"].strip())
            for row in rows
        }
    except (OSError, LookupError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(f"{listing} can't be read: {error}.", "Take classes.csv as it was published.") from error
    return names


def _lines(listing: Path) -> list[str]:
    try:
        return listing.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{listing} is not UTF-8 text.", "Save it as UTF-8.") from error


def _entry(listing: Path, number: int, line: str) -> tuple[str, int]:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != 3 or not fields[1].isdecimal():
        raise DataError(f"{listing}:{number} is not `path, fine id, coarse id`.", f"It reads: {line[:80]}")
    return fields[0], int(fields[1])
