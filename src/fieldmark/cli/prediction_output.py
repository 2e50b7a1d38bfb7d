"""Predictions as a table, as CSV or as JSON, written row by row as they come."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from fieldmark.cli.terminal import printable
from fieldmark.errors import ConfigError
from fieldmark.predict.sources import displayable
from fieldmark.records import BrokenRow, Decision, Prediction, Progress

if TYPE_CHECKING:
    from fieldmark.models.bundle import BundleInfo

#: Longest class name that a table makes room for.
_WIDEST = 40

#: What a class that isn't there looks like in a table.
_BROKEN = "(broken)"

#: Candidates that a line of a table lists; the others are counted.
_CANDIDATES = 3

#: Formats whose files can be gone on with, and those that only files can hold.
_RESUMABLE, _FILES_ONLY = ("csv", "parquet"), ("parquet",)


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


def goes_to_file(form: str, out: Path | None, *, resume: bool) -> bool:
    """Say whether predictions go to a file that can be gone on with.

    Args:
        form: the format.
        out: the file; ``None`` for standard output.
        resume: whether it is to be gone on with.

    Raises:
        ConfigError: the format needs a file and there is none, or there is nothing that could be gone on with.
    """
    if out is None and form in _FILES_ONLY:
        raise ConfigError(f"The format {form} can't go to standard output.", "Name a file with --out.")
    if resume and (out is None or form not in _RESUMABLE):
        raise ConfigError(
            "Only rows in a file can be gone on with.", f"Use --out with --format {' or '.join(_RESUMABLE)}."
        )
    return out is not None and form in _RESUMABLE


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
        behind += "" if row.decision is None else f"  → {_in_words(row, row.decision)}"
        stream.write(f"{row.label:<{width}}  {100 * (row.probability or 0):>9.1f} %  {source}{behind}\n")


def _in_words(row: Prediction, decision: Decision) -> str:
    """Say what may be relied on of a picture, for a table."""
    said = str(row.answer)
    if decision.known and decision.rank and decision.name != row.label:
        said += f" ({decision.rank})"
    if len(decision.candidates) > 1:
        more = len(decision.candidates) - _CANDIDATES
        listed = ", ".join(decision.candidates[:_CANDIDATES])
        said += f"; may be {listed}" + (f" or {more} more" if more > 0 else "")
    return said + (f"; look twice: {', '.join(decision.flagged)}" if decision.flagged else "")


def _write_csv(predictions: Iterable[Prediction], info: "BundleInfo", top: int, stream: TextIO) -> None:
    from fieldmark.predict.result_file import csv_head, csv_row
    from fieldmark.predict.table_rows import columns_of

    columns = columns_of(info, top)
    stream.write(csv_head(columns))
    for row in predictions:
        stream.write(csv_row(columns, row))


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
            "answer": row.answer,
            "decision": None if row.decision is None else asdict(row.decision),
        }
        stream.write(("," if place else "") + "\n" + json.dumps(data, ensure_ascii=False))
    stream.write("\n]\n")


#: Format → what writes it.
WRITERS: dict[str, Callable[[Iterable[Prediction], "BundleInfo", int, TextIO], None]] = {
    "table": _write_table,
    "csv": _write_csv,
    "json": _write_json,
}
