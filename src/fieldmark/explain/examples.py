"""Training pictures of a class that show a part as this picture does."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fieldmark.data.images import decode, sample_source
from fieldmark.data.thumbnails import cut_out, data_address
from fieldmark.errors import BrokenImageError, DataError
from fieldmark.explain.drawing import DRAWN
from fieldmark.explain.evidence import EvidenceReader, EvidenceTable, evidence_of_rows, load_images
from fieldmark.records import Progress
from fieldmark.similar_pictures import SimilarPicture

#: Training pictures of a class that are searched at most; of more, so many are taken evenly.
MOST_SEARCHED = 300

#: A part that is less surely there than this is not shown as an example of it, in 0..1.
_SEEN = 0.2


def read_class(
    run: Path, reader: EvidenceReader, label: str, cache: Path, *, progress: Progress | None = None
) -> EvidenceTable:
    """Read the evidence of a class's training pictures.

    Args:
        run: the run's folder.
        reader: the run's recogniser.
        label: the class.
        cache: folder of decoded pictures.
        progress: told how far decoding, then reading, has come.

    Raises:
        DataError: the run holds no table, its pictures are gone, or the class has none for training.
    """
    images = load_images(run, reader, cache, progress=progress)
    wanted = ((pl.col("split") == "train") & (pl.col("label") == label)).fill_null(False)
    rows = np.flatnonzero(images.table.frame.select(wanted).to_series().to_numpy())
    if not len(rows):
        raise DataError(f"There are no training pictures of {label}.", "Train on some, or go without examples.")
    if len(rows) > MOST_SEARCHED:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_SEARCHED).round().astype(np.int64)]
    return evidence_of_rows(reader, images, rows, progress=progress)


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


def _example(table: EvidenceTable, row: int, slot: int, similarity: float) -> SimilarPicture:
    box, path = table.box_in_picture(row, slot), table.paths[row]
    size = int(table.sizes[row, 0]), int(table.sizes[row, 1])
    try:
        picture = decode(sample_source(table.root, path), at_least=DRAWN)
        thumbnail = data_address(cut_out(picture, box, size))
    except BrokenImageError:
        thumbnail = ""  # it went missing since it was cached; the example stays, without a picture
    return SimilarPicture(
        id=table.ids[row],
        path=path,
        label=table.labels[row] or "",
        similarity=min(1.0, max(-1.0, similarity)),
        box=box,
        thumbnail=thumbnail,
    )
