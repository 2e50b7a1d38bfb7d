"""Generated birds on disk, in the layout of CUB-200-2011.

Besides CUB's own files there are::

    masks/<class>/<file>.png   palette pictures: 0 = background, i = part i of parts/parts.txt
    lineage.txt                "<class id> <genus>/<species>"
    marks.json                 parts, every species' marks, and the marks that separate each pair of a genus
    generated.json             the settings that the folder was made with
"""

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
from PIL import Image

from fieldmark.errors import ConfigError, DataError
from fieldmark.records import Progress
from fieldmark.synthetic.rendering import Keypoint, check_seed, check_size, render_bird
from fieldmark.synthetic.species import (
    MARK_PARTS,
    MARK_VALUES,
    PARTS,
    Species,
    lookalike_pairs,
    species_catalogue,
)

#: Raised when the same settings begin to give other pictures, so that an older folder isn't reused.
_VERSION = 1

#: The file that says that a folder was made here, and from what.
_SETTINGS_FILE = "generated.json"

_JPEG_QUALITY = 92

#: Below this many pictures, starting other processes takes longer than drawing.
_WORTH_A_POOL = 200

#: The colours of the masks' palette: background, then ``PARTS``.
_PALETTE = (
    (0, 0, 0),
    (230, 159, 0),
    (213, 94, 0),
    (240, 228, 66),
    (204, 121, 167),
    (86, 180, 233),
    (255, 255, 255),
    (0, 158, 115),
    (0, 114, 178),
    (148, 103, 189),
    (140, 86, 75),
    (127, 127, 127),
    (188, 189, 174),
)


@dataclass(frozen=True, slots=True)
class _Settings:
    version: int
    species: int
    train: int
    test: int
    size: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Picture:
    """One picture to write: its id in CUB's files, its species, its number within the species, its split."""

    id: int
    species: int
    number: int
    train: bool


@dataclass(frozen=True, slots=True)
class _Written:
    box: tuple[float, float, float, float]
    keypoints: tuple[Keypoint, ...]


