"""Line charts over a few named steps, side by side in one SVG file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from fieldmark.report.curves import nice_ticks

#: Size of a chart and the place of its plot inside, in SVG units.
WIDTH, HEIGHT = 400, 270
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 34, 62

#: Colours of lines, told apart by the colour-blind, too (Okabe & Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        title: what its values are, with their unit.
        steps: the names of the steps, from left to right.
        lines: name → step → value and spread; the spread is ``None`` of a single run.
        across: what the steps are.
    """

    title: str
    steps: Sequence[str]
    lines: Mapping[str, Mapping[str, tuple[float, float | None]]]
    across: str


def write_charts(path: Path, charts: Sequence[Chart], columns: int = 2) -> None:
    """Write charts as one SVG file, ``columns`` in a row; charts without any value are left out."""
    drawn = [chart for chart in charts if any(chart.lines.values())]
    rows = -(-len(drawn) // columns)
    width, height = columns * WIDTH, rows * HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11" fill="#333">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for place, chart in enumerate(drawn):
        across, down = place % columns * WIDTH, place // columns * HEIGHT
        parts += [f'<g transform="translate({across} {down})">', *_chart(chart), "</g>"]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")
    partial.replace(path)


def _chart(chart: Chart) -> list[str]:
    reach = [
        value + sign * (spread or 0)
        for line in chart.lines.values()
        for value, spread in line.values()
        for sign in (-1, 1)
    ]
    marks = nice_ticks(min(reach), max(reach))

    def x(step: str) -> float:
        return round(LEFT + (chart.steps.index(step) + 0.5) / len(chart.steps) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - marks[0]) / (marks[-1] - marks[0]) * (HEIGHT - TOP - BOTTOM), 1)

    parts = [f'<text x="{LEFT}" y="18" font-size="13" font-weight="bold">{escape(chart.title)}</text>']
    for mark in marks:
        parts.append(f'<path d="M{LEFT} {y(mark)}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(mark) + 4}" text-anchor="end">{mark:.4g}</text>')
    parts += [
        f'<text x="{x(step)}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{escape(step)}</text>'
        for step in chart.steps
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - BOTTOM + 31}" text-anchor="middle">{escape(chart.across)}</text>')
    for place, (name, line) in enumerate(chart.lines.items()):
        if not line:
            continue  # its colour stays its own, as in the other charts
        colour = COLOURS[place % len(COLOURS)]
        shown = [(x(step), *line[step]) for step in chart.steps if step in line]
        points = " ".join(f"{across},{y(value)}" for across, value, _ in shown)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for across, value, spread in shown:
            parts.append(f'<circle cx="{across}" cy="{y(value)}" r="3" fill="{colour}"/>')
            if spread:
                parts.append(f'<path d="M{across} {y(value - spread)}V{y(value + spread)}" stroke="{colour}"/>')
        left = LEFT + place * (WIDTH - LEFT - RIGHT) / len(chart.lines)
        parts.append(f'<rect x="{left:.0f}" y="{HEIGHT - 18}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{left + 15:.0f}" y="{HEIGHT - 9}">{escape(name)}</text>')
    return parts
