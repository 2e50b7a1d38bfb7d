"""Predictions in a file that appears when it is complete, and goes on where it was interrupted.

While ``names.csv`` is being made there is a folder ``names.csv.partial``:

    origin.json     what the rows were made with
    000000.csv      complete rows, as many as came together
"""

import csv
import hashlib
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.errors import ConfigError, unknown_name
from fieldmark.models.bundle import weights_fingerprint
from fieldmark.predict.contract import Predictor
from fieldmark.predict.sources import displayable
from fieldmark.predict.table_rows import Cell, Column, columns_of
from fieldmark.record_files import save_text
from fieldmark.records import BrokenRow, Prediction, Progress

if TYPE_CHECKING:
    import pyarrow

#: Rows that are put on the disk together; of a Parquet file, a row group.
_TOGETHER = 1024

_ORIGIN = "origin.json"

#: Between the names in one cell of a CSV file.
_BETWEEN = " | "


@dataclass(frozen=True, slots=True)
class ResultFormat:
    """How rows become a file.

    Attributes:
        suffix: of the files of the rows that came together.
        write: puts rows into such a file.
        read: gives back the cells of two columns, ``source`` and ``error``; an empty text where there is nothing.
        join: makes one file of several.
    """

    suffix: str
    write: Callable[[Path, Sequence[Column], Sequence[Prediction]], None]
    read: Callable[[Path], Iterator[tuple[str, str]]]
    join: Callable[[Path, Sequence[Column], Sequence[Path]], None]


def predict_to_file(
    predictor: Predictor,
    run: Path,
    sources: Sequence[Path],
    out: Path,
    form: str,
    *,
    engine: str = "torch",
    top: int = 5,
    resume: bool = False,
    progress: Progress | None = None,
) -> tuple[BrokenRow, ...]:
    """Predict pictures into a file; what an interrupted call left can be taken up again.

    Args:
        predictor: names the pictures.
        run: the run or bundle that it was loaded from.
        sources: the pictures.
        out: the file to write, which appears when all are named; one that is there is replaced.
        form: a name in ``RESULT_FORMATS``.
        engine: the engine that it was loaded with.
        top: how many classes a row lists, at least 1.
        resume: keep the rows that an interrupted call left, and predict the others only; without such rows, all.
        progress: called with the pictures done and in all.

    Returns:
        The pictures that could not be read, with their reasons, those of an interrupted call too.

    Raises:
        ConfigError: an unknown format; rows of an interrupted call are there and ``resume`` is not given, or they
            were made with something else.
        DataError: a source that can't hold a picture.
    """
    if form not in RESULT_FORMATS:
        raise unknown_name("format of results", form, RESULT_FORMATS)
    columns = columns_of(predictor.info, min(top, len(predictor.info.classes)))
    rows = PartialRows(out, RESULT_FORMATS[form], columns)
    rows.begin(_origin(predictor, run, engine, columns), resume=resume)
    broken = list(rows.broken)
    left = rows.without_done(sources)
    done = len(sources) - len(left)

    def counted() -> Iterator[Prediction]:
        for number, row in enumerate(predictor.predict_stream(left), start=done + 1):
            if row.error is not None:
                broken.append(BrokenRow(row.source, row.source, row.error))
            yield row
            if progress:
                progress(number, len(sources))

    rows.add(counted())
    rows.finish()
    return tuple(broken)


