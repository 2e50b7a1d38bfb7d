"""Measure a run's robustness and print it."""

from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.cli.terminal import Terminal, percent
from fieldmark.errors import ConfigError

if TYPE_CHECKING:
    from fieldmark.robustness_results import RobustnessResult

#: Hidden parts that are printed, the dearest first.
_PARTS = 6


def measure_robustness(
    terminal: Terminal,
    run: Path,
    data: Path | None,
    reader: str | None,
    *,
    split: str,
    cache: Path,
    pictures: int | None,
) -> "RobustnessResult":
    """Measure robustness, showing how far it is.

    Args:
        terminal: where to show it.
        run: the run's folder.
        data: other data to evaluate on; ``None`` takes the run's own.
        reader: name of the reader of ``data``.
        split: the rows to evaluate.
        cache: folder of decoded pictures.
        pictures: how many; ``None`` takes the usual number, 0 all.
    """
    from fieldmark.evaluation import evaluate_robustness
    from fieldmark.evaluation.robustness import DEFAULT_PICTURES

    wanted = DEFAULT_PICTURES if pictures is None else pictures or None
    with terminal.progress("Measuring robustness") as progress:
        return evaluate_robustness(
            run, data, split=split, cache=cache, reader=reader, pictures=wanted, progress=progress
        )


def refuse_seeds(run: Path) -> None:
    """Refuse to measure several seeds at once.

    Raises:
        ConfigError: always; it names a folder that can be measured.
    """
    from fieldmark.training.run_folder import seed_folders

    raise ConfigError(
        f"{run} holds several seeds, and robustness is measured of one run.",
        f"Name one of them: fieldmark evaluate {seed_folders(run)[0]} --robustness.",
    )


def print_robustness(terminal: Terminal, result: "RobustnessResult") -> None:
    """Print what occlusion, light and hidden parts do, as tables."""
    fractions = (0.3, 0.6, 0.9)
    places = [min(range(len(result.fractions)), key=lambda i: abs(result.fractions[i] - f)) for f in fractions]
    rows = [
        [
            curve.occluder,
            f"{curve.auc.value:.1f}",
            f"{curve.auc.low:.1f} to {curve.auc.high:.1f}",
            *(percent(curve.accuracy[place]) for place in places),
            "yes" if curve.trained else "no",
        ]
        for curve in result.curves
    ]
    columns = ["occluder", "area", "95 % interval", *(f"{100 * f:.0f} % covered" for f in fractions), "trained"]
    title = f"Occlusion: {result.n:,} of {result.available:,} pictures, {percent(result.clean.value)} right uncovered"
    terminal.table(columns, rows, title=title)
    lights = [[light.kind, percent(light.mean), percent(light.degradation)] for light in result.lights]
    lights.append(["mean", percent(result.light_accuracy), percent(result.light_degradation)])
    terminal.table(["light", "accuracy", "lost of the clean accuracy"], lights, title="Light")
    if result.parts:
        parts = sorted(result.parts, key=lambda part: part.hidden - part.clean)[:_PARTS]
        hidden = [[p.name, _points(p.hidden - p.clean), _points(p.elsewhere - p.clean), f"{p.n:,}"] for p in parts]
        terminal.table(["hidden part", "points", "as much elsewhere", "pictures"], hidden, title="Parts")


def _points(change: float) -> str:
    return f"{100 * change:+.1f}"
