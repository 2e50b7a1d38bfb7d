"""The report of several seeds: mean, spread and interval of every figure, put into the template."""

from dataclasses import dataclass
from pathlib import Path

from fieldmark.report.rendering import write_page
from fieldmark.report.wording import decimal, initial_weights, percent, when
from fieldmark.seed_results import SEEDS_FILE, SeedFigure, SeedsResult

#: Figure → what the table calls it; ranks stand under their own names.
_NAMES = {
    "top1": "right at first guess (top-1)",
    "top5": "within five guesses (top-5)",
    "macro_recall": "average over classes (macro recall)",
    "nll": "negative log likelihood",
    "ece": "calibration error (ECE)",
    "severity_of_mistakes": "severity of a mistake, in ranks",
    "severity_of_all": "severity over all pictures, in ranks",
}


@dataclass(frozen=True, slots=True)
class SeedsRow:
    """A figure as the table shows it: mean, spread, interval, and each seed's."""

    name: str
    cells: tuple[str, ...]


def write_seeds_report(folder: Path) -> Path:
    """Write FOLDER/report.html, one file that needs nothing else, from the evaluation of the seeds in it; atomically.

    Args:
        folder: the folder of several seeds that were evaluated together.

    Returns:
        The report's path.

    Raises:
        DataError: the seeds were not evaluated together, or their result can't be read.
    """
    result = SeedsResult.load(folder)
    top1 = result.figure("top1")
    seeds = ", ".join(str(seed) for seed in result.seeds)
    content = {
        "run_name": folder.resolve().name,
        "source": SEEDS_FILE,
        "result": result,
        "top1": top1,
        "seeds_in_words": f"seed{'s' if len(result.seeds) != 1 else ''} {seeds}",
        "tiles": (
            (top1, "right at first guess", "top-1"),
            (result.figure("macro_recall"), "average over classes", "macro recall"),
        ),
        "rows": [_row(figure) for figure in result.figures],
        "facts": _facts(result, seeds),
        "options": sorted(result.training.items()),
    }
    return write_page(folder, "seeds.html.j2", content)


def _row(figure: SeedFigure) -> SeedsRow:
    def written(value: float) -> str:
        return percent(value) if figure.share else decimal(value, 3)

    spread = "–" if figure.spread is None else written(figure.spread)
    interval = f"{written(figure.interval.low)} to {written(figure.interval.high)}"
    values = (written(value) for value in figure.values)
    return SeedsRow(_NAMES.get(figure.name, figure.name), (written(figure.mean), spread, interval, *values))


def _facts(result: SeedsResult, seeds: str) -> list[tuple[str, str]]:
    return [
        ("Data fingerprint", result.fingerprint),
        ("Split", result.split),
        ("Resolution", f"{result.resolution} px"),
        ("Initial weights", initial_weights(result.weights)),
        ("Seeds", seeds),
        ("Fieldmark", result.fieldmark_version),
        ("Evaluated", when(result.evaluated_at)),
    ]
