"""Make splits: stratified by class, groups kept together, seeded."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from fieldmark.data.table import Table
from fieldmark.errors import DataError


def assign_splits(table: Table, *, validation: float = 0.1, test: float = 0.2, seed: int = 0) -> Table:
    """Give every labelled row a split; rows without a label stay in none.

    Groups go whole to one split. Every class keeps at least one group for training, so classes with few groups may
    be missing from validation or test. The result does not depend on the order of rows.

    Args:
        table: rows with labels; splits that are there are replaced.
        validation: share of each class for validation, in 0..1.
        test: share of each class for test, in 0..1.
        seed: chooses which.

    Raises:
        DataError: shares out of range.
    """
    if not (validation >= 0 and test >= 0 and validation + test < 1):  # not-a-number included
        raise DataError(
            f"Shares {validation:g} (validation) and {test:g} (test) leave nothing for training.",
            "Give shares whose sum is below 1.",
        )
    units = _units(table)
    shares = {"test": test, "val": validation, "train": 1 - validation - test}
    chosen = _distribute(units, shares, seed, keep="train")
    names = [None if key is None else chosen[key] for key in _unit_keys(table)]
    return replace(table, frame=table.frame.with_columns(pl.Series("split", names, dtype=pl.String)))


def hold_out(table: Table, share: float, seed: int = 0) -> Table:
    """Make some training rows validation rows, where a table has none; groups go whole, every class keeps some.

    Args:
        table: its other splits stay as they are.
        share: share of each class's labelled training rows, in 0..1; 0 holds none out.
        seed: chooses which.

    Raises:
        DataError: a share that leaves nothing for training.
    """
    if not share or len(table.split("val").labelled()):
        return table
    divided = assign_splits(table.split("train").labelled(), validation=share, test=0.0, seed=seed)
    held = divided.split("val").frame["id"].to_list()
    split = pl.when(pl.col("id").is_in(held)).then(pl.lit("val")).otherwise(pl.col("split")).alias("split")
    return replace(table, frame=table.frame.with_columns(split))


def folds(table: Table, count: int, seed: int) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Divide labelled rows into folds, stratified by class, groups kept together.

    Args:
        table: every row is labelled.
        count: number of folds, 2 or more.
        seed: chooses which row lies in which fold.

    Returns:
        For each fold the places of the rows to learn from and of the rows held out.

    Raises:
        DataError: fewer than two folds, or rows without a label.
    """
    if count < 2 or table.frame["label"].null_count():
        raise DataError("Folds need labelled rows and a count of 2 or more.", "Use table.labelled() and count >= 2.")
    shares = {str(fold): 1 / count for fold in range(count)}
    chosen = _distribute(_units(table), shares, seed, keep=None)
    held = np.array([int(chosen[key]) for key in _unit_keys(table) if key is not None])
    return [(np.flatnonzero(held != fold), np.flatnonzero(held == fold)) for fold in range(count)]


def _unit_keys(table: Table) -> list[str | None]:
    """Name what must stay together with each row: its group, else the row itself; ``None`` without a label."""
    rows = table.frame.select("id", "group", "label").iter_rows()
    keys = ((label, f"r:{name}" if group is None else f"g:{group}") for name, group, label in rows)
    return [None if label is None else key for label, key in keys]


def _units(table: Table) -> dict[str, Counter[str]]:
    """Count the labels of each unit."""
    units: dict[str, Counter[str]] = defaultdict(Counter)
    for key, label in zip(_unit_keys(table), table.frame["label"], strict=True):
        if key is not None:
            units[key][label] += 1
    return units


def _distribute(
    units: Mapping[str, Counter[str]], shares: Mapping[str, float], seed: int, keep: str | None
) -> dict[str, str]:
    """Give each unit to the split that is furthest behind its share of the unit's classes, the largest units first.

    That is Webster's method of apportionment (Sainte-Laguë): it goes to the highest share / (given + 1/2 unit). The
    splits so fill evenly all along, and groups of every size are spread by the shares; were the fullest-to-be served
    first, all large groups would end in training, and test would not be like it.

    Args:
        units: the label counts of what must stay together.
        shares: split → share of every class, summing to 1.
        seed: orders units of one size.
        keep: split that gets the first unit of every class, if any.
    """
    given: dict[str, Counter[str]] = {name: Counter() for name in shares}
    sizes = dict.fromkeys(shares, 0)
    served: set[str] = set()
    chosen: dict[str, str] = {}
    for key in sorted(units, key=lambda one: (-units[one].total(), _shuffled(one, seed))):
        counts = dict(sorted(units[key].items()))  # sums must not depend on the order of rows
        if keep is not None and not served.issuperset(counts):
            best = keep
        else:
            best = max(shares, key=lambda name: (_claim(shares[name], given[name], counts), -sizes[name]))
        given[best].update(counts)
        sizes[best] += sum(counts.values())
        served |= set(counts) if best == keep else set()
        chosen[key] = best
    return chosen


def _claim(share: float, given: Mapping[str, int], counts: Mapping[str, int]) -> float:
    """Return how strong a split's claim to a unit is: for each class share / (rows it has + half of the unit's)."""
    return sum(number * share / (given[label] + number / 2) for label, number in counts.items())


def _shuffled(key: str, seed: int) -> tuple[bytes, str]:
    """Order keys by chance, but the same for every order of rows; a checksum would make the orders of seeds alike."""
    return hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=8).digest(), key
