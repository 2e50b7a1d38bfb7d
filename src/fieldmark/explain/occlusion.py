"""Which places count where no parts add up: cover them one by one and measure (Zeiler and Fergus, ECCV 2014).

For recognisers whose head is not additive, and for those that look at the whole picture as one part. What is measured
this way does not add up to the decision: places that say the same thing each seem to say nothing, as the other is still
there. Explanations made from it say that they are not exact.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldmark.explain.evidence import EvidenceReader
from fieldmark.explain.removal import FILLS, Mask, Pixels

#: Places per side that a picture is divided into.
GRID = 6


@dataclass(frozen=True)
class PlaceEvidence:
    """What covering M places of a picture took away.

    Attributes:
        names: the places' names, such as ``"row 2, column 3"``.
        masks: (M, R, R), the places.
        evidence: (M, N) float64, by how much each class's logit fell when a place was covered.
    """

    names: tuple[str, ...]
    masks: Mask
    evidence: NDArray[np.float64]


def divide(inside: Mask, grid: int = GRID) -> tuple[tuple[str, ...], Mask]:
    """Divide a picture into a grid of places.

    Args:
        inside: (R, R), where in the square the picture is: a rectangle.
        grid: places per side; fewer along a side that has fewer pixels.

    Returns:
        The places' names, counted from 1, and their masks (M, R, R), which together are ``inside``.
    """
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    names, masks = [], []
    for row, down in enumerate(np.array_split(rows, min(grid, len(rows))), start=1):
        for column, across in enumerate(np.array_split(columns, min(grid, len(columns))), start=1):
            mask = np.zeros_like(inside)
            mask[down[0] : down[-1] + 1, across[0] : across[-1] + 1] = True
            names.append(f"row {row}, column {column}")
            masks.append(mask)
    return tuple(names), np.stack(masks)


def occlude(reader: EvidenceReader, pixels: Pixels, inside: Mask, *, fill: str, grid: int = GRID) -> PlaceEvidence:
    """Cover the places of a picture one by one.

    Args:
        reader: the recogniser.
        pixels: the fitted picture (R, R, 3).
        inside: (R, R), where the picture is.
        fill: what places are painted over with: a name in ``FILLS``.
        grid: places per side.
    """
    names, masks = divide(inside, grid)
    covered = np.stack([pixels, *(FILLS[fill](pixels, mask, inside) for mask in masks)])
    logits = reader.logits(covered)
    return PlaceEvidence(names, masks, logits[0] - logits[1:])


def measured_flip(
    reader: EvidenceReader, pixels: Pixels, inside: Mask, places: PlaceEvidence, classes: tuple[int, int], *, fill: str
) -> tuple[int, ...] | None:
    """Cover more and more places, the most telling first, until the decision turns.

    Args:
        reader: the recogniser.
        pixels: the fitted picture (R, R, 3).
        inside: (R, R), where the picture is.
        places: what covering each by itself took away.
        classes: the places of A and B among the classes.
        fill: a name in ``FILLS``.

    Returns:
        The first places with which the log-odds turned, in that order; ``None`` where they never did. Another choice of
        fewer places may turn it, too.
    """
    first, second = classes
    differences = places.evidence[:, first] - places.evidence[:, second]
    order = [int(place) for place in np.argsort(-differences, kind="stable") if differences[place] > 0]
    if not order:
        return None
    gone = np.logical_or.accumulate(places.masks[order])
    logits = reader.logits(np.stack([FILLS[fill](pixels, mask, inside) for mask in gone]))
    turned = np.flatnonzero(logits[:, first] < logits[:, second])
    return tuple(order[: int(turned[0]) + 1]) if len(turned) else None
