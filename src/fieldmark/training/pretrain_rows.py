"""Which rows a pretraining learns from: all that are not in the test split, labelled or not."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fieldmark.data.table import Table
from fieldmark.errors import ConfigError, DataError
from fieldmark.training.pretrain_config import PretrainConfig


@dataclass(frozen=True)
class PretrainRows:
    """Places in a table.

    Attributes:
        train: rows to learn from (N,).
        validation: rows to measure the loss on (M,); may be empty.
        shown: a few rows to draw, not trained on where there are such.
        held_out: classes that no row of ``train`` has.
        unlabelled: how many rows of ``train`` have no label.
    """

    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    shown: npt.NDArray[np.int64]
    held_out: tuple[str, ...]
    unlabelled: int


#: Samples in a picture of reconstructions.
SHOWN = 8

#: Separates the names of held-out classes where they are written as one text.
HELD_OUT_SEPARATOR = "|"


def choose_rows(table: Table, config: PretrainConfig) -> PretrainRows:
    """Choose the rows of a pretraining.

    Args:
        table: the rows whose sample could be read.
        config: names classes and a split to leave out.

    Raises:
        DataError: fewer than two rows are left to learn from, or the split to validate on is empty.
        ConfigError: more classes are to be held out than can be missed.
    """
    splits = table.frame["split"].fill_null("").to_numpy()
    labels = table.frame["label"].fill_null("").to_numpy()
    held_out = _held_out(table, config)
    hidden = np.isin(labels, held_out) if held_out else np.zeros(len(table), bool)
    measured = (splits == config.validate_on) & ~hidden
    if config.validate_on != "none" and not measured.any():
        raise DataError(f"There are no rows in split {config.validate_on}.", "Leave --validate-on out.")
    trained = (splits != "test") & ~hidden & ~measured
    if trained.sum() < 2:
        raise DataError(
            f"Pretraining needs two rows or more outside split test; there are {int(trained.sum())}.",
            "Give more data, or check how it was read: fieldmark data check PATH.",
        )
    generator = np.random.default_rng(config.seed)
    unseen = np.flatnonzero(splits == "test") if (splits == "test").any() else np.flatnonzero(~trained)
    pool = unseen if len(unseen) else np.flatnonzero(trained)
    shown = np.sort(generator.permutation(pool)[:SHOWN])
    return PretrainRows(
        train=np.flatnonzero(trained),
        validation=np.flatnonzero(measured),
        shown=shown,
        held_out=held_out,
        unlabelled=int((labels[trained] == "").sum()),
    )


def _held_out(table: Table, config: PretrainConfig) -> tuple[str, ...]:
    count = config.held_out_classes
    if not count:
        return ()
    if count > len(table.classes) - 1:
        raise ConfigError(
            f"{count} of {len(table.classes)} classes can't be held out.",
            f"Give --held-out-classes {max(0, len(table.classes) - 1)} at most.",
        )
    chosen = np.random.default_rng(config.seed).permutation(len(table.classes))[:count]
    return tuple(table.classes[index] for index in sorted(chosen))
