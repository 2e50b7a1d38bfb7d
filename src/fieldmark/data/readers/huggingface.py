"""Hugging Face datasets on disk, as ``save_to_disk`` writes them; only Arrow is needed to read them."""

import json
from collections.abc import Sequence
from pathlib import Path

from fieldmark.data.containers import open_arrow, picture_column
from fieldmark.data.readers.folders import SPLIT_NAMES
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError

_LABEL_COLUMNS = ("label", "labels", "fine_label", "category", "class", "target")


class HuggingFaceReader:
    """A ``Dataset`` (one folder of Arrow files) or a ``DatasetDict`` (a folder per split)."""

    looks_for = "dataset_info.json beside Arrow files, or dataset_dict.json"

    def recognise(self, path: Path) -> str | None:
        """Look for what ``save_to_disk`` leaves."""
        for name in ("dataset_dict.json", "dataset_info.json"):
            if (path / name).is_file() and _folders(path):
                return name
        return None

    def read(self, path: Path) -> Table:
        """Read one row a picture; ``path`` is ``file.arrow#index``."""
        columns: dict[str, list[str | None]] = {"path": [], "label": [], "split": []}
        classes: list[str] | None = None
        for folder, split in _folders(path):
            info = _info(folder)
            for file in _arrow_files(folder):
                table = open_arrow(file)
                if picture_column(table) is None:
                    raise DataError(f"{file} has no column of pictures.", f"It has: {', '.join(table.column_names)}.")
                column = _label_column(info, table.column_names)
                names = _class_names(info, column)
                labels = table.column(column).to_pylist() if column else [None] * table.num_rows
                columns["label"] += [_label(value, names) for value in labels]
                place = file.relative_to(path).as_posix()
                columns["path"] += [f"{place}#{index}" for index in range(table.num_rows)]
                columns["split"] += [split] * table.num_rows
                classes = names if names else classes
        return make_table(columns, path, reader="huggingface", classes=classes)


def _folders(path: Path) -> list[tuple[Path, str | None]]:
    """Return the folders of Arrow files with their splits."""
    if any(path.glob("*.arrow")):
        return [(path, None)]
    inner = sorted({file.parent for file in path.glob("*/*.arrow")})
    return [(folder, SPLIT_NAMES.get(folder.name.lower())) for folder in inner]


def _arrow_files(folder: Path) -> list[Path]:
    """Return the dataset's own files: ``map`` and ``filter`` leave copies named ``cache-….arrow`` beside them."""
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return [folder / Path(entry["filename"]).name for entry in state["_data_files"]]
    except (OSError, ValueError, LookupError, TypeError):
        return sorted(file for file in folder.glob("*.arrow") if not file.name.startswith("cache-"))


def _info(folder: Path) -> dict[str, dict[str, object]]:
    """Return column → feature."""
    try:
        info = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
        features = dict(info["features"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{folder} has no readable dataset_info.json.", "Save the dataset again.") from error
    return {name: feature for name, feature in features.items() if isinstance(feature, dict)}


def _label_column(info: dict[str, dict[str, object]], columns: Sequence[str]) -> str | None:
    """Return the column of labels by its name, else the first that holds class labels."""
    named = [name for name in _LABEL_COLUMNS if name in columns]
    typed = [name for name in columns if info.get(name, {}).get("_type") == "ClassLabel"]
    return next(iter([*named, *typed]), None)


def _class_names(info: dict[str, dict[str, object]], column: str | None) -> list[str]:
    names = info.get(column or "", {}).get("names")
    return [str(name) for name in names] if isinstance(names, list) else []


def _label(value: object, names: list[str]) -> str | None:
    """Name a label: by its index among the names; an index of -1 marks a row without one."""
    if value is None or value == -1:
        return None
    if isinstance(value, list | dict):
        raise DataError("The column of labels holds several values a row.", "Give one label a row.")
    if not isinstance(value, int) or not names:
        return str(value)
    if not 0 <= value < len(names):
        raise DataError(f"A row has label {value}; there are {len(names)} class names.", "Save the dataset again.")
    return names[value]
