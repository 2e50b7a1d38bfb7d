"""The audit of a data set: wrong copies, groups, labels and pictures, and classes that give themselves away."""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import fieldmark
from fieldmark.audit.copies import Families, families_by_hash, join_by_embedding
from fieldmark.audit.findings import (
    AuditedPictures,
    audited_rows,
    copy_families,
    in_order,
    kept_together,
    odd_ones,
    quality_flaws,
    suspects,
)
from fieldmark.audit.illustrate import write_audit
from fieldmark.audit.labels import judge_by_folds
from fieldmark.audit.neighbours import nearest
from fieldmark.audit.odd import NEIGHBOURS
from fieldmark.audit.projection import COMPARED, centred
from fieldmark.audit.sources import single_sources, straddling_groups
from fieldmark.audit.wording import faults_of, not_looked_for, notes_of
from fieldmark.audit_results import AuditedRow, AuditResult, DataReport, Flaw
from fieldmark.data.checking import check_data, decode_for_check, pictures_of
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.records import Progress

if TYPE_CHECKING:
    from fieldmark.audit.network import FrozenNetwork

#: Called as ``progress(name, done, total)`` while a step of the audit runs.
AuditProgress = Callable[[str, int, int], None]


def audit_table(
    data: Table | Path | str,
    *,
    cache: Path | str,
    network: "FrozenNetwork | None" = None,
    out: Path | str | None = None,
    reader: str | None = None,
    seed: int = 0,
    progress: AuditProgress | None = None,
) -> AuditResult:
    """Look for everything in a data set that spoils training or flatters a figure.

    Copies inside and across splits, conflicting labels of copies, groups that straddle splits, suspicious labels,
    blurred, dark, bright and odd pictures, and classes of a single source; beside what ``check_data`` says. Nothing is
    changed; ``repair_table`` makes a table without the faults.

    Args:
        data: a table, or anything that ``read_table`` reads.
        cache: folder of decoded pictures, shared by runs.
        network: embeds the pictures; without it copies are found by hash alone, and neither suspicious labels nor odd
            pictures are looked for.
        out: the audit's folder: the record, thumbnails of the worst and the page are written into it.
        reader: name of the reader of ``data``; by default the format is recognised.
        seed: of folds and of the splits where the data has none.
        progress: told how far each step is.

    Raises:
        DataError: the data can't be read.
        BundleError: the network gives no numbers.
    """
    cache = Path(cache)
    table = data if isinstance(data, Table) else read_table(data, reader=reader, seed=seed)
    report = check_data(table, cache, _step(progress, "Decoding pictures"))
    result = _audit(table, report, cache, network, seed, progress)
    return result if out is None else write_audit(result, table.root, Path(out))


def _audit(
    table: Table,
    report: DataReport,
    cache: Path,
    network: "FrozenNetwork | None",
    seed: int,
    tell: AuditProgress | None,
) -> AuditResult:
    rows = audited_rows(table)
    result = AuditResult(
        **{entry.name: getattr(report, entry.name) for entry in fields(DataReport)},
        network=network.name if network is not None else None,
        straddling=straddling_groups(rows.values()),
        fieldmark_version=fieldmark.__version__,
        audited_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    pictures = _look(pictures_of(table), rows, cache, network, seed, tell)
    if pictures is not None:
        result = _of_pictures(result, pictures, table.classes, seed, tell)
    sizes = {} if pictures is None else pictures.sizes()
    result = replace(result, single_sources=single_sources(tuple(rows.values()), sizes))
    return replace(
        result,
        not_looked_for=not_looked_for(result),
        faults=(*report.faults, *faults_of(result)),
        notes=(*report.notes, *notes_of(result, network.learned_from if network is not None else "")),
    )


def _look(
    pictures: Table,
    rows: Mapping[str, AuditedRow],
    cache: Path,
    network: "FrozenNetwork | None",
    seed: int,
    tell: AuditProgress | None,
) -> AuditedPictures | None:
    """Decode and embed the pictures; ``None`` where there is none that can be decoded."""
    images = decode_for_check(pictures, cache) if len(pictures) else None
    if images is None or not len(images.table):
        return None
    vectors = None
    if network is not None:
        from fieldmark.audit.embedding import embed_pictures

        vectors = embed_pictures(images.table, network, seed=seed, progress=_step(tell, "Embedding pictures"))
    return AuditedPictures(images, tuple(rows[name] for name in images.table.frame["id"]), vectors)


def _of_pictures(
    result: AuditResult, pictures: AuditedPictures, classes: tuple[str, ...], seed: int, tell: AuditProgress | None
) -> AuditResult:
    families = families_by_hash(pictures.images, progress=_step(tell, "Comparing hashes"))
    flaws = quality_flaws(pictures, _step(tell, "Measuring pictures"))
    judged = None
    if pictures.vectors is not None:
        flaws += _compare_embeddings(pictures, pictures.vectors, families, tell)
        judged = judge_by_folds(
            centred(pictures.vectors),
            pictures.labels(classes),
            kept_together(pictures.rows, families),
            seed=seed,
            progress=_step(tell, "Reading labels in folds"),
        )
    return replace(
        result,
        pictures=len(pictures.rows),
        copies=copy_families(families, pictures),
        flaws=in_order(flaws),
        suspects=() if judged is None else suspects(judged, pictures, classes),
        estimated_wrong=None if judged is None else round(judged.judgement.estimated_wrong),
        agreement=None if judged is None else float((judged.judgement.log_odds < 0).mean()),
    )


def _compare_embeddings(
    pictures: AuditedPictures, vectors: npt.NDArray[np.float32], families: Families, tell: AuditProgress | None
) -> list[Flaw]:
    """Join the copies that only embeddings tell, in place, and return the odd pictures; of copies the first speaks."""
    distinct = np.unique(families.roots())
    compared = vectors[distinct, :COMPARED]
    neighbours = nearest(compared, NEIGHBOURS, progress=_step(tell, "Comparing embeddings"))
    progress = _step(tell, "Laying pictures over each other")
    join_by_embedding(families, pictures.images, distinct, neighbours, centred(compared), progress)
    return odd_ones(pictures, distinct, neighbours)


def _step(tell: AuditProgress | None, name: str) -> Progress | None:
    return None if tell is None else lambda done, total: tell(name, done, total)
