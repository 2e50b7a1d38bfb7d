"""Suspicious labels: a classifier of frozen features reads every row without having seen it."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fieldmark.audit.confident import LabelJudgement, judge_labels
from fieldmark.data.splits import folds
from fieldmark.data.table import make_table
from fieldmark.records import Progress

#: Folds that rows are read in.
FOLDS = 5

#: Inverse strength of the ridge, on features the widest of which has deviation 1. On groceries with planted faults
#: 10 finds more of them than 1 and as many as 100.
_STRENGTH = 10.0

_STEPS = 300
_TOLERANCE = 1e-3

#: Rows that one fit learns from at most, every class by its share, and rows that are read at once.
_MOST_ROWS = 30_000
_READ = 65_536


@dataclass(frozen=True)
class JudgedLabels:
    """What was found of the labels.

    Attributes:
        rows: (n,) places of the rows that were judged.
        judgement: of these rows, by class index.
    """

    rows: npt.NDArray[np.int64]
    judgement: LabelJudgement


def judge_by_folds(
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    together: Sequence[str],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> JudgedLabels | None:
    """Judge the labels of rows by a classifier that learned from other folds.

    Folds are stratified by class; rows of a group, and copies of a picture, stay together: the copy of a picture with a
    wrong label would vouch for it.

    Args:
        features: (N, D).
        labels: class index (N,); -1 where there is none.
        together: (N,) what must stay in one fold.
        seed: chooses which row lies in which fold, and the rows of large data that are learned from.
        progress: told how many folds are done.

    Returns:
        Nothing where fewer than two classes lie in two folds.
    """
    rows = np.flatnonzero(labels >= 0)
    known, given = np.unique(labels[rows], return_inverse=True)
    if len(known) < 2:
        return None
    chosen = {
        "id": [str(row) for row in rows],
        "label": [str(label) for label in given],
        "group": [together[row] for row in rows.tolist()],
    }
    probabilities = np.zeros((len(rows), len(known)))
    read = np.zeros(len(rows), np.bool_)
    scaled = features[rows] / max(float(features[rows].std(0).max()), 1e-6)
    for done, (fit, held) in enumerate(folds(make_table(chosen, Path(), reader="labels"), FOLDS, seed), 1):
        if len(held) and len(np.unique(given[fit])) > 1:
            learned = fit[_sample(given[fit], seed)]
            probabilities[held] = _read_held(scaled, given, learned, held, len(known))
            read[held] = True
        if progress is not None:
            progress(done, FOLDS)
    if not read.any():
        return None
    judgement = judge_labels(probabilities[read], given[read])
    return JudgedLabels(rows[read], replace(judgement, suggested=known[judgement.suggested]))


def _read_held(
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    fit: npt.NDArray[np.int64],
    held: npt.NDArray[np.int64],
    classes: int,
) -> npt.NDArray[np.float64]:
    """Return the probabilities (n, K) of the rows held out."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=_STRENGTH, max_iter=_STEPS, tol=_TOLERANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what so many steps lead to is what is wanted
        model.fit(features[fit], labels[fit])
    found = np.zeros((len(held), classes))
    for start in range(0, len(held), _READ):
        here = slice(start, start + _READ)
        found[here, model.classes_] = model.predict_proba(features[held[here]])
    return found


def _sample(labels: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Return sorted places of at most ``_MOST_ROWS`` rows, every class by its share and with one row at least."""
    if len(labels) <= _MOST_ROWS:
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    share = _MOST_ROWS / len(labels)
    chosen = [
        generator.permutation(rows)[: max(1, round(len(rows) * share))]
        for rows in (np.flatnonzero(labels == label) for label in np.unique(labels))
    ]
    return np.sort(np.concatenate(chosen))
