"""A table without the faults that an audit found; files stay as they are."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fieldmark.audit_results import AuditResult, CopyFamily
from fieldmark.data.table import SPLITS, Table
from fieldmark.errors import ConfigError, DataError, unknown_name
from fieldmark.record_files import save_text
from fieldmark.records import BrokenRow

#: What is dropped on demand only → what that means.
ON_DEMAND = {
    "suspects": "rows whose label confident learning counts as wrong",
    "groups": "rows outside the test split (or, without test rows, outside val) whose group lies there too",
}

#: What ends the name of the list of dropped rows, in place of the table's ending.
DROPPED_SUFFIX = ".dropped.csv"


@dataclass(frozen=True)
class Repair:
    """A repaired table.

    Attributes:
        table: the rows that are left.
        dropped: the rows that are not, each with the reason, in the order of the old table.
    """

    table: Table
    dropped: tuple[BrokenRow, ...]


def repair_table(table: Table, result: AuditResult, also: Collection[str] = ()) -> Repair:
    """Leave out the rows that an audit found to be broken, to leak, or to contradict their copies.

    * Broken pictures are dropped.
    * Of a picture with several labels every copy is dropped: nothing says which label is right.
    * Of a picture on both sides of a split, the copies in the test split stay, so that it measures what it measured
      before; where none is there, those in val. Copies inside one split stay.

    Args:
        table: the table that was audited.
        result: the audit.
        also: names in ``ON_DEMAND`` of what else to drop.

    Raises:
        ConfigError: an unknown name, or another table's audit.
        DataError: nothing would be left.
    """
    for name in also:
        if name not in ON_DEMAND:
            raise unknown_name("kind of row to drop", name, ON_DEMAND)
    if table.fingerprint() != result.fingerprint:
        raise ConfigError("The audit is of other data.", "Audit this table again.")
    reasons: dict[str, str] = {}
    for name, reason in _reasons(result, also):
        reasons.setdefault(name, reason)
    if len(reasons) == len(table):
        raise DataError("Every row would be dropped.", "Look at the audit; nothing was written.")
    paths = table.frame.select("id", pl.coalesce("path", "id")).iter_rows()
    dropped = tuple(BrokenRow(name, path, reasons[name]) for name, path in paths if name in reasons)
    return Repair(table.where(~pl.col("id").is_in(list(reasons))), dropped)


def save_repair(repair: Repair, out: Path) -> Path:
    """Write the repaired table, and beside it the list of what was dropped and why, atomically each.

    Args:
        repair: what to write.
        out: the table's file, whose name ends in .parquet; ``read_table`` reads it.

    Returns:
        The list's file.

    Raises:
        ConfigError: another ending, or a file that is no such table would be overwritten.
    """
    check_place(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    listing = out.with_name(out.name.removesuffix(".parquet") + DROPPED_SUFFIX)
    columns = {name: [getattr(row, name) for row in repair.dropped] for name in ("id", "path", "reason")}
    save_text(listing, pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).write_csv())
    repair.table.save(out)
    return listing


def check_place(out: Path) -> None:
    """Refuse a place for the repaired table before any work is done.

    Raises:
        ConfigError: its name doesn't end in .parquet, or something lies there already.
    """
    if out.suffix != ".parquet":
        raise ConfigError(f"{out} is no name for a table.", f"Let it end in .parquet, such as {out.name}.parquet.")
    if out.exists():
        raise ConfigError(f"{out} is there already.", "Name a new file; nothing is overwritten.")


def _reasons(result: AuditResult, also: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield ids with the reason why they are dropped, the gravest reason first."""
    for row in result.broken:
        yield row.id, f"broken: {row.reason}"
    for family in result.conflicting:
        for entry in family.rows:
            yield entry.id, f"conflict: copies of this picture are called {', '.join(family.labels)}"
    for family in result.leaking:
        yield from _leaking_copies(family)
    if "groups" in also:
        yield from _straddling_rows(result)
    if "suspects" in also:
        for suspect in result.confident:
            yield suspect.row.id, f"suspect: looks like {suspect.suggested}"


def _leaking_copies(family: CopyFamily) -> Iterator[tuple[str, str]]:
    kept = kept_split(family.splits)
    stays = next(row for row in family.rows if row.split == kept)
    for row in family.rows:
        if row.split is not None and row.split != kept:
            yield row.id, f"leak: {stays.id} in split {kept} shows the same picture"


def _straddling_rows(result: AuditResult) -> Iterator[tuple[str, str]]:
    for entry in result.straddling:
        kept = kept_split(tuple(entry.counts))
        for split, names in entry.members.items():
            if split != kept:
                for name in names:
                    yield name, f"group: rows of group {entry.group} lie in split {kept}"


def kept_split(splits: Sequence[str]) -> str:
    """Return the split whose rows stay: test before val before train."""
    return max(splits, key=SPLITS.index)
