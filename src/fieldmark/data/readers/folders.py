"""Folders of classes, with or without a level of splits above them."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fieldmark.data.listing import list_pictures
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError

#: Folder names that mean a split.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}

#: Folder names whose pictures have no label.
_UNLABELLED = frozenset({"unlabelled", "unlabeled"})


class FoldersReader:
    """``CLASS/picture`` or ``SPLIT/CLASS/picture``; deeper folders are a lineage, coarse to fine.

    Pictures that lie directly in a split, or below a folder ``unlabelled``, have no label.
    """

    looks_for = "a folder of class folders (with train/val/test folders above them, or not)"

    def recognise(self, path: Path) -> str | None:
        """Look for a picture inside a class folder."""
        return describe_folders(list_pictures(path).files) if path.is_dir() else None

    def read(self, path: Path) -> Table:
        """Read every picture; its folders give split, label and lineage."""
        found = list_pictures(path)
        columns, ranks = folder_columns(found.files)
        if not any(columns["label"]):
            raise DataError(f"{path} holds no class folders with pictures.", "Put each class's pictures in a folder.")
        return make_table(columns, path, reader="folders", rank_names=ranks, skipped=found.skipped)


def describe_folders(files: Sequence[str]) -> str | None:
    """Say how many class folders files lie in, and in which splits; ``None`` where they lie in no class folder."""
    parts = [split_and_classes(name) for name in files]
    classes = {names for _, names in parts if names}
    if not classes:
        return None
    splits = sorted({split for split, _ in parts if split})
    return f"{len(classes)} class folders" + (f" in {', '.join(splits)}" if splits else "")


def folder_columns(files: Sequence[str]) -> tuple[dict[str, Sequence[object]], tuple[str, ...]]:
    """Return the columns path, label, split and lineage of files in folders, and the names of the lineage's ranks."""
    parts = [split_and_classes(name) for name in files]
    depths = {len(names) for _, names in parts if names}
    depth = max(depths, default=1)
    deep = depths == {depth} and depth > 1
    labels = _labels([names for _, names in parts], deep=deep)
    lineages = [names if names and deep else None for _, names in parts]
    columns: dict[str, Sequence[object]] = {
        "path": files,
        "label": labels,
        "split": [split for split, _ in parts],
        "lineage": [
            None if names is None else [*names[:-1], label] for names, label in zip(lineages, labels, strict=True)
        ],
    }
    return columns, (*(f"rank {level}" for level in range(1, depth)), "class") if deep else ("class",)


def split_and_classes(path: str) -> tuple[str | None, tuple[str, ...]]:
    """Divide a file's folders into its split, if there is one, and its classes, coarse to fine."""
    folders = PurePosixPath(path).parts[:-1]
    split = SPLIT_NAMES.get(folders[0].lower()) if folders else None
    if split is not None:
        folders = folders[1:]
    return split, () if is_unlabelled(path) else folders


def is_unlabelled(path: str) -> bool:
    """Say whether a file's folders declare it to have no label."""
    return any(name.lower() in _UNLABELLED for name in PurePosixPath(path).parts[:-1])


def _labels(classes: Sequence[tuple[str, ...]], *, deep: bool) -> list[str | None]:
    """Name each row's class by its innermost folder, by all of them where that name occurs under several."""
    owners: dict[str, set[tuple[str, ...]]] = {}
    for names in classes:
        if names:
            owners.setdefault(names[-1], set()).add(names)
    unique = deep and all(len(found) == 1 for found in owners.values())
    return [None if not names else names[-1] if unique or len(names) == 1 else "/".join(names) for names in classes]
