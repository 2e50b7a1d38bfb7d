"""Parts of the training rows: folds to choose by, and samples of large data."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fieldmark.data.splits import folds
from fieldmark.data.table import make_table
from fieldmark.evaluation.probes.contract import Groups, Indices


def usable_folds(labels: Indices, groups: Groups | None, count: int, seed: int) -> list[tuple[Indices, Indices]]:
    """Divide rows into folds, stratified by class, groups kept together.

    Args:
        labels: class index (N,) of each row.
        groups: the rows' groups; ``None`` where every row is its own.
        count: number of folds, 2 or more.
        seed: chooses which row lies in which fold.

    Returns:
        Places of the rows to learn from and of the rows held out; folds that leave fewer than two classes to learn
        from, or nothing held out, are missing, so there may be none.
    """
    rows: dict[str, Sequence[object]] = {
        "id": [str(place) for place in range(len(labels))],
        "label": [str(label) for label in labels],
        "group": [None] * len(labels) if groups is None else list(groups),
    }
    found = folds(make_table(rows, Path(), reader="labels"), count, seed)
    return [(fit, held) for fit, held in found if len(held) and len(np.unique(labels[fit])) > 1]


def group_numbers(groups: Groups | None, count: int) -> Indices:
    """Number the groups of ``count`` rows; a row without one is its own."""
    if groups is None:
        return np.arange(count)
    numbers: dict[str | tuple[int], int] = {}
    keys: list[str | tuple[int]] = [(place,) if group is None else group for place, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def stratified_sample(labels: Indices, limit: int, seed: int) -> Indices:
    """Return the sorted places of at most ``limit`` rows, every class by its share; all where there are no more.

    As long as ``limit`` is no less than the number of classes, every class keeps at least one row.
    """
    if len(labels) <= limit:
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    depth = np.empty(len(labels))  # share of its class that comes before a row, in 0..1
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        depth[generator.permutation(rows)] = np.arange(len(rows)) / len(rows)
    order = np.lexsort((generator.random(len(labels)), depth))
    return np.sort(order[:limit]).astype(np.int64)
