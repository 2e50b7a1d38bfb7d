"""What an evaluated run said of each picture, read back from the file that its evaluation left."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fieldmark.data.table import UNREADABLE
from fieldmark.errors import DataError
from fieldmark.evaluation.outcome import PREDICTIONS_FILE
from fieldmark.results import PICTURE_FOLDER, EvalResult

_COLUMNS = ("id", "group", "label", "predicted", "probabilities")


@dataclass(frozen=True)
class SavedPredictions:
    """The predictions of one run, in the order of the pictures' ids.

    Attributes:
        run: its folder.
        result: what its evaluation found.
        ids: the B pictures' ids.
        groups: their groups; ``None`` for a picture without one.
        truth: (B,) class indices, in the order of ``result.classes``.
        predicted: (B,) class indices: the most probable class.
        probabilities: (B, N).
    """

    run: Path
    result: EvalResult
    ids: tuple[str, ...]
    groups: tuple[str | None, ...]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the most probable class is the truth: (B,)."""
        right: NDArray[np.bool_] = self.predicted == self.truth
        return right


def load_predictions(run: Path) -> SavedPredictions:
    """Read what a run's evaluation left.

    Args:
        run: the folder of an evaluated run.

    Raises:
        DataError: it was not evaluated, or what that left can't be read or doesn't belong together.
    """
    result = EvalResult.load(run)
    path = run / PICTURE_FOLDER / PREDICTIONS_FILE
    cure = f"Evaluate the run again: fieldmark evaluate {run}."
    try:
        frame = pl.read_parquet(path, columns=list(_COLUMNS)).sort("id")
    except UNREADABLE as error:
        raise DataError(f"{path} can't be read.", cure) from error
    places = {name: index for index, name in enumerate(result.classes)}
    strange = (set(frame["label"]) | set(frame["predicted"])) - set(places)
    if strange or frame.height != result.n:
        raise DataError(f"{path} is not of the evaluation beside it.", cure)
    return SavedPredictions(
        run=run,
        result=result,
        ids=tuple(frame["id"]),
        groups=tuple(frame["group"]),
        truth=np.array([places[name] for name in frame["label"]], dtype=np.int64),
        predicted=np.array([places[name] for name in frame["predicted"]], dtype=np.int64),
        probabilities=np.array(frame["probabilities"].to_list(), dtype=np.float64),
    )
