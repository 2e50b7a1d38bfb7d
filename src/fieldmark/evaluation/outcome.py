"""What a predictor said of every evaluated row: the raw material of all figures."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fieldmark.records import Decision

#: Where an evaluation leaves its predictions, seen from its folder.
PREDICTIONS_FILE = "predictions.parquet"


@dataclass(frozen=True)
class Outcome:
    """The evaluated rows with their predictions.

    Attributes:
        frame: B rows of a table.
        classes: the N class names, in the order of the probabilities.
        truth: (B,) class indices.
        probabilities: (B, N); rows sum to 1.
        decisions: what may be relied on of every row; empty where the bundle has no rule.
    """

    frame: pl.DataFrame
    classes: tuple[str, ...]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    decisions: tuple[Decision, ...] = ()

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of every row: (B,)."""
        highest: NDArray[np.int64] = self.probabilities.argmax(axis=1).astype(np.int64)
        return highest

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of the most probable class: (B,) in 0..1."""
        highest: NDArray[np.float64] = self.probabilities.max(axis=1)
        return highest

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the most probable class is the truth: (B,)."""
        right: NDArray[np.bool_] = self.predicted == self.truth
        return right

    def save_predictions(self, path: Path) -> None:
        """Write one row per picture as Parquet, for paired tests between runs.

        Columns: id, group, label, predicted, probability and probabilities (Float32, in the order of the classes).
        """
        names = np.array(self.classes, dtype=object)
        columns = self.frame.select("id", "group", "label").with_columns(
            pl.Series("predicted", names[self.predicted].tolist(), dtype=pl.String),
            pl.Series("probability", self.confidence),
            pl.Series("probabilities", self.probabilities.astype(np.float32).tolist(), dtype=pl.List(pl.Float32)),
        )
        columns.write_parquet(path)
