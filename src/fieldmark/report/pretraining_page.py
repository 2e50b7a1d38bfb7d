"""The report of a pretraining: what was learned without labels, put into the template."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fieldmark.pretraining_results import RECONSTRUCTIONS, RESULT_FILE, PretrainingResult, Reconstruction
from fieldmark.report.curves import read_curves
from fieldmark.report.differences import ComparedTexts, compare_texts
from fieldmark.report.embedding import EmbeddedPicture, embedding
from fieldmark.report.pretraining_wording import pretraining_facts, pretraining_words
from fieldmark.report.probes import FEATURES, PROBES, chance, probe_table
from fieldmark.report.rendering import write_page
from fieldmark.report.wording import readable_names

#: Reconstructions shown at once; the others unfold.
_SHOWN_AT_ONCE = 6

#: Width and height of what stands in for a picture that went missing: three panels side by side, or stacked.
_SIDE_BY_SIDE, _STACKED = (672, 224), (448, 336)


@dataclass(frozen=True, slots=True)
class ShownReconstruction:
    """A reconstruction ready to be shown: its picture or, for a text, the two texts in pieces."""

    label: str | None
    error: float
    picture: EmbeddedPicture | None
    texts: ComparedTexts | None


def write_pretraining_report(run: Path) -> Path:
    """Write RUN/report.html, one file that needs nothing else, from RUN's pretraining and log; atomically.

    Args:
        run: the folder of a run that was pretrained.

    Returns:
        The report's path.

    Raises:
        DataError: the run was not pretrained to its end, or its result can't be read.
    """
    return write_page(run, "pretraining.html.j2", _content(run, PretrainingResult.load(run)))


def _content(run: Path, result: PretrainingResult) -> dict[str, object]:
    names = _names(result)
    stacked, written = result.modality == "sounds", result.modality == "texts"
    embed = embedding(run / RECONSTRUCTIONS, _STACKED if stacked else _SIDE_BY_SIDE)
    shown = [_shown(entry, names, None if written else embed) for entry in result.reconstructions]
    held_out = result.outliers.held_out if result.outliers else ()
    return {
        "run_name": run.resolve().name,
        "source": RESULT_FILE,
        "result": result,
        "words": pretraining_words(result),
        "stacked": stacked,
        "shown": shown[:_SHOWN_AT_ONCE],
        "further_shown": shown[_SHOWN_AT_ONCE:],
        "probes": probe_table(result.probes),
        "probe_names": {probe: name for probe, (name, _, _) in PROBES.items()},
        "feature_names": {features: name for features, (name, _, _) in FEATURES.items()},
        "chance": chance(result),
        "held_out": [names[label] for label in held_out],
        "curves": read_curves(run / "log.csv"),
        "facts": pretraining_facts(result),
        "options": sorted(result.training.items()),
    }


def _names(result: PretrainingResult) -> dict[str, str]:
    """Return label → readable name, of every class that the page names."""
    labels = {entry.label for entry in result.reconstructions if entry.label is not None}
    return readable_names(sorted(labels | set(result.outliers.held_out if result.outliers else ())))


def _shown(
    entry: Reconstruction, names: dict[str, str], embed: Callable[[str], EmbeddedPicture] | None
) -> ShownReconstruction:
    """Make one ready to be shown: as a picture with what embeds it, as two texts without."""
    label = None if entry.label is None else names[entry.label]
    if embed is None:
        return ShownReconstruction(label, entry.error, None, compare_texts(entry.text, entry.rebuilt))
    return ShownReconstruction(label, entry.error, embed(entry.file), None)
