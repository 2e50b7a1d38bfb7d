"""The pictures of a guide: squares cut around parts, and whole pictures with the places of their parts."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fieldmark.data.images import FittedImage, decode, fit_image, sample_source
from fieldmark.errors import BrokenImageError
from fieldmark.explain.guide.evidence import LabelledEvidence
from fieldmark.guide_results import PICTURES, Exemplar, PartBox, Tile
from fieldmark.predict.regions import box_in_picture
from fieldmark.records import Preprocessing

#: Side of a tile in pixels.
TILE = 128

#: Longer side of a whole picture in pixels.
EXEMPLAR = 360

#: What is added on each side of a part's box, as a share of its longer side.
_MARGIN = 0.25

#: A tile's smallest side, as a share of the square picture: less than this shows no part, but grain.
_SMALLEST = 0.1

#: Larger pictures are first reduced to about this many pixels a side.
_DECODED = 1024

#: Decoded pictures that are kept: those of a few classes.
_KEPT = 64

_QUALITY = 85


class PictureSource(Protocol):
    """What the builder asks for pictures."""

    def tile(self, table: LabelledEvidence, row: int, part: int, label: str) -> Tile:
        """Return the tile of a part of a picture."""
        ...

    def exemplar(self, table: LabelledEvidence, row: int, label: str) -> Exemplar:
        """Return a whole picture."""
        ...


class PartPictures:
    """Cuts tiles out of the original pictures and writes them into a guide's folder, each once.

    Args:
        paths: row's id → the picture's path.
        root: the folder that paths are relative to.
        preprocessing: how a picture becomes the square in which the boxes lie.
        folder: the guide's folder.
    """

    def __init__(self, paths: Mapping[str, str], root: Path, preprocessing: Preprocessing, folder: Path) -> None:
        self._paths = paths
        self._root = root
        self._preprocessing = preprocessing
        self._folder = folder
        self._written: dict[tuple[str, int], Tile] = {}
        self._whole: dict[str, Exemplar] = {}
        self._open = lru_cache(maxsize=_KEPT)(self._decode)
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)

    def tile(self, table: LabelledEvidence, row: int, part: int, label: str) -> Tile:
        """Cut a part out of a picture, with a margin; without a file where the picture can't be read any more."""
        name = table.ids[row]
        if (name, part) not in self._written:
            file = ""
            if (opened := self._open(name)) is not None:
                square = cut_square(opened[1].pixels, table.boxes[row, part])
                file = self._save(square.resize((TILE, TILE), Image.Resampling.BICUBIC), f"{name}\n{part}")
            self._written[name, part] = Tile(name, label, file)
        return self._written[name, part]

    def exemplar(self, table: LabelledEvidence, row: int, label: str) -> Exemplar:
        """Write a whole picture, and tell where its parts lie."""
        name = table.ids[row]
        if name not in self._whole:
            opened = self._open(name)
            if opened is None:
                self._whole[name] = Exemplar(name, label, "", EXEMPLAR, EXEMPLAR)
            else:
                original, fitted = opened
                small = original.copy()
                small.thumbnail((EXEMPLAR, EXEMPLAR), Image.Resampling.LANCZOS)
                boxes = tuple(
                    box
                    for part in np.flatnonzero(table.shown[row])
                    if (box := place_in_picture(int(part), table.boxes[row, part], fitted)) is not None
                )
                file = self._save(small, f"{name}\nwhole")
                self._whole[name] = Exemplar(name, label, file, small.width, small.height, boxes)
        return self._whole[name]

    def _save(self, image: Image.Image, key: str) -> str:
        name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        image.save(self._folder / PICTURES / f"{name}.jpg", quality=_QUALITY, optimize=True)
        return f"{PICTURES}/{name}.jpg"

    def _decode(self, name: str) -> tuple[Image.Image, FittedImage] | None:
        """Return a picture and the square made of it at about its own resolution; ``None`` where it can't be read."""
        try:
            image = decode(sample_source(self._root, self._paths[name]), at_least=_DECODED)
        except BrokenImageError:
            return None  # it went missing since its evidence was collected
        side = min(image.size) if self._preprocessing.fit == "crop" else max(image.size)
        return image, fit_image(image, replace(self._preprocessing, resolution=min(side, _DECODED)))


def cut_square(pixels: NDArray[np.uint8], box: NDArray[np.floating]) -> Image.Image:
    """Cut the square around a box, with a margin, out of a square picture; it is moved inside where it would stick out.

    Args:
        pixels: (R, R, 3).
        box: (4,) left, top, width, height in 0..1.
    """
    left, top, width, height = (float(value) for value in box)
    side = min(1.0, max((1 + 2 * _MARGIN) * max(width, height), _SMALLEST))
    x = min(max(left + (width - side) / 2, 0.0), 1 - side)
    y = min(max(top + (height - side) / 2, 0.0), 1 - side)
    resolution = pixels.shape[0]
    first, above, length = round(x * resolution), round(y * resolution), max(1, round(side * resolution))
    cut = pixels[above : above + length, first : first + length]
    return Image.fromarray(np.ascontiguousarray(cut))


def place_in_picture(part: int, box: NDArray[np.floating], fitted: FittedImage) -> PartBox | None:
    """Take a box from the square to the picture that was fitted into it; ``None`` where they have nothing in common.

    Args:
        part: the part that the box is of.
        box: (4,) left, top, width, height in 0..1 of the square.
        fitted: tells where in the square the picture lies.
    """
    width, height = fitted.size
    found = box_in_picture(np.asarray(box, np.float32), fitted.pixels.shape[0], fitted.window, fitted.size)
    if found is None:
        return None
    return PartBox(part, found[0] / width, found[1] / height, found[2] / width, found[3] / height)
