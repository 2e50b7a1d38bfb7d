"""The training pictures nearest to a picture: as a whole, and part by part."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import fieldmark
from fieldmark.data.images import FittedImage, decode, sample_source
from fieldmark.data.thumbnails import THUMBNAIL, cut_out, data_address
from fieldmark.errors import BrokenImageError, ConfigError, unknown_name
from fieldmark.gallery.collect import gallery_home, part_boxes, stored_pictures
from fieldmark.gallery.search import EXACT_UP_TO, Found, nearest
from fieldmark.gallery.stored import StoredPictures
from fieldmark.neighbour_results import COUNT, NearestByPart, NearestPictures
from fieldmark.predict import load_predictor
from fieldmark.predict.contract import ImageSource, NetworkOutputs, Predictor
from fieldmark.predict.pictures import fitted_image, open_picture, source_name
from fieldmark.predict.sources import displayable
from fieldmark.records import Box, Progress
from fieldmark.similar_pictures import SimilarPicture

#: What a comparison by all of a picture is called.
WHOLE = "whole picture"

#: A part that is less surely there than this is not compared, in 0..1.
_SEEN = 0.2

#: Thumbnails are decoded at a few times their size, so that parts have some pixels.
_DECODED = 4 * THUMBNAIL


def neighbours(
    run: Path | str,
    image: ImageSource,
    *,
    part: str | None = None,
    count: int = COUNT,
    cache: Path | str | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> NearestPictures:
    """Find the training pictures that a run's network sees as most like a picture.

    The picture's own file is left out, where it is among them. The first time a run is asked, its pictures pass the
    network, and what was seen is kept in the run's folder.

    Args:
        run: a run's folder, or a bundle to which a class was added.
        image: whatever holds the picture.
        part: a part's name, to compare by it alone, or ``"whole picture"``; by default the whole and every part.
        count: how many pictures for each, at least 1.
        cache: folder of decoded pictures; needed the first time a run is asked.
        device: where the network runs, as torch names it.
        progress: told how far decoding, then looking at the pictures, has come.

    Raises:
        BundleError: there is no bundle, or it can't be read.
        BrokenImageError: the picture can't be decoded.
        ConfigError: there is no such part, or a count below 1.
        DataError: the run holds no table, its pictures are gone, or the image is nothing that could hold a picture.
    """
    if count < 1:
        raise ConfigError(f"{count} neighbours can't be listed.", "Give a whole number of 1 or more.")
    folder = Path(run)
    predictor = load_predictor(folder, device=device)
    wanted = _slots(predictor, part)
    try:
        fitted = fitted_image(image, predictor.info.preprocessing)
    except BrokenImageError as error:
        raise BrokenImageError(
            f"{source_name(image, 1)} can't be compared: {error.message}.", "Name a picture that can be opened."
        ) from error
    stored = stored_pictures(folder, predictor, None if cache is None else Path(cache), progress=progress)
    found = predictor.outputs(fitted.pixels[None])
    asked = _Asked(image, fitted, found, stored, _searched(stored, image), count, gallery_home(folder))
    compared = tuple(_by_whole(asked) if slot is None else _by_part(asked, predictor, slot) for slot in wanted)
    probabilities = predictor.calibrated(found.logits)[0]
    best = int(probabilities.argmax())
    return NearestPictures(
        source=displayable(source_name(image, 1)),
        label=predictor.info.classes[best],
        probability=float(probabilities[best]),
        compared=compared,
        searched=int(asked.searched.sum()),
        exact=len(stored) <= EXACT_UP_TO,
        fieldmark_version=fieldmark.__version__,
        notes=_notes(asked),
    )


@dataclass(frozen=True)
class _Asked:
    """A picture and what it is compared with.

    Attributes:
        image: what holds the picture.
        fitted: the picture in the network's square.
        found: its outputs.
        stored: the pictures that there are.
        searched: (n,) which of them are compared.
        count: how many are wanted.
        home: where an index may be kept.
    """

    image: ImageSource
    fitted: FittedImage
    found: NetworkOutputs
    stored: StoredPictures
    searched: NDArray[np.bool_]
    count: int
    home: Path

    def index(self, name: str) -> Path:
        """Return the file of an index; another network's has another name."""
        return self.home / f"gallery-{name}-{self.stored.network[:8]}.usearch"


