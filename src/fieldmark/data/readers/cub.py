"""The layout of CUB-200-2011 (Wah et al., CNS-TR-2011-001), which the generated birds use too."""

import math
import re
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError

_NEEDED = ("images.txt", "image_class_labels.txt", "classes.txt")


class CubReader:
    """``images.txt``, ``classes.txt`` and their fellows; boxes, keypoints, attributes and lineage where they are there.

    Attributes belong to classes, in per cent. ``lineage.txt`` (class id, then names with slashes between, coarse to
    fine) is an addition of Fieldmark's.
    """

    looks_for = "images.txt, image_class_labels.txt and classes.txt"

    def recognise(self, path: Path) -> str | None:
        """Look for the three lists that everything hangs on."""
        return ", ".join(_NEEDED) if all((path / name).is_file() for name in _NEEDED) else None

    def read(self, path: Path) -> Table:
        """Read one row a photo, with the official split."""
        classes = _class_names(path)
        lineages = _lineages(path, classes)
        attribute_names, attributes = _attributes(path, classes)
        part_names, parts = _parts(path)
        boxes = _numbers(path / "bounding_boxes.txt", 4)
        labels = {image: name for image, (name,) in _fields(path / "image_class_labels.txt", 1)}
        splits = {image: flag for image, (flag,) in _fields(path / "train_test_split.txt", 1)}
        rows: dict[str, list[object]] = defaultdict(list)
        for image, (file,) in _fields(path / "images.txt", 1):
            number = labels.get(image)
            if number is not None and number not in classes:
                raise DataError(f"Image {image} has class {number}.", f"{path / 'classes.txt'} has no such class.")
            rows["id"].append(image)
            rows["path"].append(f"images/{file}")
            rows["label"].append(None if number is None else classes[number])
            rows["split"].append({"1": "train", "0": "test"}.get(splits.get(image, "")))
            rows["lineage"].append(lineages.get(number or ""))
            rows["box"].append(_clipped(boxes.get(image), path / "images" / file))
            rows["parts"].append(parts.get(image))
            rows["attributes"].append(attributes.get(number or ""))
        ranks = max((len(names) for names in lineages.values()), default=1)
        return make_table(
            rows,
            path,
            reader="cub",
            classes=list(classes.values()),
            rank_names=_rank_names(ranks),
            part_names=part_names,
            attribute_names=attribute_names,
        )


def _rank_names(count: int) -> tuple[str, ...]:
    named = ("order", "family", "genus", "species")
    if count == 1:
        return ("class",)
    return named[-count:] if count <= len(named) else tuple(f"rank {level}" for level in range(1, count + 1))


def _lines(file: Path) -> list[str]:
    """Return a list's lines; none where the file is missing, which only optional files may be."""
    if not file.is_file():
        return []
    try:
        return [line for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text.", "Save it as UTF-8.") from error


def _fields(file: Path, count: int) -> list[tuple[str, list[str]]]:
    """Return (first field, the ``count`` others) of every line; the last takes the rest of the line."""
    found = []
    for number, line in enumerate(_lines(file), 1):
        first, *others = line.split(maxsplit=count)
        if len(others) != count:
            raise DataError(f"{file}:{number} needs {count + 1} fields.", f"It reads: {line[:80]}")
        found.append((first, [other.strip() for other in others]))
    return found


def _numbers(file: Path, count: int) -> dict[str, list[float]]:
    try:
        return {name: [float(value) for value in values] for name, values in _fields(file, count)}
    except ValueError as error:
        raise _no_number(file, error) from error


def _no_number(file: Path, error: ValueError) -> DataError:
    return DataError(f"{file} holds what is no number: {error}.", "Take it as it was published.")


def _class_names(path: Path) -> dict[str, str]:
    """Return class id → name: ``001.Laysan_Albatross`` becomes ``Laysan Albatross`` unless two would be the same."""
    raw = {number: name for number, (name,) in _fields(path / "classes.txt", 1)}
    plain = {number: re.sub(r"^\d+\.", "", name).replace("_", " ") for number, name in raw.items()}
    return plain if len(set(plain.values())) == len(plain) else raw


def _lineages(path: Path, classes: dict[str, str]) -> dict[str, list[str]]:
    """Return class id → names, coarse to fine, the last being the class as the table names it."""
    found = {number: names.split("/") for number, (names,) in _fields(path / "lineage.txt", 1)}
    return {number: [*names[:-1], classes[number]] for number, names in found.items() if number in classes}


def _attributes(path: Path, classes: dict[str, str]) -> tuple[Sequence[str], dict[str, list[float]]]:
    names = [name for _, (name,) in _fields(path / "attributes" / "attributes.txt", 1)]
    file = path / "attributes" / "class_attribute_labels_continuous.txt"
    rows = _lines(file)
    if not names or not rows:
        return (), {}
    if len(rows) != len(classes):
        raise DataError(f"{file} has {len(rows)} rows for {len(classes)} classes.", "It needs one row per class.")
    try:
        values = [[float(value) for value in row.split()] for row in rows]
    except ValueError as error:
        raise _no_number(file, error) from error
    if any(len(row) != len(names) for row in values):
        raise DataError(f"{file} does not have {len(names)} values in every row.", "attributes.txt names that many.")
    return names, dict(zip(classes, values, strict=True))


def _parts(path: Path) -> tuple[Sequence[str], dict[str, list[dict[str, object]]]]:
    names = {number: name for number, (name,) in _fields(path / "parts" / "parts.txt", 1)}
    found: dict[str, list[dict[str, object]]] = defaultdict(list)
    file = path / "parts" / "part_locs.txt"
    for image, (part, x, y, visible) in _fields(file, 4):
        if part not in names:
            raise DataError(f"{file} names part {part}.", f"{path / 'parts' / 'parts.txt'} has no such part.")
        try:
            found[image].append({"name": names[part], "x": float(x), "y": float(y), "visible": visible == "1"})
        except ValueError as error:
            raise _no_number(file, error) from error
    return tuple(names.values()), dict(found)


def _clipped(box: list[float] | None, photo: Path) -> list[float] | None:
    """Cut off what reaches beyond the photo; beyond its right and lower edge only where its size can be read."""
    if box is None:
        return None
    x, y, width, height = box
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = _size(photo)
    return [
        left,
        top,
        max(min(width - (left - x), right - left), 0.0),
        max(min(height - (top - y), bottom - top), 0.0),
    ]


def _size(photo: Path) -> tuple[float, float]:
    """Return a JPEG's (width, height) as stored, from its header alone; infinite where there is none to be read."""
    try:
        if photo.is_file():  # a pipe would block
            with warnings.catch_warnings(action="ignore"), Image.open(photo, formats=("JPEG",)) as opened:
                return opened.size
    except (OSError, ValueError, Image.DecompressionBombError):
        pass  # decoding will name the photo as broken; its box stays as it is
    return math.inf, math.inf
