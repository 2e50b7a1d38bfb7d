"""Files of predictions: one for each range of rows, written whole or not at all, and the proof that no row is lost.

Every file carries its job's key and its range, so that a file is known for what it is, whoever wrote it and when.
"""

import json
import os
import socket
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from fieldmark.data.table import UNREADABLE
from fieldmark.errors import ScaleError
from fieldmark.records import Prediction
from fieldmark.scale.job import RowRange

#: Every column of a file of predictions.
SCHEMA: dict[str, pl.DataType] = {
    "row": pl.Int64(),
    "id": pl.String(),
    "source": pl.String(),
    "label": pl.String(),
    "probability": pl.Float64(),
    "top": pl.List(pl.Struct({"label": pl.String, "probability": pl.Float64})),
    "lineage": pl.List(pl.String()),
    "evidence": pl.List(pl.Struct({"part": pl.String, "presence": pl.Float64, "evidence": pl.Float64})),
    "known": pl.Boolean(),
    "novelty": pl.Float64(),
    "candidates": pl.List(pl.String()),
    "certain_rank": pl.String(),
    "certain_name": pl.String(),
    "confidence": pl.Float64(),
    "flagged": pl.List(pl.String()),
    "error": pl.String(),
}

_METADATA_KEY = "fieldmark_predictions"

#: Rows that an error names of those that are missing or double.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """What a file of predictions says of itself.

    Attributes:
        job: the job's key.
        first: number of its first row.
        end: number after its last row.
        broken: rows whose picture could not be read.
        host: the machine that wrote it.
        process: number of the process that wrote it.
    """

    job: str
    first: int
    end: int
    broken: int
    host: str
    process: int


@dataclass(frozen=True, slots=True)
class RowCheck:
    """What a folder of predictions holds, compared with what it should.

    Attributes:
        missing: numbers of the rows that are in no file.
        double: numbers of the rows that are there more than once.
        strange: rows that the table doesn't have, or has under another id.
    """

    missing: tuple[int, ...]
    double: tuple[int, ...]
    strange: int

    @property
    def whole(self) -> bool:
        """Whether every row is there exactly once, and nothing else."""
        return not (self.missing or self.double or self.strange)


def write_predictions(
    folder: Path, rows: RowRange, job: str, ids: Sequence[str], predictions: Iterable[Prediction]
) -> Path:
    """Write the predictions of a range of rows as one Parquet file, atomically.

    Two processes that write the same range at once, as when one was taken for dead, don't meet: each writes under a
    name of its own, and whichever is put in place last replaces its like.

    Args:
        folder: where the file goes.
        rows: the range.
        job: the job's key.
        ids: the rows' ids, in order.
        predictions: one for each row, in order.
    """
    columns = [_columns(*row) for row in zip(range(rows.first, rows.end), ids, predictions, strict=True)]
    frame = pl.DataFrame(columns, schema=SCHEMA, orient="row")
    broken = len(frame) - frame["error"].null_count()
    origin = FileOrigin(job, rows.first, rows.end, broken, socket.gethostname(), os.getpid())
    target = folder / rows.file_name
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}.partial")
    try:
        frame.write_parquet(partial, metadata={_METADATA_KEY: json.dumps(asdict(origin))})
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def read_origin(file: Path) -> FileOrigin | None:
    """Return what a file of predictions says of itself; ``None`` where it is missing, damaged or something else."""
    if not file.is_file():
        return None
    try:
        return FileOrigin(**json.loads(pl.read_parquet_metadata(file)[_METADATA_KEY]))
    except (*UNREADABLE, LookupError, TypeError, ValueError):
        return None


def is_written(folder: Path, rows: RowRange, job: str) -> bool:
    """Say whether a job's range of rows is in place; a file is put in place whole, so its origin is enough."""
    origin = read_origin(folder / rows.file_name)
    return origin is not None and (origin.job, origin.first, origin.end) == (job, rows.first, rows.end)


def check_rows(folder: Path, ids: Sequence[str]) -> RowCheck:
    """Read the rows of every file in a folder and hold them against the table's.

    Args:
        folder: the files of predictions.
        ids: the table's ids, in order.

    Raises:
        ScaleError: a file can't be read.
    """
    seen = np.zeros(len(ids), np.int64)
    strange = 0
    for file in sorted(folder.glob("*.parquet")):
        try:
            frame = pl.read_parquet(file, columns=["row", "id"])
        except UNREADABLE as error:
            raise ScaleError(f"{file} can't be read.", "Delete it and go on with --resume.") from error
        for row, identity in frame.iter_rows():
            if 0 <= row < len(ids) and ids[row] == identity:
                seen[row] += 1
            else:
                strange += 1
    return RowCheck(tuple(np.flatnonzero(seen == 0).tolist()), tuple(np.flatnonzero(seen > 1).tolist()), strange)


def refuse_incomplete(check: RowCheck, folder: Path) -> None:
    """Refuse a folder of predictions in which a row is missing, double or strange.

    Raises:
        ScaleError: with what is wrong.
    """
    if check.whole:
        return
    faults = [
        f"{len(rows):,} rows are {name} ({', '.join(f'{row}' for row in rows[:_NAMED])}{' …' * (len(rows) > _NAMED)})"
        for name, rows in (("missing", check.missing), ("double", check.double))
        if rows
    ]
    faults += [f"{check.strange:,} rows are not the table's"] if check.strange else []
    cure = "Go on with --resume." if not (check.double or check.strange) else "Remove files that the job didn't write."
    raise ScaleError(f"The predictions in {folder} are not whole: {'; '.join(faults)}.", cure)


def clear_partial_files(folder: Path) -> None:
    """Remove what killed workers left; called while none works."""
    for file in folder.glob("*.partial"):
        file.unlink(missing_ok=True)


def _columns(row: int, identity: str, prediction: Prediction) -> tuple[object, ...]:
    """Return one row in the order of ``SCHEMA``."""
    decision = prediction.decision
    return (
        row,
        identity,
        prediction.source,
        prediction.label,
        prediction.probability,
        [{"label": label, "probability": probability} for label, probability in prediction.top],
        list(prediction.lineage),
        [{"part": part.name, "presence": part.presence, "evidence": part.evidence} for part in prediction.evidence],
        decision.known if decision else None,
        decision.novelty if decision else None,
        list(decision.candidates) if decision else None,
        decision.rank if decision else None,
        decision.name if decision else None,
        decision.confidence if decision else None,
        list(decision.flagged) if decision else None,
        prediction.error,
    )
