"""The report of a recogniser: what its evaluation found, put into the template."""

from collections.abc import Sequence
from pathlib import Path

from fieldmark.report.curves import read_curves
from fieldmark.report.embedding import embedding
from fieldmark.report.heatmap import draw_heatmap
from fieldmark.report.rendering import write_page
from fieldmark.report.robustness import robustness_section
from fieldmark.report.trust import verdicts
from fieldmark.report.wording import initial_weights, readable_names, when, words_for
from fieldmark.results import PICTURE_FOLDER, RESULT_FILE, EvalResult

#: Pairs shown at once; the others unfold.
_PAIRS_AT_ONCE = 6


def write_report(run: Path | str) -> Path:
    """Write RUN/report.html, one file that needs nothing else, from RUN's evaluation, robustness and log; atomically.

    Args:
        run: the folder of an evaluated run.

    Returns:
        The report's path.

    Raises:
        DataError: the run was not evaluated, or its result can't be read.
    """
    run = Path(run)
    return write_page(run, "report.html.j2", _content(run, EvalResult.load(run)))


def _content(run: Path, result: EvalResult) -> dict[str, object]:
    names = readable_names(_all_names(result))
    return {
        "run_name": run.resolve().name,
        "source": RESULT_FILE,
        "result": result,
        "name": lambda label: names.get(label, label),
        "words": words_for(result),
        "verdicts": verdicts(result),
        "shown_pairs": result.pairs[:_PAIRS_AT_ONCE],
        "further_pairs": result.pairs[_PAIRS_AT_ONCE:],
        "classes_evaluated": sum(row.support > 0 for row in result.per_class),
        "heatmap": draw_heatmap(result.confusion, [names[label] for label in result.classes]),
        "curves": read_curves(run / "log.csv"),
        "facts": _facts(result),
        "options": sorted(result.training.items()),
        "weakest_first": sorted(result.per_class, key=lambda row: (row.recall is None, row.recall)),
        "embed": embedding(run / PICTURE_FOLDER),
        "robust": robustness_section(run, names),
    }


def _all_names(result: EvalResult) -> Sequence[str]:
    of_leaks = {pair.first.label for pair in result.leak_pictures} - set(result.classes) - {None}
    return [*result.classes, *sorted(label for label in of_leaks if label is not None)]


def _facts(result: EvalResult) -> list[tuple[str, str]]:
    """List what someone needs to get the same figures again."""
    seeds = ", ".join(f"{name} {seed}" for name, seed in sorted(result.seeds.items()))
    facts = [
        ("Data fingerprint", result.fingerprint),
        ("Split", result.split),
        ("Resolution", f"{result.resolution} px"),
        ("Initial weights", initial_weights(result.weights)),
        ("Seeds", seeds or "not recorded"),
        ("Fieldmark", result.fieldmark_version),
        ("Evaluated", when(result.evaluated_at)),
    ]
    if result.cpu_hours is not None:
        facts.insert(5, ("CPU-hours of training", f"{result.cpu_hours:.2f}"))
    return facts
