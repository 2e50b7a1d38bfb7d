"""What one worker does: read its rows of the table, predict them, write them; without Ray, so that it runs anywhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from fieldmark.data.images import sample_source
from fieldmark.errors import BrokenImageError
from fieldmark.predict import ImageSource, Predictor
from fieldmark.records import Prediction
from fieldmark.scale.job import PREDICTIONS, TABLE_FILE, PredictionJob, RowRange
from fieldmark.scale.prediction_files import write_predictions

#: Why a row without a picture has no prediction.
_NO_PICTURE = "the row has no picture"


@dataclass(frozen=True, slots=True)
class JobPlaces:
    """Where a worker finds what it needs; all paths are absolute, and the same on every machine.

    Attributes:
        table: the saved table.
        root: the folder that the table's paths are relative to.
        predictions: where files of predictions go.
        key: the job's key.
    """

    table: Path
    root: Path
    predictions: Path
    key: str


def predict_rows(predictor: Predictor, places: JobPlaces, rows: RowRange) -> Path:
    """Predict a range of rows and write them as one file, atomically.

    A picture that can't be read is a row with its reason.

    Args:
        predictor: predicts pictures.
        places: where the rows are and where the file goes.
        rows: the range.

    Returns:
        The file.
    """
    wanted = pl.scan_parquet(places.table).slice(rows.first, rows.end - rows.first).select("id", "path").collect()
    found = _predictions(predictor, places.root, wanted["path"].to_list())
    return write_predictions(places.predictions, rows, places.key, wanted["id"].to_list(), found)


def job_places(out: Path, job: PredictionJob, root: Path) -> JobPlaces:
    """Return the places of a job in a folder, as absolute paths."""
    folder = out.resolve()
    return JobPlaces(folder / TABLE_FILE, root.resolve(), folder / PREDICTIONS, job.key)


def _predictions(predictor: Predictor, root: Path, paths: Sequence[str | None]) -> Iterator[Prediction]:
    """Yield one prediction a row, in order; pictures are read as the predictor asks for them."""
    broken: dict[int, str] = {}

    def sources() -> Iterator[ImageSource]:
        for place, path in enumerate(paths):
            if path is None:
                broken[place] = _NO_PICTURE
                continue
            try:
                source = sample_source(root, path)
            except BrokenImageError as error:
                broken[place] = error.message
                continue
            yield (path, source) if isinstance(source, bytes) else source

    place = 0
    for prediction in predictor.predict_stream(sources()):
        while place in broken:
            yield _unread(paths[place], broken[place])
            place += 1
        yield replace(prediction, source=paths[place] or "")
        place += 1
    for rest in range(place, len(paths)):
        yield _unread(paths[rest], broken[rest])


def _unread(path: str | None, reason: str) -> Prediction:
    return Prediction(source=path or "", label=None, probability=None, error=reason)
