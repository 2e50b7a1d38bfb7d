"""From pictures to what a network sees in them: of a run's rows, and of pictures given one by one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.images import FittedImage
from fieldmark.data.leaks import find_leaks
from fieldmark.data.table import Table
from fieldmark.errors import BundleError, DataError
from fieldmark.gallery.stored import GALLERY_FILE, StoredPictures, identity
from fieldmark.models.bundle import find_bundle
from fieldmark.predict.contract import NetworkOutputs, Predictor
from fieldmark.predict.regions import box_in_picture, part_region, region_box
from fieldmark.predict.sources import displayable
from fieldmark.records import Box, Progress
from fieldmark.training.run_folder import TABLE_FILE

#: Pictures that pass the network at once.
_CHUNK = 128

#: The splits whose pictures are kept: those that are learned from, and those that thresholds are fitted on.
_SPLITS = ("train", "val")


@dataclass(frozen=True)
class GivenPictures:
    """Pictures that were given one by one, ready for the network.

    Attributes:
        files: what each is called.
        fitted: the decoded pictures.
    """

    files: tuple[str, ...]
    fitted: tuple[FittedImage, ...]


def stored_pictures(
    run: Path, predictor: Predictor, cache: Path | None, *, progress: Progress | None = None
) -> StoredPictures:
    """Return what a run's network sees in its training and validation pictures.

    A bundle's own gallery comes first; then the run's, if it is of this network and these data; else the pictures pass
    the network, and the run keeps what was seen.

    Args:
        run: a run's folder, a bundle inside of one, or a bundle with a gallery of its own.
        predictor: of that bundle.
        cache: folder of decoded pictures; ``None`` decodes nothing.
        progress: told how many pictures are done.

    Raises:
        DataError: there is neither a gallery nor a table, or the pictures are gone.
        BundleError: the bundle or its gallery can't be read.
    """
    bundle, home = find_bundle(run), gallery_home(run)
    if home == bundle:
        return StoredPictures.load(bundle)
    if not (home / TABLE_FILE).is_file():
        raise DataError(
            f"{bundle} does not say which pictures it was trained on.",
            "Give the run's folder, which holds its table, not a copy of its bundle.",
        )
    table = Table.load(home / TABLE_FILE)
    wanted = identity_for(bundle, table)
    if (found := _kept(home)) is not None and found.network == wanted:
        return found
    if cache is None:
        raise DataError("The pictures have not passed the network yet.", "Name a folder of decoded pictures.")
    rows = table.where(pl.col("split").is_in(_SPLITS).fill_null(False) & pl.col("path").is_not_null())
    if not len(rows):
        raise DataError(f"The table of {home} has no training pictures.", "Train on some.")
    images = cache_images(rows, predictor.info.preprocessing, cache, progress=progress)
    seen = see_rows(predictor, images, network=wanted, progress=progress)
    seen.save(home)
    return seen


def identity_for(bundle: Path, table: Table) -> str:
    """Return what a run's gallery is told by: it changes with the network, the rows, and where the pictures lie.

    Raises:
        BundleError: the bundle can't be read.
    """
    return identity(bundle, f"{table.fingerprint()} {table.root.resolve()}")


def gallery_home(run: Path) -> Path:
    """Return the folder that a gallery lies in, or would: the bundle where it has one of its own, else the run.

    Args:
        run: a run's folder, or a bundle.

    Raises:
        BundleError: there is no bundle.
    """
    bundle = find_bundle(run)
    return bundle if (bundle / GALLERY_FILE).is_file() else bundle.absolute().parent


def see_rows(
    predictor: Predictor, images: CachedImages, *, network: str = "", progress: Progress | None = None
) -> StoredPictures:
    """Return what a network sees in decoded pictures.

    Args:
        predictor: gives the outputs.
        images: the pictures, at its resolution.
        network: what identifies the network and the data.
        progress: told how many pictures are done.
    """
    frame, count = images.table.frame, len(images.table)
    parts = []
    for start in range(0, count, _CHUNK):
        found = predictor.outputs(np.asarray(images.pixels[start : start + _CHUNK]))
        chunk = slice(start, start + _CHUNK)
        parts.append(_arrays(found, _Where(images.windows[chunk], images.sizes[chunk], images.pixels.shape[1])))
        if progress is not None:
            progress(min(start + _CHUNK, count), count)
    vectors, presence, embedding, boxes = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    root = images.table.root.resolve()
    return StoredPictures(
        ids=tuple(frame["id"]),
        files=tuple(str(root / path) for path in frame["path"]),
        labels=tuple(label or "" for label in frame["label"]),
        splits=_splits_of(images),
        vectors=vectors,
        presence=presence,
        embedding=embedding,
        boxes=boxes,
        sizes=np.asarray(images.sizes, np.int32),
        left_out=np.empty((count, 0), np.float32),
        network=network,
    )


def see_pictures(predictor: Predictor, given: GivenPictures, label: str) -> StoredPictures:
    """Return what a network sees in pictures of a new class; they count as training pictures.

    Args:
        predictor: gives the outputs.
        given: the pictures, one or more.
        label: the class.
    """
    found = predictor.outputs(np.stack([each.pixels for each in given.fitted]))
    windows = np.array([each.window for each in given.fitted], np.float32)
    sizes = np.array([each.size for each in given.fitted], np.int32)
    side = predictor.info.preprocessing.resolution
    vectors, presence, embedding, boxes = _arrays(found, _Where(windows, sizes, side))
    count = len(given.files)
    return StoredPictures(
        ids=tuple(f"{label}/{displayable(file)}" for file in given.files),
        files=given.files,
        labels=(label,) * count,
        splits=("train",) * count,
        vectors=vectors,
        presence=presence,
        embedding=embedding,
        boxes=boxes,
        sizes=sizes,
        left_out=np.empty((count, 0), np.float32),
    )


def part_boxes(
    maps: NDArray[np.float32], slots: int, window: tuple[float, float, float, float], size: tuple[int, int], side: int
) -> list[Box | None]:
    """Return where each of P slots is on a picture, in px of it; ``None`` where it is no place.

    Args:
        maps: (K + 1, h, w), the cells' shares of the parts and, last, of the background.
        slots: P, the parts and, where there is one, the rest of the picture.
        window: left, top, width and height of the picture in px of the square.
        size: width and height of the original picture in px.
        side: pixels per side of the square.
    """
    boxes = [box_in_picture(region_box(part_region(share)), side, window, size) for share in maps[:-1]][:slots]
    return [*boxes, *[None] * (slots - len(boxes))]


@dataclass(frozen=True)
class _Where:
    """Where B pictures lie in their squares.

    Attributes:
        windows: (B, 4), left, top, width and height in px of the square.
        sizes: (B, 2), width and height of the originals in px.
        side: pixels per side of the square.
    """

    windows: NDArray[np.float32]
    sizes: NDArray[np.int32]
    side: int


def _arrays(
    found: NetworkOutputs, where: _Where
) -> tuple[NDArray[np.float16], NDArray[np.float32], NDArray[np.float16], NDArray[np.float32]]:
    """Return vectors, presence, embedding and boxes as they are kept."""
    slots = found.presence.shape[1]
    boxes = np.full((len(found.maps), slots, 4), np.nan, np.float32)
    for row, (maps, window, size) in enumerate(zip(found.maps, where.windows, where.sizes, strict=True)):
        left, top, width, height = (float(value) for value in window)
        wide, high = int(size[0]), int(size[1])
        for slot, box in enumerate(part_boxes(maps, slots, (left, top, width, height), (wide, high), where.side)):
            if box is not None:
                boxes[row, slot] = np.array(box) / (wide, high, wide, high)
    return _halved(found.vectors), found.presence, _halved(found.embedding), boxes


def _halved(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return values as float16; what it can't hold becomes the largest that it can."""
    largest = float(np.finfo(np.float16).max)
    return np.asarray(np.clip(values, -largest, largest), dtype=np.float16)


def _splits_of(images: CachedImages) -> tuple[str, ...]:
    """Return every row's split; validation rows that the network knows from training are ``"leaked"``.

    They are training pictures, too, or share a group with some: nothing that is promised may rest on them.
    """
    frame = images.table.frame
    leaked = {
        name
        for leak in find_leaks(images.table, images)
        for name, split in ((leak.first, leak.first_split), (leak.second, leak.second_split))
        if split == "val"
    }
    groups = set(frame.filter(pl.col("split") == "train")["group"].drop_nulls())
    rows = frame.select("id", "split", "group").iter_rows()
    return tuple(
        "leaked" if split == "val" and (name in leaked or group in groups) else split for name, split, group in rows
    )


def _kept(home: Path) -> StoredPictures | None:
    """Return a run's gallery; ``None`` where it is missing or damaged: it is made again."""
    if not (home / GALLERY_FILE).is_file():
        return None
    try:
        return StoredPictures.load(home)
    except BundleError:
        return None