def _slots(predictor: Predictor, part: str | None) -> list[int | None]:
    """Return the slots to compare by; ``None`` stands for the whole picture."""
    names = predictor.info.part_names
    only_whole = len(names) == 1
    if part is None:
        return [None] if only_whole else [None, *range(len(names))]
    if part == WHOLE:
        return [None]
    if part not in names or only_whole:
        raise unknown_name("part", part, (WHOLE, *(() if only_whole else names)))
    return [names.index(part)]


def _searched(stored: StoredPictures, image: ImageSource) -> NDArray[np.bool_]:
    """Say which pictures are compared: those for training, but the picture itself."""
    own = str(Path(image).resolve()) if isinstance(image, str | Path) else None
    rows = zip(stored.splits, stored.files, strict=True)
    return np.array([split == "train" and file != own for split, file in rows], dtype=np.bool_)


def _notes(asked: _Asked) -> tuple[str, ...]:
    training = sum(split == "train" for split in asked.stored.splits)
    itself = "The picture itself is one of the training pictures and left out."
    return (itself,) if training > asked.searched.sum() else ()


def _by_whole(asked: _Asked) -> NearestByPart:
    found = nearest(
        asked.stored.embedding,
        asked.found.embedding[0],
        asked.count,
        wanted=asked.searched,
        index=asked.index("whole"),
    )
    return NearestByPart(WHOLE, 1.0, None, _listed(asked.stored, found, None), _cut(asked, None))


def _by_part(asked: _Asked, predictor: Predictor, slot: int) -> NearestByPart:
    name, presence = predictor.info.part_names[slot], float(asked.found.presence[0, slot])
    slots = len(predictor.info.part_names)
    window, size = asked.fitted.window, asked.fitted.size
    box = part_boxes(asked.found.maps[0], slots, window, size, asked.fitted.pixels.shape[0])[slot]
    if presence < _SEEN:
        return NearestByPart(name, presence, box, ())
    found = nearest(
        asked.stored.vectors[:, slot],
        asked.found.vectors[0, slot],
        asked.count,
        wanted=asked.searched & (asked.stored.presence[:, slot] >= _SEEN),
        index=asked.index(str(slot)),
    )
    return NearestByPart(name, presence, box, _listed(asked.stored, found, slot), _cut(asked, box))


def _listed(stored: StoredPictures, found: Found, slot: int | None) -> tuple[SimilarPicture, ...]:
    return tuple(
        _neighbour(stored, int(row), slot, float(value))
        for row, value in zip(found.places, found.similarities, strict=True)
    )


def _neighbour(stored: StoredPictures, row: int, slot: int | None, similarity: float) -> SimilarPicture:
    size = int(stored.sizes[row, 0]), int(stored.sizes[row, 1])
    box = None if slot is None else _in_px(stored.boxes[row, slot], size)
    try:
        picture = decode(sample_source(Path("/"), stored.files[row]), at_least=_DECODED)
        thumbnail = data_address(cut_out(picture, box, size))
    except BrokenImageError:
        thumbnail = ""  # it went missing; the neighbour stays, without a picture
    return SimilarPicture(
        id=stored.ids[row],
        path=displayable(stored.files[row]),
        label=stored.labels[row],
        similarity=similarity,
        box=box,
        thumbnail=thumbnail,
    )


def _in_px(box: NDArray[np.float32], size: tuple[int, int]) -> Box | None:
    if np.isnan(box).any():
        return None
    left, top, width, height = (box.astype(np.float64) * (*size, *size)).tolist()
    return left, top, width, height


def _cut(asked: _Asked, box: Box | None) -> str:
    return data_address(cut_out(open_picture(asked.image, at_least=_DECODED), box, asked.fitted.size))
