"""What a guide is made from: the parts' evidence on labelled pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

#: A part counts as seen in a picture from this presence on: somewhere it has the larger share of a cell.
SEEN = 0.5


@dataclass(frozen=True)
class LabelledEvidence:
    """What each part says in each of n labelled pictures.

    Attributes:
        ids: (n,) the pictures' rows in the data's table.
        labels: (n,) true class indices.
        predicted: (n,) class indices that the recogniser gave.
        evidence: (n, P, N) log-odds that each of P parts gives each of N classes; with the bias they add up to logits.
        presence: (n, P) in 0..1, how surely each part is there.
        boxes: (n, P, 4) left, top, width, height of each part in the recogniser's square picture, in 0..1; not a
            number where the part has no place.
        groups: (n,) what the pictures of one individual share; ``None`` for a picture by itself.
    """

    ids: Sequence[str]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    evidence: NDArray[np.floating]
    presence: NDArray[np.floating]
    boxes: NDArray[np.floating]
    groups: Sequence[str | None]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Whether each part is seen in each picture: (n, P)."""
        return np.asarray(self.presence >= SEEN)

    @cached_property
    def shown(self) -> NDArray[np.bool_]:
        """Whether each part is seen and has a place that can be cut out: (n, P)."""
        return np.asarray(self.seen & np.isfinite(self.boxes).all(axis=2))

    def rows(self, *classes: int) -> NDArray[np.intp]:
        """Return the places of the pictures of some classes."""
        return np.flatnonzero(np.isin(self.labels, classes))

    def groups_of(self, rows: NDArray[np.intp]) -> list[str | None]:
        """Return the groups of some pictures."""
        return [self.groups[row] for row in rows]


def class_means(table: LabelledEvidence) -> NDArray[np.float64]:
    """Return what each part gives each class, in the mean over the pictures of each class.

    Returns:
        (N, P, N): pictures' class, part, class that gets the evidence; not a number for a class without pictures.
    """
    _, parts, classes = table.evidence.shape
    means = np.full((classes, parts, classes), np.nan)
    for index in np.unique(table.labels):
        means[index] = table.evidence[table.labels == index].mean(axis=0, dtype=np.float64)
    return means


@dataclass(frozen=True)
class Contrast:
    """One class against another, part by part.

    Attributes:
        first: index of a class.
        second: index of another.
        effect: (P,) mean over pictures of ``first`` minus mean over pictures of ``second`` of (evidence for ``first``
            minus evidence for ``second``).
        middle: (P,) the middle between those two means.
    """

    first: int
    second: int
    effect: NDArray[np.float64]
    middle: NDArray[np.float64]

    @staticmethod
    def between(means: NDArray[np.float64], first: int, second: int) -> "Contrast":
        """Compare two classes that have pictures, given ``class_means``."""
        own = means[first, :, first] - means[first, :, second]
        other = means[second, :, first] - means[second, :, second]
        return Contrast(first, second, effect=own - other, middle=(own + other) / 2)

    def leaning(self, table: LabelledEvidence, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return by how much each part of some pictures favours ``first`` (positive) or ``second``: (len(rows), P).

        It is measured from the middle between both classes' means, because a constant that one part gives to a class
        and another takes away changes no prediction.
        """
        chosen = table.evidence[rows]
        difference = chosen[:, :, self.first].astype(np.float64) - chosen[:, :, self.second]
        return np.asarray(difference - self.middle)
