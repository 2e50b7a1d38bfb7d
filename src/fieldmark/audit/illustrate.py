"""An audit's folder: thumbnails of the worst of each kind, and the record."""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from fieldmark.audit_results import AUDIT_PICTURES, AuditedRow, AuditResult, CopyFamily, Suspect
from fieldmark.data.thumbnail_files import ThumbnailWriter
from fieldmark.record_files import replace_folder

Finding = TypeVar("Finding")

#: Findings of one kind, and copies of one picture, that get thumbnails.
SHOWN = 40
_OF_A_FAMILY = 6


def write_audit(result: AuditResult, root: Path, out: Path) -> AuditResult:
    """Write thumbnails and the record into a folder; what an earlier audit left there is replaced.

    Args:
        result: what was found.
        root: the folder that paths are relative to.
        out: the audit's folder; made where it is missing.

    Returns:
        The record with the thumbnails' places.
    """
    partial = out / (AUDIT_PICTURES + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    writer = ThumbnailWriter(root, partial, AUDIT_PICTURES)

    def show(row: AuditedRow) -> AuditedRow:
        return replace(row, file=writer.write(row.path)) if row.path else row

    shown = replace(
        result,
        copies=_of_each_kind(result.copies, _kind_of_family, lambda family: _show_family(family, show)),
        straddling=_of_each_kind(
            result.straddling, lambda _: "group", lambda one: replace(one, rows=tuple(show(row) for row in one.rows))
        ),
        suspects=_of_each_kind(result.suspects, lambda _: "suspect", lambda one: _show_suspect(one, show)),
        flaws=_of_each_kind(result.flaws, lambda flaw: flaw.kind, lambda flaw: replace(flaw, row=show(flaw.row))),
    )
    replace_folder(partial, out / AUDIT_PICTURES)
    shown.save(out)
    return shown


def _of_each_kind(
    found: Sequence[Finding], kind: Callable[[Finding], str], show: Callable[[Finding], Finding]
) -> tuple[Finding, ...]:
    """Give the first few findings of each kind their thumbnails."""
    seen: Counter[str] = Counter()
    shown = []
    for entry in found:
        seen[kind(entry)] += 1
        shown.append(show(entry) if seen[kind(entry)] <= SHOWN else entry)
    return tuple(shown)


def _kind_of_family(family: CopyFamily) -> str:
    return "conflict" if family.conflicts else "leak" if family.leaks else "copy"


def _show_family(family: CopyFamily, show: Callable[[AuditedRow], AuditedRow]) -> CopyFamily:
    rows = (*(show(row) for row in family.rows[:_OF_A_FAMILY]), *family.rows[_OF_A_FAMILY:])
    return replace(family, rows=rows)


def _show_suspect(suspect: Suspect, show: Callable[[AuditedRow], AuditedRow]) -> Suspect:
    example = None if suspect.example is None else show(suspect.example)
    return replace(suspect, row=show(suspect.row), example=example)
