"""Training pictures of a class: those that show a part as a picture does, and those that stand as it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import ImageOps

from fieldmark.data.cache import CachedImages
from fieldmark.data.images import decode, sample_source
from fieldmark.data.thumbnails import cut_out, data_address
from fieldmark.errors import BrokenImageError, DataError
from fieldmark.explain.drawing import DRAWN
from fieldmark.explain.evidence import EvidenceReader, EvidenceTable, evidence_of_rows, load_images
from fieldmark.explain.poses import Pose
from fieldmark.records import Box, Progress
from fieldmark.similar_pictures import SimilarPicture

#: Training pictures of a class that are searched at most; of more, so many are taken evenly.
MOST_SEARCHED = 300

#: A part that is less surely there than this is not shown as an example of it, in 0..1.
_SEEN = 0.2


@dataclass(frozen=True)
class ClassPictures:
    """Training pictures of a class, and what their parts say.

    Attributes:
        table: the evidence of n rows, with their parts' maps.
        images: decoded pictures, these rows among them.
        rows: (n,) the rows' places in ``images``.
    """

    table: EvidenceTable
    images: CachedImages
    rows: NDArray[np.int64]

    def pixels(self, places: Sequence[int]) -> NDArray[np.uint8]:
        """Return copies of the fitted pictures (len(places), R, R, 3) of some of the n rows."""
        return np.array(self.images.pixels[self.rows[list(places)]])


def class_pictures(
    reader: EvidenceReader,
    images: CachedImages,
    label: str,
    *,
    most: int = MOST_SEARCHED,
    progress: Progress | None = None,
) -> ClassPictures | None:
    """Read a class's training pictures; ``None`` where there are none.

    Args:
        reader: the run's recogniser.
        images: the decoded pictures of the run's table.
        label: the class.
        most: of more pictures than these, so many are taken evenly.
        progress: told how many pictures are read.
    """
    wanted = ((pl.col("split") == "train") & (pl.col("label") == label)).fill_null(False)
    rows = np.flatnonzero(images.table.frame.select(wanted).to_series().to_numpy())
    if not len(rows):
        return None
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
    return ClassPictures(evidence_of_rows(reader, images, rows, keep_maps=True, progress=progress), images, rows)


def read_class(
    run: Path, reader: EvidenceReader, label: str, cache: Path, *, progress: Progress | None = None
) -> ClassPictures:
    """Read the training pictures of a class of a run's table.

    Args:
        run: the run's folder.
        reader: the run's recogniser.
        label: the class.
        cache: folder of decoded pictures.
        progress: told how far decoding, then reading, has come.

    Raises:
        DataError: the run holds no table, its pictures are gone, or the class has none for training.
    """
    found = class_pictures(reader, load_images(run, reader, cache, progress=progress), label, progress=progress)
    if found is None:
        raise DataError(f"There are no training pictures of {label}.", "Train on some, or go without examples.")
    return found


def nearest_examples(
    table: EvidenceTable, vectors: NDArray[np.float32], slots: Sequence[int], count: int
) -> dict[int, tuple[SimilarPicture, ...]]:
    """Return, for some slots, the rows whose part's vector is nearest by cosine, the nearest first.

    Args:
        table: the rows to search.
        vectors: (P, C), the parts' vectors of the picture to compare with.
        slots: the slots that are asked for.
        count: how many rows for each.

    Returns:
        Slot → its examples; fewer where the part is hardly there in the others.
    """
    found = {}
    for slot in slots:
        own, others = vectors[slot].astype(np.float64), table.vectors[:, slot].astype(np.float64)
        lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(own)
        similarity = others @ own / np.maximum(lengths, 1e-12)
        similarity[table.presence[:, slot] < _SEEN] = -np.inf
        order = np.argsort(-similarity, kind="stable")[:count]
        near = [int(row) for row in order if np.isfinite(similarity[row])]
        found[slot] = tuple(_example(table, row, slot, float(similarity[row])) for row in near)
    return found


def alike_examples(table: EvidenceTable, poses: Sequence[Pose]) -> tuple[SimilarPicture, ...]:
    """Return the pictures that stand as another does, each turned as it was set beside that one.

    Args:
        table: the rows that the poses are of.
        poses: the nearest first.

    Returns:
        Whole pictures; their similarity is 1 less the distance of their parts, in 0..1.
    """
    return tuple(
        SimilarPicture(
            id=table.ids[pose.row],
            path=table.paths[pose.row],
            label=table.labels[pose.row] or "",
            similarity=1 - pose.distance,
            thumbnail=_thumbnail(table, pose.row, None, mirrored=pose.mirrored),
        )
        for pose in poses
    )


def _example(table: EvidenceTable, row: int, slot: int, similarity: float) -> SimilarPicture:
    box = table.box_in_picture(row, slot)
    return SimilarPicture(
        id=table.ids[row],
        path=table.paths[row],
        label=table.labels[row] or "",
        similarity=min(1.0, max(-1.0, similarity)),
        box=box,
        thumbnail=_thumbnail(table, row, box),
    )


def _thumbnail(table: EvidenceTable, row: int, box: Box | None, *, mirrored: bool = False) -> str:
    """Return a box of a row's picture as a data address; empty where the picture went missing since it was cached."""
    size = int(table.sizes[row, 0]), int(table.sizes[row, 1])
    try:
        picture = decode(sample_source(table.root, table.paths[row]), at_least=DRAWN)
    except BrokenImageError:
        return ""
    return data_address(cut_out(ImageOps.mirror(picture) if mirrored else picture, box, size))
