"""What sets a picture apart from pictures of another class that stand as it does, place by place.

What speaks for A and not B need not be what tells the two apart: a mark that B has and A lacks is seen nowhere in a
picture of A. Set beside pictures of B in the same pose, it is seen by what they say at its place. A contribution less
its usual one is situational importance (Achen, 1982); here the usual one is that of the same place.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldmark.explain.evidence import EvidenceReader
from fieldmark.explain.examples import ClassPictures
from fieldmark.explain.poses import Pose, nearest_poses
from fieldmark.predict.contract import NetworkOutputs

#: Pictures of B that a picture is set beside.
ALIKE = 8


@dataclass(frozen=True)
class Beside:
    """A picture set beside pictures of B that stand as it does.

    Attributes:
        cells: (h, w), what each cell adds to the log-odds of A against B, less the mean of what the same place adds in
            those pictures. They add up to what its parts say less what those of the pictures do, in the mean.
        contrasts: (P,), the same of each slot of the head: the cells' figures, by each cell's share of the slot.
        poses: the pictures, and how they were taken, the nearest first.
    """

    cells: NDArray[np.float64]
    contrasts: NDArray[np.float64]
    poses: tuple[Pose, ...]


def set_beside(
    reader: EvidenceReader,
    pixels: NDArray[np.uint8],
    read: NetworkOutputs,
    others: ClassPictures,
    classes: tuple[int, int],
    *,
    count: int = ALIKE,
    own: NDArray[np.float64] | None = None,
) -> Beside:
    """Set a picture beside pictures of B.

    Args:
        reader: the recogniser; it adds up parts.
        pixels: the fitted picture (R, R, 3).
        read: what the recogniser says of it, a batch of one.
        others: pictures of B, one or more, with their maps.
        classes: the places of A and B among the classes.
        count: how many pictures of B, at least 1.
        own: (h, w), what the picture's own cells add to the log-odds of A against B, where that is known.
    """
    maps = read.maps[0]
    poses = nearest_poses(maps, others.table.maps, count, mirrored=reader.mirrored)
    alike = others.pixels([pose.row for pose in poses])
    for place, pose in enumerate(poses):
        if pose.mirrored:
            alike[place] = alike[place, :, ::-1]
    direction = reader.direction(classes)
    said = evidence_by_cell(reader, alike, direction)
    usual = np.mean([pose.moved(cells) for pose, cells in zip(poses, said, strict=True)], axis=0)
    cells = (evidence_by_cell(reader, pixels[None], direction, read)[0] if own is None else own) - usual
    slots = maps[: read.presence.shape[1]]  # without a slot of its own, the background's figures are no part's
    return Beside(cells, (slots.astype(np.float64) * cells).sum((1, 2)), poses)


def evidence_by_cell(
    reader: EvidenceReader,
    pixels: NDArray[np.uint8],
    direction: NDArray[np.float32],
    read: NetworkOutputs | None = None,
) -> NDArray[np.float64]:
    """Tell where evidence comes from: exactly where the network runs in torch, else each part's spread over its cells.

    Args:
        reader: the recogniser; it adds up parts.
        pixels: fitted pictures (B, R, R, 3).
        direction: (N,), what of the evidence is asked for.
        read: what the recogniser says of them, where that is known.

    Returns:
        (B, h, w), which add up to ``evidence @ direction``, all slots together.
    """
    found = reader.cell_evidence(pixels, direction)
    if found is not None:
        return np.asarray(found.sum(1, dtype=np.float64))
    read = read or reader.read(pixels)
    shares = read.maps[:, : read.presence.shape[1]].astype(np.float64)
    shares /= np.maximum(shares.sum((2, 3), keepdims=True), 1e-12)
    said = read.evidence.astype(np.float64) @ direction  # (B, P)
    return np.asarray((shares * said[:, :, None, None]).sum(1))