def generate_birds(
    out: Path | str,
    *,
    species: int = 24,
    train: int,
    test: int,
    size: int = 128,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Write a data set of generated lookalikes in CUB's layout.

    A folder that was made with the same settings is reused. A picture depends only on the seed, its species
    and its number, so a larger set begins with the pictures of a smaller one. More than a few pictures
    are drawn by several processes, started afresh: a script calls this under ``if __name__ == "__main__"``.

    Args:
        out: the folder to write; it appears when it is complete.
        species: how many species, 2..``MAX_SPECIES``, four to a genus.
        train: pictures of every species for training, at least 1.
        test: pictures of every species for testing, at least 0.
        size: side of the pictures in pixels, ``MIN_SIZE``..``MAX_SIZE``.
        seed: decides everything that the catalogue doesn't; not negative.
        progress: called with the number of pictures written and to be written.

    Returns:
        ``out``.

    Raises:
        ConfigError: a setting is out of range.
        DataError: ``out`` holds something else; nothing is overwritten.
    """
    out = Path(out)
    settings = _Settings(_VERSION, species, train, test, size, seed)
    catalogue = species_catalogue(species)
    check_size(size)
    check_seed(seed)
    _check_counts(train, test)
    if _is_reusable(out, settings):
        return out
    partial = out.with_name(out.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    pictures = _plan(species, train, test)
    _make_folders(partial, catalogue)
    written = _draw_all(partial, pictures, settings, progress)
    _write_lists(partial, catalogue, pictures, written)
    _write_truth(partial, catalogue)
    (partial / _SETTINGS_FILE).write_text(json.dumps(asdict(settings), indent=1) + "\n", encoding="utf-8")
    if out.is_dir():
        out.rmdir()
    partial.replace(out)
    return out


def separating_marks(folder: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """Read which marks separate each pair of species of one genus.

    Args:
        folder: a folder that ``generate_birds`` wrote.

    Returns:
        The names of the marks for every pair of species' names, as ``Table.classes`` has them, in both orders.

    Raises:
        DataError: there is no readable ``marks.json``.
    """
    path = folder / "marks.json"
    try:
        pairs = json.loads(path.read_text(encoding="utf-8"))["pairs"]
        found = {(str(a), str(b)): tuple(str(mark) for mark in marks) for a, b, marks in pairs}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"The separating marks can't be read from {path}: {error}.",
            "Name a folder of generated birds, as `fieldmark demo` writes them.",
        ) from error
    return found | {(b, a): marks for (a, b), marks in found.items()}


def picture_seed(seed: int, species: int, number: int) -> int:
    """Return the seed of one picture: of the species' place in the catalogue and the picture's number."""
    return int(np.random.SeedSequence([seed, species, number]).generate_state(1, np.uint64)[0])


def _check_counts(train: int, test: int) -> None:
    if train < 1 or test < 0:
        raise ConfigError(
            f"A species can't have {train} training and {test} test pictures.",
            "Ask for at least 1 training picture and no fewer than 0 test pictures.",
        )


def _is_reusable(out: Path, settings: _Settings) -> bool:
    """Say whether ``out`` is complete already; an empty or missing folder is not.

    Raises:
        DataError: ``out`` holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    cure = "Name another folder, or delete this one yourself if nobody needs it."
    try:
        found = json.loads((out / _SETTINGS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{out} exists and isn't a folder of generated birds.", cure) from error
    if found != asdict(settings):
        raise DataError(f"{out} holds generated birds of other settings: {json.dumps(found)}.", cure)
    return True


def _plan(species: int, train: int, test: int) -> list[_Picture]:
    each = train + test
    return [_Picture(s * each + n + 1, s, n, n < train) for s in range(species) for n in range(each)]


def class_folder(index: int, species: Species) -> str:
    """Return the name of a species' folder, as CUB numbers its classes."""
    return f"{index + 1:03d}.{_underscored(species)}"


def _underscored(species: Species) -> str:
    """Return a species' name as CUB writes names in its files."""
    return species.name.replace(" ", "_")


def _make_folders(root: Path, catalogue: tuple[Species, ...]) -> None:
    for index, species in enumerate(catalogue):
        for kind in ("images", "masks"):
            (root / kind / class_folder(index, species)).mkdir(parents=True)
    for name in ("parts", "attributes"):
        (root / name).mkdir()


def _stem(picture: _Picture, species: Species) -> str:
    return f"{class_folder(picture.species, species)}/{_underscored(species)}_{picture.number + 1:04d}"


def _draw_all(root: Path, pictures: list[_Picture], settings: _Settings, progress: Progress | None) -> list[_Written]:
    written: list[_Written] = []
    for result in _results(root, pictures, settings):
        written.append(result)
        if progress is not None:
            progress(len(written), len(pictures))
    return written


def _results(root: Path, pictures: list[_Picture], settings: _Settings) -> Iterator[_Written]:
    """Draw the pictures, in their order, by several processes where that is faster."""
    workers = _processors()
    if workers == 1 or len(pictures) < _WORTH_A_POOL:
        yield from map(_draw_one, repeat(root), pictures, repeat(settings))
        return
    # Started afresh rather than forked: a fork of a process that runs torch's threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(_draw_one, repeat(root), pictures, repeat(settings), chunksize=16)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _draw_one(root: Path, picture: _Picture, settings: _Settings) -> _Written:
    species = species_catalogue(settings.species)[picture.species]
    seed = picture_seed(settings.seed, picture.species, picture.number)
    bird = render_bird(species, seed=seed, size=settings.size)
    stem = _stem(picture, species)
    Image.fromarray(bird.image).save(root / "images" / f"{stem}.jpg", quality=_JPEG_QUALITY)
    mask = Image.fromarray(bird.mask, mode="L")
    mask.putpalette([channel for colour in _PALETTE for channel in colour])
    mask.save(root / "masks" / f"{stem}.png", compress_level=3)
    return _Written(bird.box, bird.keypoints)


def _write_lists(root: Path, catalogue: tuple[Species, ...], pictures: list[_Picture], written: list[_Written]) -> None:
    def lines(name: str, rows: Iterator[str]) -> None:
        (root / name).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")

    lines("classes.txt", (f"{i + 1} {class_folder(i, s)}" for i, s in enumerate(catalogue)))
    lines("lineage.txt", (f"{i + 1} {s.genus.name}/{_underscored(s)}" for i, s in enumerate(catalogue)))
    lines("images.txt", (f"{p.id} {_stem(p, catalogue[p.species])}.jpg" for p in pictures))
    lines("image_class_labels.txt", (f"{p.id} {p.species + 1}" for p in pictures))
    lines("train_test_split.txt", (f"{p.id} {int(p.train)}" for p in pictures))
    boxes = zip(pictures, written, strict=True)
    lines("bounding_boxes.txt", (f"{p.id} {' '.join(str(side) for side in w.box)}" for p, w in boxes))
    lines("parts/parts.txt", (f"{i} {part}" for i, part in enumerate(PARTS, start=1)))
    places = (
        f"{p.id} {i} {k.x} {k.y} 1" if k.visible else f"{p.id} {i} 0.0 0.0 0"
        for p, w in zip(pictures, written, strict=True)
        for i, k in enumerate(w.keypoints, start=1)
    )
    lines("parts/part_locs.txt", places)


def _write_truth(root: Path, catalogue: tuple[Species, ...]) -> None:
    """Write the attributes and the marks."""
    attributes = [(part, value) for part in MARK_PARTS for value in MARK_VALUES[part]]
    names = (f"has_{part}::{value}".replace(" ", "_") for part, value in attributes)
    listed = "".join(f"{i} {name}\n" for i, name in enumerate(names, start=1))
    (root / "attributes/attributes.txt").write_text(listed, encoding="utf-8")
    rows = (" ".join("100.0" if s.marks[p] == v else "0.0" for p, v in attributes) for s in catalogue)
    table = "".join(f"{row}\n" for row in rows)
    (root / "attributes/class_attribute_labels_continuous.txt").write_text(table, encoding="utf-8")
    marks = {
        "parts": list(PARTS),
        "species": {species.name: dict(species.marks) for species in catalogue},
        "pairs": [[a.name, b.name, list(between)] for a, b, between in lookalike_pairs(catalogue)],
    }
    (root / "marks.json").write_text(json.dumps(marks, indent=1) + "\n", encoding="utf-8")
