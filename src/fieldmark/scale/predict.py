"""Predict a table on many processes or machines, by Ray Data.

The rows are divided into ranges, once and for all; a range is one row of a Ray dataset, and a pool of actors, each with
the network loaded, predicts them. An actor that dies is started again and its range given to another: Ray's retries
make sure that each range is done *at least* once. That no row is there twice follows from the files: a range has one
name, is put in place whole, and is not done again where it is. At the end every row is counted.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.errors import ScaleError
from fieldmark.records import Progress
from fieldmark.scale.cluster import cluster, first_line, import_ray
from fieldmark.scale.job import (
    PREDICTIONS,
    PredictionOptions,
    PredictionSummary,
    RowRange,
    make_job,
    open_job,
    plan_ranges,
)
from fieldmark.scale.prediction_files import check_rows, clear_partial_files, is_written, read_origin, refuse_incomplete
from fieldmark.scale.row_prediction import JobPlaces, job_places, predict_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Blocks of a Ray dataset; of more ranges several share one.
_MOST_BLOCKS = 5_000

#: Ranges that an actor holds at once, one of them waiting.
_IN_FLIGHT = 2


def predict_table(
    data: Path | Table,
    run: Path,
    out: Path,
    options: PredictionOptions | None = None,
    *,
    address: str | None = None,
    workers: int | None = None,
    reader: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> PredictionSummary:
    """Predict every row of a table into Parquet files in ``out/predictions``, each row exactly once.

    Args:
        data: a table, or anything that ``read_table`` reads.
        run: a run's folder, or a bundle.
        out: the job's folder; new or empty, unless ``resume``. Like ``run`` and the data it must be the same folder on
            every machine of a cluster.
        options: how to predict.
        address: of a Ray cluster; by default one is embedded in this process.
        workers: processes that predict at once, each on one core; by default as many as there are cores.
        reader: name of the reader; by default the format is recognised.
        resume: go on with the job in ``out``: what is written stays.
        progress: told how many rows are written.

    Returns:
        What it came to.

    Raises:
        DataError: the data can't be read, or have no pictures.
        BundleError: there is no bundle, or its description can't be read.
        ConfigError: options that are not valid, or differ from those of the job in ``out``.
        ScaleError: Ray isn't installed, the cluster doesn't answer, the workers fail, or a row is missing or double.
    """
    import_ray()
    started = time.monotonic()
    options = options or PredictionOptions()
    table = data if isinstance(data, Table) else read_table(data, reader=reader)
    job = make_job(table, run, options)
    open_job(out, job, table, resume=resume)
    places = job_places(out, job, table.root)
    ranges = list(plan_ranges(table.frame["path"].to_list(), job.shard_rows))
    todo = [rows for rows in ranges if not is_written(places.predictions, rows, job.key)]
    if todo:
        with cluster(address, workers) as count:
            done = len(table) - sum(rows.end - rows.first for rows in todo)
            for rows in _written(todo, RangePredictor, (places, run.resolve(), options), count, options.device):
                done += rows.end - rows.first
                if progress is not None:
                    progress(done, len(table))
    clear_partial_files(out / PREDICTIONS)
    refuse_incomplete(check_rows(out / PREDICTIONS, table.frame["id"].to_list()), out / PREDICTIONS)
    summary = _summary(out, ranges, kept=len(ranges) - len(todo), seconds=time.monotonic() - started)
    summary.save(out)
    return summary


class RangePredictor:
    """An actor's work: loads the network once, then predicts the ranges that it is given.

    Args:
        places: where the job's rows are and where its files go.
        run: a run's folder, or a bundle.
        options: how to predict.
    """

    def __init__(self, places: JobPlaces, run: Path, options: PredictionOptions) -> None:
        from fieldmark.predict import load_predictor

        self._places = places
        self._predictor = load_predictor(run, device=options.device, batch_size=options.batch_size, top=options.top)

    def __call__(self, batch: "dict[str, npt.NDArray[np.int64]]") -> "dict[str, npt.NDArray[np.int64]]":
        """Predict ranges, given as numbers of first rows and of rows after the last; return them when in place."""
        for first, end in zip(batch["first"].tolist(), batch["end"].tolist(), strict=True):
            rows = RowRange(first, end)
            # A range that was in place when its worker died comes here again.
            if not is_written(self._places.predictions, rows, self._places.key):
                predict_rows(self._predictor, self._places, rows)
        return batch


def _written(
    ranges: Sequence[RowRange],
    worker: type[RangePredictor],
    arguments: tuple[JobPlaces, Path, PredictionOptions],
    workers: int,
    device: str,
) -> Iterator[RowRange]:
    """Have ranges predicted by a pool of actors; yield each when it is in place, in any order.

    Ray Data starts an actor that died again, and repeats its task, without limit.
    """
    import ray.data
    from ray.exceptions import RayError

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    pool = ray.data.ActorPoolStrategy(size=min(workers, len(ranges)), max_tasks_in_flight_per_actor=_IN_FLIGHT)
    done = ray.data.from_items(
        [{"first": rows.first, "end": rows.end} for rows in ranges],
        override_num_blocks=min(len(ranges), _MOST_BLOCKS),
    ).map_batches(
        worker,
        batch_size=1,
        compute=pool,
        fn_constructor_args=arguments,
        num_cpus=1,
        num_gpus=1 if device.startswith("cuda") else None,
    )
    try:
        for row in done.iter_rows():
            yield RowRange(int(row["first"]), int(row["end"]))
    except RayError as error:
        raise ScaleError(f"The workers failed: {_cause(error)}", "Mend that, then go on with --resume.") from error


def _cause(error: Exception) -> str:
    """Return the first line of what a worker raised, without Ray's wrapping."""
    inner: BaseException = error
    while (cause := getattr(inner, "cause", None) or inner.__cause__) is not None and cause is not inner:
        inner = cause
    return f"{type(inner).__name__}: {first_line(inner)}"


def _summary(out: Path, ranges: Sequence[RowRange], *, kept: int, seconds: float) -> PredictionSummary:
    origins = [read_origin(out / PREDICTIONS / rows.file_name) for rows in ranges]
    found = [origin for origin in origins if origin is not None]
    return PredictionSummary(
        rows=ranges[-1].end,
        broken=sum(origin.broken for origin in found),
        files=len(found),
        kept=kept,
        writers=len({(origin.host, origin.process) for origin in found}),
        seconds=round(seconds, 2),
    )
