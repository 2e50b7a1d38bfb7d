"""The report page: saved results put into the template."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from fieldmark.report.curves import read_curves
from fieldmark.report.heatmap import draw_heatmap
from fieldmark.report.wording import count, decimal, percent, readable_names, sureness, words_for
from fieldmark.results import PICTURE_FOLDER, EvalResult

REPORT_FILE = "report.html"

#: Pairs shown at once; the others unfold.
_PAIRS_AT_ONCE = 6


@dataclass(frozen=True, slots=True)
class EmbeddedPicture:
    """A picture inside the page: its data address and its size in pixels."""

    address: str
    width: int
    height: int


#: Shown where a thumbnail went missing: a grey square, so that the page keeps its shape.
_NO_PICTURE = EmbeddedPicture(
    "data:image/gif;base64,R0lGODlhAQABAIAAAKqqqv///ywAAAAAAQABAAACAkQBADs=", width=224, height=224
)


def write_report(run: Path) -> Path:
    """Write RUN/report.html, one file that needs nothing else, from RUN's evaluation and log; atomically.

    Args:
        run: the folder of an evaluated run.

    Returns:
        The report's path.

    Raises:
        DataError: the run was not evaluated, or its result can't be read.
    """
    result = EvalResult.load(run)
    page = _environment().get_template("report.html.j2").render(_content(run, result))
    path = run / REPORT_FILE
    partial = path.with_name(path.name + ".partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    return path


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fieldmark.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, count=count, decimal=decimal, sureness=sureness)
    return environment


def _content(run: Path, result: EvalResult) -> dict[str, object]:
    names = readable_names(_all_names(result))
    return {
        "run_name": run.resolve().name,
        "result": result,
        "name": lambda label: names.get(label, label),
        "words": words_for(result),
        "shown_pairs": result.pairs[:_PAIRS_AT_ONCE],
        "further_pairs": result.pairs[_PAIRS_AT_ONCE:],
        "classes_evaluated": sum(row.support > 0 for row in result.per_class),
        "heatmap": draw_heatmap(result.confusion, [names[label] for label in result.classes]),
        "curves": read_curves(run / "log.csv"),
        "facts": _facts(result),
        "options": sorted(result.training.items()),
        "weakest_first": sorted(result.per_class, key=lambda row: (row.recall is None, row.recall)),
        "embed": _embedding(run / PICTURE_FOLDER),
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
        ("Initial weights", _weights(result.weights)),
        ("Seeds", seeds or "not recorded"),
        ("Fieldmark", result.fieldmark_version),
        ("Evaluated", result.evaluated_at.replace("T", " ").replace("+00:00", " UTC")),
    ]
    if result.cpu_hours is not None:
        facts.insert(5, ("CPU-hours of training", f"{result.cpu_hours:.2f}"))
    return facts


def _weights(weights: str | None) -> str:
    if weights is None:
        return "not recorded"
    return "none: trained from scratch" if weights == "none" else weights


def _embedding(folder: Path) -> Callable[[str], EmbeddedPicture]:
    def embed(file: str) -> EmbeddedPicture:
        """Return a thumbnail to be embedded; only files of the run's own picture folder are ever read."""
        path = folder / Path(file).name
        if not file or not path.is_file():
            return _NO_PICTURE
        with Image.open(path) as image:
            width, height = image.size
        encoded = base64.b64encode(path.read_bytes()).decode("ascii")
        return EmbeddedPicture(f"data:image/jpeg;base64,{encoded}", width, height)

    return embed
