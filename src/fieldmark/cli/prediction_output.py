"""Predictions as a table, as CSV or as JSON, written row by row as they come."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from fieldmark.cli.terminal import printable
from fieldmark.predict.sources import displayable
from fieldmark.records import BrokenRow, Prediction, Progress

if TYPE_CHECKING:
    from fieldmark.models.bundle import BundleInfo

#: Longest class name that a table makes room for.
_WIDEST = 40

#: What a class that isn't there looks like in a table.
_BROKEN = "(broken)"


@contextmanager
def opened(path: Path | None) -> Iterator[TextIO]:
    """Open a file that appears when it is complete, or standard output where no path is given."""
    if path is None:
        yield sys.stdout
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="") as stream:
        yield stream
    partial.replace(path)


def write_predictions(
    predictions: Iterable[Prediction],
    total: int,
    info: "BundleInfo",
    form: str,
    top: int,
    stream: TextIO,
    progress: Progress,
) -> tuple[BrokenRow, ...]:
    """Write predictions as they come.

    Args:
        predictions: what to write.
        total: how many there will be.
        info: the bundle that they were made with; its class and rank names make the columns.
        form: a name in ``WRITERS``.
        top: how many classes a row lists.
        stream: where to write.
        progress: called with the numbers done and in all.

    Returns:
        The pictures that could not be read, with their reasons.
    """
    broken: list[BrokenRow] = []

    def counted() -> Iterator[Prediction]:
        for done, prediction in enumerate(predictions, start=1):
            if prediction.error is not None:
                broken.append(BrokenRow(id=prediction.source, path=prediction.source, reason=prediction.error))
            yield prediction
            progress(done, total)

    WRITERS[form](counted(), info, min(top, len(info.classes)), stream)
    stream.flush()
    return tuple(broken)


def _write_table(predictions: Iterable[Prediction], info: "BundleInfo", top: int, stream: TextIO) -> None:
    width = min(_WIDEST, max([len(_BROKEN), *(len(name) for name in info.classes)]))
    stream.write(f"{'class':<{width}}  {'probability':>11}  picture\n")
    for row in predictions:
        source = printable(row.source)
        if row.error is not None:
            stream.write(f"{_BROKEN:<{width}}  {'-':>11}  {source}: {printable(row.error)}\n")
            continue
        others = ", ".join(f"{name} {100 * value:.1f} %" for name, value in row.top[1:top])
        behind = f"  (then {others})" if others else ""
        stream.write(f"{row.label:<{width}}  {100 * (row.probability or 0):>9.1f} %  {source}{behind}\n")


def _write_csv(predictions: Iterable[Prediction], info: "BundleInfo", top: int, stream: TextIO) -> None:
    ranks = list(info.rank_names[:-1])
    others = [column for place in range(2, top + 1) for column in (f"label_{place}", f"probability_{place}")]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["source", "label", "probability", *ranks, *others, "error"])
    for row in predictions:
        coarse = list(row.lineage[:-1]) if len(row.lineage) == len(ranks) + 1 else [""] * len(ranks)
        behind = [cell for name, value in row.top[1:top] for cell in (name, f"{value:.6f}")]
        behind += [""] * (len(others) - len(behind))
        probability = "" if row.probability is None else f"{row.probability:.6f}"
        error = displayable(row.error or "")
        writer.writerow([displayable(row.source), row.label or "", probability, *coarse, *behind, error])


def _write_json(predictions: Iterable[Prediction], info: "BundleInfo", top: int, stream: TextIO) -> None:
    stream.write("[")
    for place, row in enumerate(predictions):
        data = {
            "source": displayable(row.source),
            "label": row.label,
            "probability": row.probability,
            "top": [{"label": name, "probability": value} for name, value in row.top[:top]],
            "lineage": dict(zip(info.rank_names, row.lineage, strict=False)),
            "error": None if row.error is None else displayable(row.error),
        }
        stream.write(("," if place else "") + "\n" + json.dumps(data, ensure_ascii=False))
    stream.write("\n]\n")


#: Format → what writes it.
WRITERS: dict[str, Callable[[Iterable[Prediction], "BundleInfo", int, TextIO], None]] = {
    "table": _write_table,
    "csv": _write_csv,
    "json": _write_json,
}
