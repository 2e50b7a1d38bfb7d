"""Texts in CSV files."""

import json
from collections.abc import Sequence
from pathlib import Path

from fieldmark.data.readers.columns import ALIASES, load_columns, plain_values, split_named
from fieldmark.data.readers.folders import SPLIT_NAMES
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError
from fieldmark.records import BrokenRow

#: Names that columns go by → the table's column.
_ALIASES = {**ALIASES, "sentence": "text", "utterance": "text", "intent": "label"}

_SUFFIXES = (".csv", ".tsv")

#: A list of class names beside the files, as Banking77 has it; it gives the classes their order.
_CLASSES = "categories.json"

_PLAIN = ("id", "label", "split", "group")


class TextReader:
    """A CSV or TSV file with a column ``text`` and none of files, or a folder of them named by split (``train.csv``).

    ``label`` (or ``category``, ``intent``, ``class``, …), ``split``, ``group`` and ``id`` are taken where there are
    such columns; without an id it is the file's split, or else its name, and the row's number from 1. Quotes may hold
    line breaks. Texts are kept as they are, blanks included; a row whose text is empty or blank is skipped.
    """

    looks_for = "a CSV or TSV file with a column `text` and none of files, or a folder with train.csv, test.csv of such"

    def recognise(self, path: Path) -> str | None:
        """Look at the columns of each file."""
        try:
            headers = {file.name: _header(file) for file in _files(path)}
        except DataError:
            return None
        if not headers or not all("text" in names and "path" not in names for names in headers.values()):
            return None
        return f"{', '.join(headers)} with the columns {', '.join(next(iter(headers.values())))}"

    def read(self, path: Path) -> Table:
        """Read one row a text."""
        files = _files(path)
        if not files:
            raise DataError(f"{path} holds no CSV of texts.", "Name the file, or call it train.csv, val.csv, test.csv.")
        rows: dict[str, list[object]] = {name: [] for name in ("text", *_PLAIN)}
        skipped: list[BrokenRow] = []
        for file in files:
            _add_file(rows, skipped, file, SPLIT_NAMES.get(file.stem.lower()) if path.is_dir() else None)
        root = path if path.is_dir() else path.parent
        return make_table(rows, root, reader="text", classes=_classes(root / _CLASSES, rows["label"]), skipped=skipped)


def _files(path: Path) -> list[Path]:
    """Return the file, or a folder's files that are named by split, training first."""
    if path.is_file():
        return [path] if path.suffix.lower() in _SUFFIXES else []
    order = list(SPLIT_NAMES)
    found = [file for ending in _SUFFIXES for file in path.glob(f"*{ending}") if file.stem.lower() in SPLIT_NAMES]
    return sorted((file for file in found if file.is_file()), key=lambda file: (order.index(file.stem.lower()), file))


def _header(file: Path) -> list[str]:
    return load_columns(file, _ALIASES, rows=1).columns


def _add_file(rows: dict[str, list[object]], skipped: list[BrokenRow], file: Path, split: str | None) -> None:
    """Add a file's rows; ``split`` is what its name says, which a column ``split`` overrules."""
    frame = load_columns(file, _ALIASES)
    if "text" not in frame.columns:
        raise DataError(
            f"{file} has no column 'text'.", f"Name the column of texts; it has: {', '.join(frame.columns)}."
        )
    names = [f"{split or file.stem}/{number}" for number in range(1, frame.height + 1)]
    texts = frame["text"].fill_null("").to_list()
    skipped += [
        BrokenRow(name, file.name, "the text is empty")
        for name, text in zip(names, texts, strict=True)
        if not text.strip()
    ]
    kept = [place for place, text in enumerate(texts) if text.strip()]
    columns: dict[str, Sequence[object]] = {
        name: plain_values(file, frame[name]) if name in frame.columns else [None] * frame.height for name in _PLAIN
    }
    columns["text"] = texts
    columns["id"] = [given or name for given, name in zip(columns["id"], names, strict=True)]
    columns["split"] = [split_named(file, given) or split for given in columns["split"]]
    for name, values in columns.items():
        rows[name] += [values[place] for place in kept]


def _classes(file: Path, labels: Sequence[object]) -> list[str] | None:
    """Return the class names in the order of the list beside the files; ``None`` where there is none that fits."""
    try:
        names = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} can't be read: {error}.", "Mend or remove it.") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{file} is no list of class names.", "Mend or remove it.")
    return names if set(names).issuperset(label for label in labels if label is not None) else None