class PartialRows:
    """The rows of a file that is not complete yet, in a folder beside it.

    Args:
        out: the file to be.
        form: how rows become a file.
        columns: the columns.
    """

    def __init__(self, out: Path, form: ResultFormat, columns: Sequence[Column]) -> None:
        self._out, self._form, self._columns = out, form, columns
        self._folder = out.with_name(out.name + ".partial")
        self._done: Counter[str] = Counter()
        self.broken: tuple[BrokenRow, ...] = ()

    def begin(self, origin: Mapping[str, object], *, resume: bool) -> None:
        """Make the folder, or take up the one that is there.

        Args:
            origin: what the rows are made with.
            resume: take up rows that are there.

        Raises:
            ConfigError: there are rows and ``resume`` is not given, or they were made with something else.
        """
        if self._folder.is_file():  # what another format leaves
            self._folder.unlink()
        parts = self._parts()
        if parts and not resume:
            raise ConfigError(
                f"{self._folder} holds rows that an interrupted call left.",
                "Go on with them (--resume), or delete that folder.",
            )
        if parts and self._read_origin() != dict(origin):
            raise ConfigError(
                f"{self._folder} holds rows that were made with another bundle or other options.",
                "Go on with the same ones, or delete that folder.",
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        save_text(self._folder / _ORIGIN, json.dumps(origin, ensure_ascii=False))
        rows = [row for part in parts for row in self._form.read(part)]
        self._done = Counter(source for source, _ in rows)
        self.broken = tuple(BrokenRow(source, source, error) for source, error in rows if error)

    def without_done(self, sources: Sequence[Path]) -> list[Path]:
        """Return those pictures that have no row yet."""
        there, left = self._done.copy(), []
        for source in sources:
            name = displayable(str(source))
            if there[name] > 0:
                there[name] -= 1
            else:
                left.append(source)
        return left

    def add(self, predictions: Iterable[Prediction]) -> None:
        """Put predictions on the disk as they come; whatever interrupts them, those that came are kept."""
        waiting: list[Prediction] = []
        try:
            for prediction in predictions:
                waiting.append(prediction)
                if len(waiting) == _TOGETHER:
                    self._put(waiting)
                    waiting = []
        finally:
            if waiting:
                self._put(waiting)

    def finish(self) -> None:
        """Put the file in its place, and remove the folder."""
        partial = self._folder / f"joined{self._form.suffix}.partial"
        self._form.join(partial, self._columns, self._parts())
        partial.replace(self._out)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _put(self, predictions: Sequence[Prediction]) -> None:
        path = self._folder / f"{len(self._parts()):06}{self._form.suffix}"
        partial = path.with_name(path.name + ".partial")
        self._form.write(partial, self._columns, predictions)
        partial.replace(path)

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob(f"[0-9]*{self._form.suffix}"))

    def _read_origin(self) -> object:
        try:
            return json.loads((self._folder / _ORIGIN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


def csv_head(columns: Sequence[Column]) -> str:
    """Return the first line of a CSV file, with its end."""
    return _csv_line([column.name for column in columns])


def csv_row(columns: Sequence[Column], prediction: Prediction) -> str:
    """Return the line of a prediction in a CSV file, with its end."""
    return _csv_line([_TEXTS[column.kind](column.cell(prediction)) for column in columns])


def _csv_line(cells: Sequence[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue()


def _figure(digits: str) -> Callable[[Cell], str]:
    return lambda cell: "" if cell is None else format(cell, digits)


#: Kind of a column → how its cells are written in a CSV file.
_TEXTS: dict[str, Callable[[Cell], str]] = {
    "text": lambda cell: str(cell or ""),
    "share": _figure(".6f"),
    "figure": _figure(".6g"),
    "flag": lambda cell: "" if cell is None else ("yes" if cell else "no"),
    "names": lambda cell: _BETWEEN.join(cell) if isinstance(cell, tuple) else "",
}


def _write_csv(path: Path, columns: Sequence[Column], predictions: Sequence[Prediction]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.writelines([csv_head(columns), *(csv_row(columns, row) for row in predictions)])


def _read_csv(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            yield row["source"], row["error"]


def _join_csv(path: Path, columns: Sequence[Column], parts: Sequence[Path]) -> None:
    head = csv_head(columns)
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(head)
        for part in parts:
            with part.open(encoding="utf-8", newline="") as rows:
                rows.read(len(head))
                shutil.copyfileobj(rows, stream)


def _schema(columns: Sequence[Column]) -> "pyarrow.Schema":
    import pyarrow as pa

    kinds = {
        "text": pa.string(),
        "share": pa.float64(),
        "figure": pa.float64(),
        "flag": pa.bool_(),
        "names": pa.list_(pa.string()),
    }
    return pa.schema([(column.name, kinds[column.kind]) for column in columns])


def _write_parquet(path: Path, columns: Sequence[Column], predictions: Sequence[Prediction]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(columns)
    cells = [
        pa.array([column.cell(row) for row in predictions], field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    pq.write_table(pa.Table.from_arrays(cells, schema=schema), path)


def _read_parquet(path: Path) -> Iterator[tuple[str, str]]:
    import pyarrow.parquet as pq

    for row in pq.read_table(path, columns=["source", "error"]).to_pylist():
        yield row["source"], row["error"] or ""


def _join_parquet(path: Path, columns: Sequence[Column], parts: Sequence[Path]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, _schema(columns)) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part))


#: Format → how its files are made.
RESULT_FORMATS: dict[str, ResultFormat] = {
    "csv": ResultFormat(".csv", _write_csv, _read_csv, _join_csv),
    "parquet": ResultFormat(".parquet", _write_parquet, _read_parquet, _join_parquet),
}


def _origin(predictor: Predictor, run: Path, engine: str, columns: Sequence[Column]) -> dict[str, object]:
    """Return all that decides what a row says."""
    rule = predictor.rule
    return {
        "engine": engine,
        "weights": weights_fingerprint(run),
        "temperature": predictor.info.temperature,
        "rule": None if rule is None else hashlib.sha256(rule.to_json().encode()).hexdigest()[:16],
        "columns": [column.name for column in columns],
    }
