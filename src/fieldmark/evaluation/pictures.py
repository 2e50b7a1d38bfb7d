"""The pictures that go with an evaluation: which are shown, and their thumbnails."""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fieldmark.data.table import Table
from fieldmark.data.thumbnail_files import ThumbnailWriter
from fieldmark.evaluation.outcome import Outcome
from fieldmark.metrics import PairCount
from fieldmark.records import Leak
from fieldmark.results import ConfusedPair, LeakPair, Picture

MAX_PAIRS = 12
MISTAKES_PER_PAIR = 4
EXEMPLARS_PER_PAIR = 3
MAX_WORST = 24
MAX_LEAKS = 12
MAX_RECOGNISED = 8

#: The order in which leaks are shown: what surely spoils a figure first.
_LEAK_ORDER = ("exact", "near", "group")


def confused_pairs(outcome: Outcome, pairs: Sequence[PairCount], writer: ThumbnailWriter) -> tuple[ConfusedPair, ...]:
    """Give the most confused pairs their pictures: mistakes both ways and, beside them, recognised ones."""
    support = np.bincount(outcome.truth, minlength=len(outcome.classes))

    def show(truth: int, predicted: int, limit: int) -> tuple[Picture, ...]:
        rows = np.flatnonzero((outcome.truth == truth) & (outcome.predicted == predicted))
        return _pictures(outcome, _surest(outcome, rows, limit), writer)

    return tuple(
        ConfusedPair(
            first=outcome.classes[pair.first],
            second=outcome.classes[pair.second],
            first_as_second=pair.first_as_second,
            second_as_first=pair.second_as_first,
            first_support=int(support[pair.first]),
            second_support=int(support[pair.second]),
            rate=pair.rate,
            first_mistakes=show(pair.first, pair.second, MISTAKES_PER_PAIR),
            second_mistakes=show(pair.second, pair.first, MISTAKES_PER_PAIR),
            first_right=show(pair.first, pair.first, EXEMPLARS_PER_PAIR),
            second_right=show(pair.second, pair.second, EXEMPLARS_PER_PAIR),
        )
        for pair in pairs[:MAX_PAIRS]
    )


def worst_mistakes(outcome: Outcome, writer: ThumbnailWriter) -> tuple[Picture, ...]:
    """Return the mistakes with the highest probability, the surest first."""
    return _pictures(outcome, _surest(outcome, np.flatnonzero(~outcome.correct), MAX_WORST), writer)


def recognised(outcome: Outcome, writer: ThumbnailWriter, *, seed: int) -> tuple[Picture, ...]:
    """Return a few recognised pictures, drawn at random."""
    rows = np.flatnonzero(outcome.correct)
    drawn = np.random.default_rng(seed).permutation(rows)[:MAX_RECOGNISED]
    return _pictures(outcome, drawn.tolist(), writer)


def leak_pairs(leaks: Sequence[Leak], table: Table, outcome: Outcome, writer: ThumbnailWriter) -> tuple[LeakPair, ...]:
    """Give the first leaks their pictures, exact copies first."""
    ordered = sorted(leaks, key=lambda leak: _LEAK_ORDER.index(leak.kind) if leak.kind in _LEAK_ORDER else 99)
    shown = ordered[:MAX_LEAKS]
    wanted = {name for leak in shown for name in (leak.first, leak.second)}
    frame = table.frame.filter(pl.col("id").is_in(list(wanted)))
    rows = {row["id"]: row for row in frame.select("id", "path", "label").iter_rows(named=True)}
    evaluated = {name: place for place, name in enumerate(outcome.frame["id"].to_list())}

    def show(name: str) -> Picture:
        if name in evaluated:
            return _pictures(outcome, [evaluated[name]], writer)[0]
        row = rows.get(name)
        if row is None:  # a picture of another table, which was trained on
            return Picture(id=name, path=name)
        return Picture(id=name, path=row["path"], label=row["label"], file=writer.write(row["path"]))

    return tuple(
        LeakPair(leak.kind, leak.first_split, leak.second_split, show(leak.first), show(leak.second)) for leak in shown
    )


def _surest(outcome: Outcome, rows: NDArray[np.intp], limit: int) -> list[int]:
    order = np.argsort(-outcome.confidence[rows], kind="stable")
    chosen: list[int] = rows[order[:limit]].tolist()
    return chosen


def _pictures(outcome: Outcome, rows: Iterable[int], writer: ThumbnailWriter) -> tuple[Picture, ...]:
    return tuple(
        Picture(
            id=outcome.frame["id"][row],
            path=outcome.frame["path"][row],
            label=outcome.classes[outcome.truth[row]],
            predicted=outcome.classes[outcome.predicted[row]],
            probability=float(outcome.confidence[row]),
            file=writer.write(outcome.frame["path"][row]),
        )
        for row in rows
    )
