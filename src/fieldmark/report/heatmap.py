"""The confusion matrix as a heat map: cells that the template draws as SVG."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

#: Classes shown at most; of more, only the busiest.
MAX_CLASSES = 60

#: Side of a cell, in SVG units, for few and for many classes.
_CELL_FEW, _CELL_MANY = 34, 15
_FEW = 16

#: Letters of a class name that the margin has room for.
_LETTERS = 26


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its corner in SVG units, strength of its colour in 0..1, whether it is a mistake, and words."""

    x: int
    y: int
    shade: float
    count: int
    mistake: bool
    words: str


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A heat map ready to be drawn; rows are truths, columns predictions.

    Attributes:
        names: the names of the classes shown, whole.
        labels: the same, cut to the margin's width.
        cells: the cells that are not zero.
        cell: side of a cell in SVG units.
        margin: room for the names, at the left and above, in SVG units.
        size: side of the whole picture in SVG units.
        left_out: number of classes that are not shown.
        numbers: whether cells are big enough for their counts.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    cells: tuple[Cell, ...]
    cell: int
    margin: int
    size: int
    left_out: int
    numbers: bool


def draw_heatmap(confusion: Sequence[tuple[int, int, int]], names: Sequence[str]) -> Heatmap:
    """Lay out the heat map of (truth, predicted, count) triples; of many classes, those with the most mistakes."""
    chosen = _busiest(confusion, len(names))
    place = {index: position for position, index in enumerate(chosen)}
    support = Counter[int]()
    for truth, _, count in confusion:
        support[truth] += count
    few = len(chosen) <= _FEW
    side = _CELL_FEW if few else _CELL_MANY
    labels = tuple(_cut(names[index]) for index in chosen)
    margin = 14 + round(max((len(label) for label in labels), default=0) * (7.2 if few else 6.2))
    largest = max((count / support[truth] for truth, called, count in confusion if truth != called), default=1.0)
    cells = tuple(
        Cell(
            x=margin + place[predicted] * side,
            y=margin + place[truth] * side,
            shade=_shade(count / support[truth] / (1 if truth == predicted else largest)),
            count=count,
            mistake=truth != predicted,
            words=_words(names[truth], names[predicted], count, support[truth], mistake=truth != predicted),
        )
        for truth, predicted, count in confusion
        if truth in place and predicted in place
    )
    return Heatmap(
        names=tuple(names[index] for index in chosen),
        labels=labels,
        cells=cells,
        cell=side,
        margin=margin,
        size=margin + side * len(chosen) + 2,
        left_out=len(names) - len(chosen),
        numbers=few,
    )


def _busiest(confusion: Sequence[tuple[int, int, int]], class_count: int) -> list[int]:
    """Return the classes to show, in their own order."""
    if class_count <= MAX_CLASSES:
        return list(range(class_count))
    mistakes = Counter[int]()
    for truth, predicted, count in confusion:
        if truth != predicted:
            mistakes[truth] += count
            mistakes[predicted] += count
    order = sorted(range(class_count), key=lambda index: (-mistakes[index], index))
    return sorted(order[:MAX_CLASSES])


def _shade(share: float) -> float:
    """Return the opacity of a cell; the root keeps single mistakes visible. Mistakes are seen against the largest."""
    return round(0.16 + 0.84 * float(share**0.8), 3)


def _words(truth: str, predicted: str, count: int, support: int, *, mistake: bool) -> str:
    if mistake:
        return f"{truth} taken for {predicted}: {count} of {support}"
    return f"{truth} recognised: {count} of {support}"


def _cut(name: str) -> str:
    return name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"
