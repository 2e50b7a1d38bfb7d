"""A key: which one part to look at next, from all classes down to one.

The classes that are left are split in two at each step. Where a lineage names groups among them (families, genera), the
groups stay whole until one of them is left. What a part says of each group makes a table (pictures' group x group that
gets the evidence); centred both ways, its first singular vector puts the groups into an order, and every cut of that
order, for every part, is a candidate. A picture goes by its score: the part's mean evidence for the groups before the
cut minus that for the groups behind it. The candidates are judged by the share of pictures that the best threshold on
the score sends the right way, each side, each group and each class counting alike (balanced accuracy). Of those nearly
as good as the best, the most even cut is taken: it makes the shortest key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fieldmark.explain.guide.evidence import LabelledEvidence

#: A cut is as good as the best within this balanced accuracy.
_AS_GOOD = 0.02

#: Pictures of each class that the search looks at.
_SEARCHED = 60


@dataclass(frozen=True, slots=True)
class Split:
    """One step of a key.

    Attributes:
        part: the part to look at.
        first: the groups of class indices on one side.
        second: those on the other.
        threshold: pictures whose score lies above it go to ``first``.
        first_step: the next step of ``first``; ``None`` where it is one class.
        second_step: the next step of ``second``; ``None`` where it is one class.
    """

    part: int
    first: tuple[tuple[int, ...], ...]
    second: tuple[tuple[int, ...], ...]
    threshold: float
    first_step: int | None = None
    second_step: int | None = None

    @property
    def first_classes(self) -> tuple[int, ...]:
        """All classes on the first side."""
        return tuple(index for group in self.first for index in group)

    @property
    def second_classes(self) -> tuple[int, ...]:
        """All classes on the second side."""
        return tuple(index for group in self.second for index in group)

    def scores(self, table: LabelledEvidence, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return by how much the part favours the first side in some pictures: (len(rows),)."""
        said = table.evidence[rows, self.part]
        sides = [
            np.mean([said[:, list(group)].mean(axis=1, dtype=np.float64) for group in groups], axis=0)
            for groups in (self.first, self.second)
        ]
        return np.asarray(sides[0] - sides[1])


@dataclass(frozen=True, slots=True)
class _Cut:
    accuracy: float
    part: int
    order: tuple[int, ...]
    place: int
    threshold: float

    @property
    def smaller_side(self) -> int:
        return min(self.place, len(self.order) - self.place)


def find_splits(
    table: LabelledEvidence, lineages: Sequence[Sequence[str]], parts: Sequence[int], *, seed: int = 0
) -> tuple[Split, ...]:
    """Build a key for the classes that have pictures.

    Args:
        table: the pictures to choose the parts by.
        lineages: for every class its names from coarse to fine; empty where it has none.
        parts: the parts that may be asked for.
        seed: of the drawing of pictures, where a class has very many.

    Returns:
        The steps, the first one first; none where there are no two classes or no parts.
    """
    classes = tuple(int(index) for index in np.unique(table.labels))
    rows = _drawn(table, classes, seed)
    steps: list[Split] = []
    waiting: list[tuple[tuple[int, ...], int, str]] = [(classes, 0, "")] if parts else []
    while waiting:
        remaining, parent, link = waiting.pop()
        if len(remaining) < 2:
            continue
        if link:
            steps[parent] = _linked(steps[parent], link, len(steps))
        split = _split(table, rows[np.isin(table.labels[rows], remaining)], _grouped(remaining, lineages), parts)
        # The first side is taken up first, so that steps are numbered as a reader follows them.
        waiting += [(split.second_classes, len(steps), "second"), (split.first_classes, len(steps), "first")]
        steps.append(split)
    return tuple(steps)


def _linked(split: Split, link: str, step: int) -> Split:
    return replace(split, first_step=step) if link == "first" else replace(split, second_step=step)


def walk(splits: Sequence[Split], table: LabelledEvidence) -> NDArray[np.int64]:
    """Follow a key with every picture.

    Returns:
        (n,) the class that each picture ends at.
    """
    reached = np.full(len(table), -1, dtype=np.int64)
    waiting: list[tuple[int, NDArray[np.intp]]] = [(0, np.arange(len(table)))] if splits else []
    while waiting:
        step, rows = waiting.pop()
        split = splits[step]
        above = split.scores(table, rows) > split.threshold
        for side, classes, following in (
            (rows[above], split.first_classes, split.first_step),
            (rows[~above], split.second_classes, split.second_step),
        ):
            if following is None:
                reached[side] = classes[0]
            else:
                waiting.append((following, side))
    return reached


