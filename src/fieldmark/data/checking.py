"""What is in a data set, and what is wrong with it."""

import hashlib
from pathlib import Path

import numpy as np
import polars as pl

from fieldmark.audit_results import IMBALANCED, ClassRows, DataReport
from fieldmark.data.audio import decode_sound, is_sound
from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.leaks import find_copies, find_leaks
from fieldmark.data.table import SPLITS, Table
from fieldmark.errors import BrokenSoundError
from fieldmark.records import BrokenRow, Leak, Preprocessing, Progress

#: Side in pixels at which pictures are decoded for a check: enough to tell near duplicates and blur; of very many
#: pictures (the cache holds so much) half as large, which still tells duplicates.
_RESOLUTION, _SMALL_RESOLUTION = 128, 64
_MANY = 200_000

#: Names that a sentence lists.
_LISTED = 5


def check_data(table: Table, cache: Path, progress: Progress | None = None) -> DataReport:
    """Decode every picture or sound of a table and look for what is wrong with it.

    Texts count as the same where they differ in blanks and in capital letters only.

    Args:
        table: the rows to check.
        cache: folder of decoded pictures.
        progress: called with the numbers of samples decoded and in all.

    Returns:
        What was found; its ``faults`` are empty where all is well.
    """
    sounds = table.where(is_sound())
    pictures = pictures_of(table)
    images = None
    broken: tuple[BrokenRow, ...] = ()
    leaks: tuple[Leak, ...] = ()
    if len(pictures):
        images = decode_for_check(pictures, cache, progress)
        broken, leaks = images.broken, find_leaks(pictures, images)
    if len(sounds):
        fine, content, silent = _hear(sounds, progress)
        broken, leaks = (*broken, *silent), (*leaks, *find_copies(fine, content))
    texts = table.where(pl.col("path").is_null() & pl.col("text").is_not_null())
    if len(texts):
        leaks = (*leaks, *find_copies(texts, [" ".join(text.casefold().split()) for text in texts.frame["text"]]))
    kind = "picture" if len(pictures) else "sound" if len(sounds) else "text"
    classes = _class_rows(table)
    occurring = [entry.rows for entry in classes if entry.rows]
    imbalance = max(occurring) / min(occurring) if occurring else None
    frame = table.frame
    return DataReport(
        root=str(table.root),
        reader=table.reader,
        recognised_by=table.recognised_by,
        fingerprint=table.fingerprint(),
        rows=len(table),
        labelled=len(table.labelled()),
        splits=table.counts(),
        classes=classes,
        ranks=_rank_sizes(table),
        groups=frame["group"].drop_nulls().n_unique(),
        boxes=int(frame["box"].is_not_null().sum()),
        with_parts=int((frame["parts"].list.len() > 0).sum()),
        with_attributes=int((frame["attributes"].list.len() > 0).sum()),
        part_names=table.part_names,
        attribute_names=table.attribute_names,
        picture_sides=_sides(images),
        imbalance=imbalance,
        broken=broken,
        skipped=table.skipped,
        leaks=leaks,
        faults=_faults(kind, table.skipped, broken, leaks, classes),
        notes=_notes(classes, imbalance),
    )


def pictures_of(table: Table) -> Table:
    """Keep the rows that hold pictures."""
    return table.where(pl.col("path").is_not_null() & ~is_sound())


def side_of_check(count: int) -> int:
    """Return the side in px at which so many pictures are looked at."""
    return _RESOLUTION if count <= _MANY else _SMALL_RESOLUTION


def decode_for_check(pictures: Table, cache: Path, progress: Progress | None = None) -> CachedImages:
    """Decode the pictures of a table as a check looks at them; any number of them may be broken.

    Args:
        pictures: the rows, one or more.
        cache: folder of decoded pictures.
        progress: told how many pictures are done.
    """
    side = side_of_check(len(pictures))
    return cache_images(pictures, Preprocessing(side), cache, max_broken=1.0, progress=progress)


def _hear(table: Table, progress: Progress | None) -> tuple[Table, list[str], tuple[BrokenRow, ...]]:
    """Decode sounds one by one: the rows that could be, a digest of each, and those that could not."""
    content: list[str] = []
    broken: list[BrokenRow] = []
    for done, (identity, path) in enumerate(table.frame.select("id", "path").iter_rows(), 1):
        try:
            content.append(hashlib.sha256(decode_sound(table.root / path).tobytes()).hexdigest())
        except BrokenSoundError as error:
            broken.append(BrokenRow(identity, path, error.message))
        if progress:
            progress(done, len(table))
    fine = table.where(~pl.col("id").is_in([row.id for row in broken]))
    return fine, content, tuple(broken)


def _class_rows(table: Table) -> tuple[ClassRows, ...]:
    labelled = table.labelled().frame.select("label", pl.col("split").fill_null("none"))
    counted = labelled.group_by("label", "split").len()
    found = {(row["label"], row["split"]): int(row["len"]) for row in counted.to_dicts()}
    entries = []
    for name in table.classes:
        train, val, test, none = (found.get((name, split), 0) for split in (*SPLITS, "none"))
        entries.append(ClassRows(name, train + val + test + none, (train, val, test, none)))
    return tuple(entries)


def _rank_sizes(table: Table) -> dict[str, int]:
    lineages = [names for names in table.lineage_of().values() if len(names) == len(table.rank_names)]
    return {rank: len({names[place] for names in lineages}) for place, rank in enumerate(table.rank_names)}


def _sides(images: CachedImages | None) -> tuple[int, ...]:
    if images is None or not len(images.sizes):
        return ()
    longer = np.asarray(images.sizes).max(1)
    return int(longer.min()), int(np.median(longer)), int(longer.max())


def _faults(
    kind: str,
    skipped: tuple[BrokenRow, ...],
    broken: tuple[BrokenRow, ...],
    leaks: tuple[Leak, ...],
    classes: tuple[ClassRows, ...],
) -> tuple[str, ...]:
    """Say what should be put right; ``kind`` is the word for a sample."""
    faults = []
    if skipped:
        faults.append(f"{_counted(len(skipped), 'file')} could not become a row.")
    if broken:
        faults.append(f"{_counted(len(broken), kind)} can't be decoded.")
    for sort, words in (
        ("exact", "show the same picture" if kind == "picture" else f"hold the same {kind}"),
        ("near", "show almost the same picture"),
        ("group", "share a group"),
    ):
        count = sum(leak.kind == sort for leak in leaks)
        if count:
            faults.append(f"{_counted(count, 'pair')} of rows in different splits {words}.")
    trained = any(entry.counts[0] for entry in classes)
    untrained = [entry.name for entry in classes if entry.rows and not entry.counts[0]]
    if trained and untrained:
        faults.append(f"{_counted(len(untrained), 'class', 'classes')} without training rows: {_listed(untrained)}.")
    return tuple(faults)


def _notes(classes: tuple[ClassRows, ...], imbalance: float | None) -> tuple[str, ...]:
    notes = []
    empty = [entry.name for entry in classes if not entry.rows]
    if empty:
        notes.append(f"{_counted(len(empty), 'class', 'classes')} without any row: {_listed(empty)}.")
    if imbalance is not None and imbalance >= IMBALANCED:
        notes.append(
            f"The largest class has {imbalance:.0f} times the rows of the smallest: look at macro recall, "
            "and try --class-balanced."
        )
    return tuple(notes)


def _counted(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
