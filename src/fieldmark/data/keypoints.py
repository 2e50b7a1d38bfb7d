"""Annotated keypoints and boxes, in the square that a picture was fitted into."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from fieldmark.data.cache import CachedImages
from fieldmark.errors import DataError


class Keypoints(NamedTuple):
    """The keypoints of N pictures; K is the number of the table's part names, in whose order they are.

    Attributes:
        positions: (N, K, 2) float32: x and y in 0..1 of the square; 0 where the keypoint isn't seen.
        visible: (N, K): whether the keypoint is annotated as seen and lies inside the square.
        annotated: (N,): whether anyone looked for keypoints; of a picture that isn't annotated nothing is known.
    """

    positions: npt.NDArray[np.float32]
    visible: npt.NDArray[np.bool_]
    annotated: npt.NDArray[np.bool_]

    def of(self, rows: npt.NDArray[np.int64]) -> "Keypoints":
        """Return the keypoints of some rows, in their order."""
        return Keypoints(self.positions[rows], self.visible[rows], self.annotated[rows])


def keypoints_of(images: CachedImages) -> Keypoints:
    """Bring the keypoints of a cache's rows from pixels of the original pictures to the square.

    A row is annotated where it lists a keypoint, seen or not; a keypoint that an annotated row doesn't list isn't seen.

    Args:
        images: the fitted pictures, with their table.

    Raises:
        DataError: a row names a keypoint that the table's part names don't have.
    """
    table = images.table
    count, places = len(table), {name: place for place, name in enumerate(table.part_names)}
    positions = np.zeros((count, len(places), 2), np.float32)
    visible = np.zeros((count, len(places)), np.bool_)
    annotated = np.zeros(count, np.bool_)
    listed = table.frame.select("parts").with_row_index("row").explode("parts").unnest("parts")
    listed = listed.filter(pl.col("name").is_not_null())
    strange = set(listed["name"].unique()) - set(places)
    if strange:
        raise DataError(
            f"Rows name the keypoint {min(strange)!r}, which is not among the table's part names.",
            f"The part names are: {', '.join(places) or 'none'}.",
        )
    rows = listed["row"].to_numpy()
    parts = listed["name"].replace_strict(places, return_dtype=pl.Int64).to_numpy()
    inside = _in_square(images, rows, listed.select("x", "y").cast(pl.Float64).to_numpy())
    seen = listed["visible"].fill_null(False).to_numpy() & ((inside >= 0) & (inside <= 1)).all(1)  # NaN is outside
    positions[rows[seen], parts[seen]] = inside[seen]
    visible[rows[seen], parts[seen]] = True
    annotated[rows] = True
    return Keypoints(positions, visible, annotated)


def boxes_of(images: CachedImages) -> npt.NDArray[np.float32]:
    """Return the objects' boxes (N, 4): left, top, width and height in 0..1 of the square.

    A box reaches beyond the square where the picture was cut. Where a row has no box, or one without area, it is the
    picture itself: what of the square is no padding.
    """
    side = images.pixels.shape[1]
    corners = np.stack([images.windows[:, :2], images.windows[:, :2] + images.windows[:, 2:]], 1) / side
    shown = np.clip(corners, 0, 1)  # (N, 2, 2): left and top, right and bottom
    for row, box in enumerate(images.table.frame["box"].to_list()):
        if box is not None and box[2] > 0 and box[3] > 0:
            given = np.array([[box[0], box[1]], [box[0] + box[2], box[1] + box[3]]])
            shown[row] = _in_square(images, np.array([row, row]), given)
    return np.concatenate([shown[:, 0], shown[:, 1] - shown[:, 0]], 1).astype(np.float32)


def choose_annotated(
    annotated: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64], count: int, seed: int
) -> npt.NDArray[np.bool_]:
    """Keep ``count`` annotated rows a class; a larger count keeps those of a smaller one, too.

    Args:
        annotated: (N,), the rows to choose from.
        labels: (N,), class indices.
        count: rows of each class that stay annotated, or all of a class that has fewer.
        seed: of the choice.

    Returns:
        (N,), which rows stay annotated.
    """
    generator = np.random.default_rng(seed)
    kept = np.zeros(len(annotated), np.bool_)
    for label in np.unique(labels):
        rows = np.flatnonzero(annotated & (labels == label))
        kept[generator.permutation(rows)[:count]] = True
    return kept


def _in_square(
    images: CachedImages, rows: npt.NDArray[np.integer], points: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Bring points (P, 2), in px of the original picture of each of ``rows`` (P,), to 0..1 of the square."""
    window, size = images.windows[rows].astype(np.float64), images.sizes[rows]
    placed: npt.NDArray[np.float64] = (window[:, :2] + points * window[:, 2:] / size) / images.pixels.shape[1]
    return placed
