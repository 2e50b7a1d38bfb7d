"""COCO and iNaturalist annotations in JSON."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fieldmark.data.readers.folders import SPLIT_NAMES
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError

_KEYS = ("images", "annotations", "categories")

#: iNaturalist's ranks, coarse to fine; a category that has them all brings its own lineage.
_RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")

#: A JSON file is only read if it is at most this large.
_PEEK_BYTES = 2 * 2**30


_Columns = dict[str, list[object]]


class CocoReader:
    """One JSON file, or a folder of them named by split (``train2019.json``, ``instances_val.json``).

    The lineage is iNaturalist's taxonomy where every category has one, else supercategory and name. A picture whose
    annotations name several categories stays without a label: it shows no single class.
    """

    looks_for = "JSON with images, annotations and categories"

    def recognise(self, path: Path) -> str | None:
        """Look for the three lists."""
        found = [file.name for file in _files(path) if _is_coco(file)]
        return f"{', '.join(found)} with {', '.join(_KEYS)}" if found else None

    def read(self, path: Path) -> Table:
        """Read one row a picture; its box where there is exactly one."""
        contents = {file: data for file in _files(path) if (data := _load(file)) is not None}
        if not contents:
            raise DataError(f"{path} holds no JSON with {', '.join(_KEYS)}.", "Name the annotation file.")
        splits = [_split_of(file) for file in contents]
        if len(set(splits)) < len(splits):
            names = ", ".join(file.name for file in contents)
            raise DataError(f"{path} holds several files of one split: {names}.", "Name the annotation file you mean.")
        # Of all files together: a name that two categories share is told apart in every file.
        lineages = _lineages({entry["id"]: entry for data in contents.values() for entry in data["categories"]})
        root = path if path.is_dir() else path.parent
        rows: _Columns = defaultdict(list)
        for split, data in zip(splits, contents.values(), strict=True):
            _add_file(rows, data, lineages, root, split)
        ranks = max((len(names) for names in lineages.values()), default=1)
        if ranks == 1:
            rows["lineage"] = [None] * len(rows["id"])
        return make_table(
            rows,
            root,
            reader="coco",
            classes=[names[-1] for names in lineages.values()],
            rank_names=_rank_names(ranks),
        )


def _rank_names(count: int) -> tuple[str, ...]:
    if count == len(_RANKS) + 1:
        return (*_RANKS, "species")
    return ("supercategory", "class")[-count:]


def _files(path: Path) -> list[Path]:
    if path.suffix == ".json" and path.is_file():
        return [path]
    if not path.is_dir():
        return []
    return sorted([*path.glob("*.json"), *path.glob("annotations/*.json")])


def _is_coco(file: Path) -> bool:
    return _content(file) is not None


def _content(file: Path) -> dict[str, Any] | None:
    """Return what a file of annotations holds; ``None`` where it is none, found out cheaply for most other JSON."""
    try:
        if file.stat().st_size > _PEEK_BYTES:
            return None
        raw = file.read_bytes()
        if not all(f'"{key}"'.encode() in raw for key in _KEYS):
            return None
        data = json.loads(raw)
    except (OSError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and all(isinstance(data.get(key), list) for key in _KEYS) else None


def _load(file: Path) -> dict[str, Any] | None:
    """Return what a file of annotations holds, with all that is needed in each entry; ``None`` where it is none."""
    data = _content(file)
    if data is None:
        return None
    needed = {"images": ("id", "file_name"), "annotations": ("image_id", "category_id"), "categories": ("id", "name")}
    for key, fields in needed.items():
        for entry in data[key]:
            if not isinstance(entry, dict) or any(not isinstance(entry.get(field), str | int) for field in fields):
                raise DataError(
                    f"{file}: an entry of `{key}` lacks {' or '.join(fields)}.", "See the COCO format's description."
                )
    return data


def _split_of(file: Path) -> str | None:
    """Return the split that a file is named by; whole words only, for ``latest.json`` is no test split."""
    words = re.findall("[a-z]+", file.stem.lower())
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)


def _lineages(categories: Mapping[int, Mapping[str, Any]]) -> dict[int, list[str]]:
    """Return category id → names, coarse to fine; a name that occurs twice carries its id."""
    times = Counter(str(entry["name"]) for entry in categories.values())
    unique = {
        number: str(entry["name"]) if times[str(entry["name"])] == 1 else f"{entry['name']} ({number})"
        for number, entry in sorted(categories.items(), key=lambda item: (isinstance(item[0], str), item[0]))
    }
    if all(all(entry.get(rank) for rank in _RANKS) for entry in categories.values()):
        return {n: [*(str(categories[n][rank]) for rank in _RANKS), name] for n, name in unique.items()}
    if all(entry.get("supercategory") for entry in categories.values()):
        return {n: [str(categories[n]["supercategory"]), name] for n, name in unique.items()}
    return {n: [name] for n, name in unique.items()}


def _add_file(
    rows: _Columns, data: Mapping[str, Any], lineages: Mapping[int, list[str]], root: Path, split: str | None
) -> None:
    objects: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in data["annotations"]:
        if entry["category_id"] not in lineages:
            raise DataError(f"An annotation names category {entry['category_id']}.", "`categories` has no such id.")
        objects[entry["image_id"]].append(entry)
    for image in data["images"]:
        found = objects[image["id"]]
        kinds = {entry["category_id"] for entry in found}
        names = lineages[kinds.pop()] if len(kinds) == 1 else None
        rows["id"].append(f"{split or 'all'}/{image['id']}")
        rows["path"].append(_place(root, str(image["file_name"]), split))
        rows["label"].append(names[-1] if names else None)
        rows["lineage"].append(names)
        rows["split"].append(split)
        rows["box"].append(_box(found))


def _place(root: Path, name: str, split: str | None) -> str:
    """Return the picture's path below the root: beside the JSON, or in a folder ``images``, or that of its split."""
    folders: Sequence[str] = ("", "images", *([split, f"images/{split}"] if split else []))
    for folder in folders:
        if (root / folder / name).is_file():
            return (Path(folder) / name).as_posix()
    return name


def _box(objects: Sequence[Mapping[str, Any]]) -> list[float] | None:
    box = objects[0].get("bbox") if len(objects) == 1 else None
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(value, int | float) for value in box):
        return None
    return [float(value) for value in box]
