"""Predictions as rows of a table: the same columns in every kind of file."""

from collections.abc import Callable
from dataclasses import dataclass

from fieldmark.models.bundle import BundleInfo
from fieldmark.predict.sources import displayable
from fieldmark.records import Prediction

#: A cell; ``None`` where there is nothing.
Cell = str | float | bool | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: its name.
        kind: what its cells are: ``"text"``, ``"share"`` (0..1), ``"figure"``, ``"flag"`` or ``"names"``.
        cell: from a prediction to its cell.
    """

    name: str
    kind: str
    cell: Callable[[Prediction], Cell]


def columns_of(info: BundleInfo, top: int) -> tuple[Column, ...]:
    """Return the columns of predictions made with a bundle.

    Args:
        info: the bundle; its ranks but the last, the class itself, have a column each.
        top: how many classes a row lists, at least 1.
    """
    ranks = info.rank_names
    return (
        Column("source", "text", lambda row: displayable(row.source)),
        Column("label", "text", lambda row: row.label),
        Column("probability", "share", lambda row: row.probability),
        *(Column(name, "text", _rank(place, len(ranks))) for place, name in enumerate(ranks[:-1])),
        *(column for place in range(2, top + 1) for column in _further(place)),
        Column("error", "text", lambda row: None if row.error is None else displayable(row.error)),
        Column("answer", "text", lambda row: row.answer),
        *_DECISION,
    )


def _rank(place: int, ranks: int) -> Callable[[Prediction], Cell]:
    return lambda row: row.lineage[place] if len(row.lineage) == ranks else None


def _further(place: int) -> tuple[Column, Column]:
    """Return the columns of the class that is ``place``-th best, from 2 on."""

    def name(row: Prediction) -> Cell:
        return row.top[place - 1][0] if len(row.top) >= place else None

    def probability(row: Prediction) -> Cell:
        return row.top[place - 1][1] if len(row.top) >= place else None

    return Column(f"label_{place}", "text", name), Column(f"probability_{place}", "share", probability)


def _decided(name: str, kind: str) -> Column:
    return Column(name, kind, lambda row: None if row.decision is None else getattr(row.decision, name))


#: What is told of decisions; empty where the bundle has no rule.
_DECISION = (
    _decided("known", "flag"),
    _decided("novelty", "figure"),
    _decided("candidates", "names"),
    _decided("rank", "text"),
    _decided("name", "text"),
    _decided("confidence", "share"),
    _decided("flagged", "names"),
)
