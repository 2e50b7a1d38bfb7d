"""How well an autoencoder rebuilds samples that it was not trained on, and whether that tells strangers."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from fieldmark import metrics
from fieldmark.data.table import Table
from fieldmark.data.tokens import PADDING
from fieldmark.errors import BundleError
from fieldmark.evaluation.comparison import Subject
from fieldmark.evaluation.features import BATCH
from fieldmark.pretraining_results import OutlierScore

#: Rows that are rebuilt at most.
MAX_ROWS = 10_000


@dataclass(frozen=True)
class Unseen:
    """How well rows are rebuilt that were not trained on.

    Attributes:
        split: their split, ``"test"`` or else ``"val"``; empty where neither has rows.
        places: (N,) their places in the table, a sample where the split has more than ``MAX_ROWS``.
        errors: (N,) reconstruction errors.
        token_accuracy: share of their tokens that are written right from the code alone, in 0..1; of texts only.
        total: rows of the split.
    """

    split: str
    places: NDArray[np.int64]
    errors: NDArray[np.float64]
    token_accuracy: float | None
    total: int

    @property
    def test_error(self) -> float | None:
        """Mean error of the test split; ``None`` where it has no rows."""
        return float(self.errors.mean()) if self.split == "test" else None


def measure_unseen(subject: Subject) -> Unseen:
    """Rebuild the rows of the test split, or else of the validation split.

    Raises:
        BundleError: an error is infinite or no number.
    """
    split, every = _rows(subject.inputs.table)
    places = np.sort(np.random.default_rng(subject.seed).permutation(every)[:MAX_ROWS])
    errors, right, tokens = [np.zeros(0)], 0, 0
    for start in range(0, len(places), BATCH):
        x = subject.inputs.batch(places[start : start + BATCH])
        errors.append(subject.autoencoder.reconstruction_error(x).double().numpy())
        if subject.autoencoder.input_kind == "tokens":
            hits, count = _tokens_right(x, subject.autoencoder.reconstruct(x)[1])
            right, tokens = right + hits, tokens + count
    found = np.concatenate(errors)
    if not np.isfinite(found).all():
        raise BundleError("The autoencoder's reconstruction errors are no numbers.", "Pretrain at a lower rate.")
    return Unseen(split, places, found, right / tokens if tokens else None, len(every))


def outlier_score(unseen: Unseen, labels: list[str | None], held_out: tuple[str, ...]) -> OutlierScore | None:
    """Tell how well the error tells classes that were held out from the others.

    Args:
        unseen: the rows with their errors.
        labels: the class of each; ``None`` where it has none, which then counts on neither side.
        held_out: the classes that were left out of the pretraining.

    Returns:
        The score; ``None`` where one side is empty.
    """
    strange = np.array([label in held_out for label in labels], dtype=bool)
    labelled = np.array([label is not None for label in labels], dtype=bool)
    known, unknown = int((labelled & ~strange).sum()), int((labelled & strange).sum())
    if not known or not unknown:
        return None
    return OutlierScore(held_out, metrics.auroc(unseen.errors[labelled], strange[labelled]), known, unknown)


def _rows(table: Table) -> tuple[str, NDArray[np.int64]]:
    for split in ("test", "val"):
        places = np.flatnonzero(table.frame.select((pl.col("split") == split).fill_null(False)).to_series().to_numpy())
        if len(places):
            return split, places
    return "", np.zeros(0, np.int64)


def _tokens_right(tokens: Tensor, written: Tensor) -> tuple[int, int]:
    real = tokens != PADDING
    return int(((written == tokens) & real).sum()), int(real.sum())