def right_way(split: Split, table: LabelledEvidence) -> NDArray[np.bool_]:
    """Say of each picture of a step's classes whether the step sends it to its class's side."""
    rows = table.rows(*split.first_classes, *split.second_classes)
    above = split.scores(table, rows) > split.threshold
    return np.asarray(above == np.isin(table.labels[rows], split.first_classes))


def _drawn(table: LabelledEvidence, classes: Sequence[int], seed: int) -> NDArray[np.intp]:
    generator = np.random.default_rng(seed)
    return np.concatenate([np.empty(0, np.intp), *(generator.permutation(table.rows(c))[:_SEARCHED] for c in classes)])


def _grouped(classes: Sequence[int], lineages: Sequence[Sequence[str]]) -> list[tuple[int, ...]]:
    """Group classes by the coarsest rank at which their names differ; alone where no rank tells."""
    deepest = max((len(lineages[index]) for index in classes), default=0)
    for rank in range(deepest):
        groups: dict[object, list[int]] = {}
        for index in classes:
            names = lineages[index]
            groups.setdefault(names[min(rank, len(names) - 1)] if names else index, []).append(index)
        if len(groups) > 1:
            return [tuple(group) for group in groups.values()]
    return [(index,) for index in classes]


def _split(
    table: LabelledEvidence, rows: NDArray[np.intp], groups: list[tuple[int, ...]], parts: Sequence[int]
) -> Split:
    """Choose a part and a cut between groups; the group with the lowest class comes first."""
    cuts = [cut for part in parts for cut in _cuts(table, rows, groups, part)]
    best = max(cut.accuracy for cut in cuts)
    chosen = max(
        (cut for cut in cuts if cut.accuracy >= best - _AS_GOOD),
        key=lambda cut: (cut.smaller_side, cut.accuracy, -cut.part),
    )
    first, second = (
        tuple(groups[place] for place in sorted(side))
        for side in (chosen.order[: chosen.place], chosen.order[chosen.place :])
    )
    if min(first) < min(second):
        return Split(chosen.part, first, second, chosen.threshold)
    return Split(chosen.part, second, first, -chosen.threshold)


def _cuts(table: LabelledEvidence, rows: NDArray[np.intp], groups: list[tuple[int, ...]], part: int) -> list[_Cut]:
    """Return every cut of the order into which a part puts the groups."""
    said = table.evidence[rows, part].astype(np.float64)
    given = np.stack([said[:, list(group)].mean(axis=1) for group in groups], axis=1)  # (n, U)
    labels = table.labels[rows]
    own = np.stack(
        [np.mean([given[labels == index].mean(axis=0) for index in group], axis=0) for group in groups]
    )  # (U, U): pictures' group, group that gets the evidence
    centred = own - own.mean(axis=0) - own.mean(axis=1, keepdims=True) + own.mean()
    order = np.argsort(-np.linalg.svd(centred)[0][:, 0], kind="stable")
    sums = given[:, order].cumsum(axis=1)
    cuts = []
    for place in range(1, len(groups)):
        before = sums[:, place - 1] / place
        behind = (sums[:, -1] - sums[:, place - 1]) / (len(groups) - place)
        sides = (order[:place], order[place:])
        weights = _weights(labels, [[groups[group] for group in side] for side in sides])
        accuracy, threshold = best_threshold(before - behind, weights)
        cuts.append(_Cut(accuracy, part, tuple(int(group) for group in order), place, threshold))
    return cuts


def _weights(labels: NDArray[np.int64], sides: Sequence[Sequence[tuple[int, ...]]]) -> NDArray[np.float64]:
    """Weigh pictures so that sides, groups of a side and classes of a group count alike.

    Returns:
        (n,) positive for pictures of the first side, negative for those of the second; each side adds up to ± 1/2.
    """
    counts = np.bincount(labels)
    of_class = np.zeros(len(counts))
    for sign, side in zip((0.5, -0.5), sides, strict=True):
        for group in side:
            for index in group:
                of_class[index] = sign / (len(side) * len(group) * counts[index])
    return of_class[labels]


def best_threshold(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Find the threshold above which pictures best go to the first side.

    Args:
        scores: (n,).
        weights: (n,) positive for pictures of the first side, negative for those of the second.

    Returns:
        The weighted share on the right side of the best threshold, and that threshold, midway between two scores.
    """
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    right = weights[weights > 0].sum() - np.cumsum(weights[order])  # of a threshold just above each score
    between = ordered[:-1] < ordered[1:]
    if not between.any():
        return float(np.abs(weights).sum() / 2), float(ordered[0])
    place = int(np.argmax(np.where(between, right[:-1], -np.inf)))
    return float(right[place]), float((ordered[place] + ordered[place + 1]) / 2)
