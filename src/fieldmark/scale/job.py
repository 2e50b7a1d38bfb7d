"""A prediction job: what it reads, which rows make up each file that it writes, and its folder.

job.json       what decides the result: the table's and the bundle's fingerprint, and the options
table.parquet  the rows, in the order that their numbers refer to
predictions/   one Parquet file for each range of rows
summary.json   what it came to; written last, once every row is there exactly once
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fieldmark.data import containers
from fieldmark.data.table import Table
from fieldmark.errors import ConfigError, DataError
from fieldmark.models.bundle import WEIGHTS_FILE, find_bundle, read_info
from fieldmark.record_files import RecordFormat, save_text

JOB_FILE = "job.json"
TABLE_FILE = "table.parquet"
SUMMARY_FILE = "summary.json"
PREDICTIONS = "predictions"

_KEY_DIGITS = 16

_JOB = RecordFormat(1, "The job", "Name another folder with --out.")
_SUMMARY = RecordFormat(1, "The summary", "Predict again.")


@dataclass(frozen=True, slots=True)
class RowRange:
    """Rows of a table that are predicted together and make up one file.

    Attributes:
        first: number of the first row, from 0.
        end: number after the last row.
    """

    first: int
    end: int

    @property
    def file_name(self) -> str:
        """The file's name, which sorts in the order of the rows."""
        return f"rows-{self.first:010}-{self.end:010}.parquet"


@dataclass(frozen=True, slots=True)
class PredictionOptions:
    """How a table is predicted.

    Attributes:
        shard_rows: most rows of a file, at least 1; a worker that dies loses at most so many.
        top: how many classes a prediction lists, at least 1.
        batch_size: pictures that go through the network at once, at least 1.
        device: where the network runs, as torch names it; with ``"cuda"`` each worker gets a GPU.
    """

    shard_rows: int = 512
    top: int = 5
    batch_size: int = 32
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class PredictionJob:
    """Everything that decides what a prediction job writes.

    Attributes:
        table: the table's fingerprint.
        bundle: the bundle's fingerprint.
        rows: number of rows.
        shard_rows: most rows of a file.
        top: how many classes a prediction lists.
    """

    table: str
    bundle: str
    rows: int
    shard_rows: int
    top: int

    @property
    def key(self) -> str:
        """Hex digits that change with any of this; every file of predictions carries them."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:_KEY_DIGITS]


@dataclass(frozen=True, slots=True)
class PredictionSummary:
    """What a prediction job came to.

    Attributes:
        rows: rows of the table, each of which is in the predictions exactly once.
        broken: rows whose picture could not be read; they carry the reason.
        files: files of predictions.
        kept: those of them that were there before this start.
        writers: processes, over all starts, that wrote the files.
        seconds: time that this start took.
    """

    rows: int
    broken: int
    files: int
    kept: int
    writers: int
    seconds: float

    def save(self, folder: Path) -> Path:
        """Write the summary into the job's folder, atomically."""
        return save_text(folder / SUMMARY_FILE, _SUMMARY.to_json(self))

    @staticmethod
    def load(folder: Path) -> "PredictionSummary":
        """Read the summary of a finished job.

        Raises:
            DataError: there is none: the job is not finished; or it can't be read.
        """
        file = folder / SUMMARY_FILE
        if not file.is_file():
            raise DataError(f"{folder} holds no finished job.", "Finish it with the same command and --resume.")
        return _SUMMARY.from_json(PredictionSummary, file.read_text(encoding="utf-8"))


def make_job(table: Table, run: Path, options: PredictionOptions) -> PredictionJob:
    """Describe the job of predicting a table with a run.

    Raises:
        BundleError: there is no bundle.
        ConfigError: a size below 1.
        DataError: no row has a picture.
    """
    sizes = {
        "number of rows in a file": options.shard_rows,
        "number of classes to list": options.top,
        "batch size": options.batch_size,
    }
    for name, value in sizes.items():
        if value < 1:
            raise ConfigError(f"The {name} can't be {value}.", "Give a whole number of 1 or more.")
    if table.frame["path"].null_count() == len(table):
        raise DataError(f"{table.root} has no rows with pictures.", "Give a data set of pictures.")
    return PredictionJob(table.fingerprint(), _bundle_digest(run), len(table), options.shard_rows, options.top)


def open_job(out: Path, job: PredictionJob, table: Table, *, resume: bool) -> None:
    """Make the job's folder, or take up the job that is in it.

    Raises:
        ConfigError: the folder is in use and ``resume`` is not given, or it holds another job.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file.", "Name a folder with --out.")
    if (out / JOB_FILE).is_file():
        if not resume:
            raise ConfigError(f"{out} already holds a job.", "Go on with it (--resume) or name another --out.")
        _check_same(_JOB.from_json(PredictionJob, (out / JOB_FILE).read_text(encoding="utf-8")), job, out)
        return
    if out.is_dir() and any(out.iterdir()) and not _only_begun(out):
        raise ConfigError(f"{out} is not empty and holds no job.", "Name an empty or new folder with --out.")
    (out / PREDICTIONS).mkdir(parents=True, exist_ok=True)
    table.save(out / TABLE_FILE)
    save_text(out / JOB_FILE, _JOB.to_json(job))


def plan_ranges(paths: Sequence[str | None], shard_rows: int) -> Iterator[RowRange]:
    """Divide rows into ranges; none reaches from one file of many pictures into another, so each is read by itself.

    Args:
        paths: the rows' paths.
        shard_rows: most rows of a range, at least 1.
    """
    first, here = 0, _container(paths[0]) if paths else None
    for row, path in enumerate(paths):
        container = _container(path)
        if row - first == shard_rows or container != here:
            yield RowRange(first, row)
            first, here = row, container
    if paths:
        yield RowRange(first, len(paths))


def _container(path: str | None) -> str | None:
    return containers.file_of(path) if path is not None and containers.is_member(path) else None


def _only_begun(out: Path) -> bool:
    """Say whether a folder holds no more than a job that was stopped before its first word."""
    begun = {PREDICTIONS, TABLE_FILE, TABLE_FILE + ".partial", JOB_FILE + ".partial"}
    return {entry.name for entry in out.iterdir()} <= begun and not any((out / PREDICTIONS).iterdir())


def _check_same(before: PredictionJob, now: PredictionJob, out: Path) -> None:
    words = {
        "table": "data",
        "rows": "data",
        "bundle": "run",
        "shard_rows": "number of rows in a file",
        "top": "number of classes to list",
    }
    old, new = asdict(before), asdict(now)
    changed = list(dict.fromkeys(word for name, word in words.items() if old[name] != new[name]))
    if changed:
        raise ConfigError(
            f"The job in {out} had another {' and another '.join(changed)}.", "Give the same, or name another --out."
        )


def _bundle_digest(run: Path) -> str:
    """Return hex digits that change with anything in a bundle that predictions hang on; measured results don't."""
    info = replace(read_info(run), results={})
    digest = hashlib.sha256(json.dumps(asdict(info), sort_keys=True).encode())
    with (find_bundle(run) / WEIGHTS_FILE).open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:_KEY_DIGITS]
