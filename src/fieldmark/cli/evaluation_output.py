"""What evaluations are printed as: one line, or tables."""

from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.cli.decision_output import decision_rows
from fieldmark.cli.terminal import Terminal, percent

if TYPE_CHECKING:
    from fieldmark.comparison_results import RunComparison
    from fieldmark.records import Interval
    from fieldmark.results import EvalResult
    from fieldmark.seed_results import SeedFigure, SeedsResult

#: Confused pairs that a table shows.
_PAIRS = 5

#: Figure of several seeds → what a table calls it; ranks stand under their own names.
_FIGURES = {
    "top1": "top-1",
    "top5": "top-5",
    "macro_recall": "macro recall",
    "nll": "negative log likelihood",
    "ece": "calibration error",
    "severity_of_mistakes": "severity of a mistake",
    "severity_of_all": "severity, all pictures",
}


def summary_line(result: "EvalResult") -> str:
    """Return the accuracy of one training with the number of leaks beside it, as one line."""
    top1 = result.intervals.get("top1")
    interval = f"one seed; 95 % interval {_ends(top1)}" if top1 else "one seed"
    return (
        f"Accuracy on {result.n:,} pictures of split {result.split}: {percent(result.top1)} ({interval}), "
        f"{counted(len(result.leaks), 'leak')} between splits"
    )


def print_evaluation(terminal: Terminal, result: "EvalResult") -> None:
    """Print an evaluation as tables."""
    rows = [[f"top-1, split {result.split}, one seed", percent(result.top1), _interval(result, "top1")]]
    if result.top1_without_leaks is not None and result.leaks:
        rows.append(["top-1 without leaks", percent(result.top1_without_leaks), ""])
    rows.append(["top-5", percent(result.top5), ""])
    rows.append(["macro recall", percent(result.macro_recall), _interval(result, "macro_recall")])
    if len(result.accuracy_by_rank) > 1:
        rows.extend([f"rank {rank}", percent(value), ""] for rank, value in result.accuracy_by_rank.items())
    rows.extend(_severity_rows(result))
    rows.append(["calibration error", percent(result.ece), ""])
    rows.append(["pictures", f"{result.n:,}", ""])
    rows.append(["leaks between splits", f"{len(result.leaks):,}", ""])
    rows.append(["broken pictures", f"{len(result.broken):,}", ""])
    terminal.table(["measure", "value", "95 % interval"], rows)
    if result.decisions is not None:
        columns = ["decisions", "value", "promised"]
        terminal.table(columns, decision_rows(result.decisions), title="What may be relied on")
    if result.pairs:
        pairs = [
            [pair.first, pair.second, str(pair.first_as_second), str(pair.second_as_first), percent(pair.rate)]
            for pair in result.pairs[:_PAIRS]
        ]
        columns = ["class", "other class", "taken for other", "other taken for it", "share"]
        terminal.table(columns, pairs, title="Most confused pairs")
    for row in result.broken:
        terminal.warn(f"Left out: {row.path}: {row.reason}")
    for warning in result.warnings:
        terminal.warn(f"Note: {warning}")


def _severity_rows(result: "EvalResult") -> list[list[str]]:
    """Say how far up the lineage mistakes reach, with the most probable class and with that of least risk."""
    found = result.severity
    if found is None:
        return []
    return [
        [f"severity of a mistake (1 to {found.root})", _height(found.of_mistakes), ""],
        ["severity, all pictures", _height(found.of_all), ""],
        ["severity of the top-5", _height(found.of_top5), ""],
        ["least risk: top-1", percent(found.least_risk.top1), ""],
        ["least risk: severity of a mistake", _height(found.least_risk.of_mistakes), ""],
        ["least risk: severity, all pictures", _height(found.least_risk.of_all), ""],
    ]


def _height(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def seeds_lines(result: "SeedsResult", folder: Path) -> tuple[str, str]:
    """Return the accuracy of several seeds, and which bundle to use, each as one line."""
    top1 = result.figure("top1")
    spread = "" if top1.spread is None else f", spread {_points(top1.spread)}"
    return (
        f"Accuracy on {result.n:,} pictures of split {result.split}, mean of {counted(len(result.seeds), 'seed')}: "
        f"{percent(top1.mean)}{spread} (95 % interval {_ends(top1.interval)}), "
        f"{counted(result.leaks, 'leak')} between splits",
        f"Use the bundle of {folder / result.bundle}. {result.bundle_reason}",
    )


def print_seeds(terminal: Terminal, result: "SeedsResult", folder: Path) -> None:
    """Print mean, spread and interval of every figure of several seeds, and which bundle to use."""
    seeds = ", ".join(str(seed) for seed in result.seeds)
    columns = ["measure", "mean", "spread", "95 % interval", "lowest", "highest"]
    title = f"{counted(len(result.seeds), 'seed')} ({seeds}), {result.n:,} pictures of split {result.split}"
    terminal.table(columns, [_figure_row(figure) for figure in result.figures], title=title)
    terminal.result(f"Leaks between splits: {result.leaks:,}")
    terminal.result(seeds_lines(result, folder)[1])
    for warning in result.warnings:
        terminal.warn(f"Note: {warning}")


def _figure_row(figure: "SeedFigure") -> list[str]:
    def written(value: float) -> str:
        return percent(value) if figure.share else f"{value:.3f}"

    spread = "-"
    if figure.spread is not None:
        spread = _points(figure.spread) if figure.share else written(figure.spread)
    low, high = written(figure.interval.low), written(figure.interval.high)
    values = [written(value) for value in (min(figure.values), max(figure.values))]
    return [_FIGURES.get(figure.name, figure.name), written(figure.mean), spread, f"{low} to {high}", *values]


def _points(value: float) -> str:
    """Return a spread of shares in points."""
    return f"{100 * value:.1f} points"


def print_comparison(terminal: Terminal, found: "RunComparison") -> None:
    """Print both sides' figures, and in words what their difference means."""
    rows = []
    for figure in found.figures:
        difference = figure.difference
        ends = f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}"
        figures = [percent(figure.first), percent(figure.second), f"{100 * difference.value:+.1f}", ends]
        rows.append(
            [_FIGURES[figure.name], *figures, "< 0.001" if figure.p < 0.001 else f"{figure.p:.3f}", figure.test]
        )
    columns = ["measure", found.first, found.second, "difference (points)", "95 % interval", "p", "test"]
    terminal.table(columns, rows, title=f"The same {found.n:,} pictures of split {found.split}")
    if found.only_first is not None and found.only_second is not None:
        alone = f"{found.only_first:,} by {found.first} alone, {found.only_second:,} by {found.second} alone"
        terminal.result(f"Recognised {alone}.")
    for figure in found.figures:
        terminal.result(figure.words)
    for warning in found.warnings:
        terminal.warn(f"Note: {warning}")


def _interval(result: "EvalResult", name: str) -> str:
    found = result.intervals.get(name)
    return _ends(found) if found else ""


def _ends(interval: "Interval") -> str:
    return f"{percent(interval.low)} to {percent(interval.high)}"


def counted(number: int, noun: str) -> str:
    """Return a number of things in words, such as ``"1 epoch"`` or ``"2,000 epochs"``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
