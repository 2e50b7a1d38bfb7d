"""Training curves: from log.csv to lines that the template draws as SVG."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Size of a chart and the place of its plot inside, in SVG units.
WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 34


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: its name, its place among the chart's lines, SVG points and last value."""

    name: str
    place: int
    points: str
    last: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where it is, in SVG units, and what it says."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart ready to be drawn.

    Attributes:
        title: what it shows.
        lines: its curves.
        across: ticks of the epochs.
        up: ticks of the values.
        changes: where, from left, the resolution changes, and to what.
    """

    title: str
    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    changes: tuple[Tick, ...]

    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True)
class ChartPlan:
    """What a chart is drawn from.

    Attributes:
        title: what it shows.
        columns: column of log.csv → name of its line, two at most.
        shares: whether values are shares of 1, shown as per cent.
    """

    title: str
    columns: Mapping[str, str]
    shares: bool = False


#: The charts before and after those of the loss's terms.
LOSS = ChartPlan("Loss", {"train_loss": "training", "val_loss": "validation"})
ACCURACY = ChartPlan("Accuracy on validation pictures", {"val_top1": "validation"}, shares=True)

#: Term of a loss, as its column is called → its chart's title; another term is called as its column.
TERM_TITLES = {
    "pixels": "Error of the hidden pixels",
    "features": "Distance from the target network's features",
    "classification": "Loss of telling classes apart",
    "reconstruction": "Reconstruction error",
    "keypoint_maps": "Loss of the keypoints' maps",
    "keypoint_presence": "Loss of telling which keypoints are seen",
    "divergence": "Divergence of the code from its prior",
    "token_accuracy": "Tokens written right",
}

#: Terms that are shares of 1.
_SHARES = frozenset({"token_accuracy"})

#: The columns of log.csv that are no terms of a loss.
_NO_TERMS = frozenset(
    {"epoch", "stage", "resolution", "learning_rate", "seconds", "images_per_second", *LOSS.columns, *ACCURACY.columns}
)


def read_curves(path: Path) -> tuple[Chart, ...]:
    """Read a run's log and return the charts that it has values for; none where there is no log.

    Every column that is none of the fixed ones is a term of the loss and gets a chart, unless it is the whole loss.
    """
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    loss = _values(rows, "train_loss")
    terms = [column for column in rows[0] if column and column not in _NO_TERMS] if rows else []
    plans = [_term(column) for column in terms if not _same(_values(rows, column), loss)]
    charts = (_chart(plan, rows) for plan in (LOSS, *plans, ACCURACY))
    return tuple(chart for chart in charts if chart is not None)


def _term(column: str) -> ChartPlan:
    title = TERM_TITLES.get(column, column.replace("_", " "))
    return ChartPlan(title, {column: "training"}, shares=column in _SHARES)


def _same(curve: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]) -> bool:
    """Say whether two curves can't be told apart when drawn: the same epochs, values within a thousandth."""
    pairs = zip(curve, other, strict=False)
    return len(curve) == len(other) and all(a[0] == b[0] and math.isclose(a[1], b[1], rel_tol=1e-3) for a, b in pairs)


def _chart(plan: ChartPlan, rows: Sequence[dict[str, str]]) -> Chart | None:
    curves = {name: _values(rows, column) for column, name in plan.columns.items()}
    curves = {name: values for name, values in curves.items() if len(values) > 1}
    if not curves:
        return None
    epochs = [epoch for values in curves.values() for epoch, _ in values]
    heights = [value for values in curves.values() for _, value in values]
    marks = nice_ticks(min(heights), max(heights))
    first, last = min(epochs), max(epochs)

    def x(epoch: float) -> float:
        return round(LEFT + (epoch - first) / (last - first or 1) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        share = (value - marks[0]) / (marks[-1] - marks[0])
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def text(value: float) -> str:
        return f"{100 * value:.4g}\u202f%" if plan.shares else f"{value:.4g}"

    lines = tuple(
        Line(name, place, " ".join(f"{x(epoch)},{y(value)}" for epoch, value in values), text(values[-1][1]))
        for place, (name, values) in enumerate(curves.items())
    )
    across = tuple(Tick(x(epoch), f"{epoch:g}") for epoch in nice_ticks(first, last, 6) if first <= epoch <= last)
    changes = tuple(Tick(x(epoch), label) for epoch, label in _resolution_changes(rows) if first <= epoch <= last)
    return Chart(plan.title, lines, across, tuple(Tick(y(value), text(value)) for value in marks), changes)


def _values(rows: Sequence[dict[str, str]], column: str) -> list[tuple[float, float]]:
    """Return (epoch, value) of the rows that have a finite value."""
    found = []
    for row in rows:
        epoch, value = _number(row.get("epoch")), _number(row.get(column))
        if epoch is not None and value is not None:
            found.append((epoch, value))
    return found


def _resolution_changes(rows: Sequence[dict[str, str]]) -> list[tuple[float, str]]:
    changes = []
    before: str | None = None
    for row in rows:
        epoch, resolution = _number(row.get("epoch")), row.get("resolution")
        if epoch is not None and before and resolution and resolution != before:
            changes.append((epoch, f"{resolution} px"))
        before = resolution or before
    return changes


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round values at even steps (1, 2 or 5 times a power of ten) from below ``low`` to above ``high``."""
    span = high - low or abs(high) or 1.0
    rough = span / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)
    return [round(place * step, 10) for place in range(first, last + 1)]
