"""Hugging Face datasets on disk, as ``save_to_disk`` writes them; only Arrow is needed to read them."""

import json
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
            for file in sorted(folder.glob("*.arrow")):
                table = open_arrow(file)
                if picture_column(table) is None:
                    raise DataError(f"{file} has no column of pictures.", f"It has: {', '.join(table.column_names)}.")
                column = next((name for name in _LABEL_COLUMNS if name in table.column_names), None)
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
    inner = sorted(folder for folder in path.iterdir() if folder.is_dir() and any(folder.glob("*.arrow")))
    return [(folder, SPLIT_NAMES.get(folder.name.lower())) for folder in inner]


def _info(folder: Path) -> dict[str, object]:
    try:
        info: dict[str, object] = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} has no readable dataset_info.json.", "Save the dataset again.") from error
    return info


def _class_names(info: dict[str, object], column: str | None) -> list[str]:
    features = info.get("features")
    feature = features.get(column) if isinstance(features, dict) and column else None
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []


def _label(value: object, names: list[str]) -> str | None:
    """Name a label: by its index among the names; an index of -1 marks a row without one."""
    if value is None or value == -1:
        return None
    if isinstance(value, int) and names:
        return names[value]
    return str(value)
