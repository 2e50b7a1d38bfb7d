"""What is in a data set, and what is wrong with it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from fieldmark.data.audio import decode_sound, is_sound
from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.leaks import find_copies, find_leaks
from fieldmark.data.table import SPLITS, Table
from fieldmark.errors import BrokenSoundError
from fieldmark.records import BrokenRow, Leak, Preprocessing, Progress

#: Side in pixels at which pictures are decoded for a check: enough to tell near duplicates.
_RESOLUTION = 64

#: From this ratio of the largest class to the smallest on, the imbalance is worth a note.
_IMBALANCED = 10.0

#: Names that a sentence lists.
_LISTED = 5


@dataclass(frozen=True, slots=True)
class ClassRows:
    """How many labelled rows a class has.

    Attributes:
        name: the class.
        rows: all its rows.
        counts: its rows of split train, val, test and of no split.
    """

    name: str
    rows: int
    counts: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class DataReport:
    """What a check found.

    Attributes:
        root: the folder that paths are relative to.
        reader: the format's name.
        recognised_by: what it was recognised by, in words.
        fingerprint: the table's fingerprint.
        rows: number of rows.
        labelled: rows that have a label.
        splits: split (or ``"none"``) → rows.
        classes: one entry per class.
        ranks: rank name → number of names that occur, coarse to fine.
        groups: number of groups; 0 where rows have none.
        boxes: rows that have a box.
        with_parts: rows that have keypoints.
        with_attributes: rows that have attributes.
        part_names: the keypoints' names.
        attribute_names: the attributes' names.
        picture_sides: smallest, median and largest longer side of the pictures in px; empty without pictures.
        imbalance: rows of the largest class by those of the smallest that has any; ``None`` without labels.
        broken: pictures and sounds that can't be decoded.
        skipped: files that could not become rows.
        leaks: samples and groups on both sides of a split.
        faults: what should be put right, in words; empty where all is well.
        notes: what is worth knowing, in words.
    """

    root: str
    reader: str
    recognised_by: str
    fingerprint: str
    rows: int
    labelled: int
    splits: Mapping[str, int]
    classes: tuple[ClassRows, ...]
    ranks: Mapping[str, int]
    groups: int
    boxes: int
    with_parts: int
    with_attributes: int
    part_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    picture_sides: tuple[int, ...]
    imbalance: float | None
    broken: tuple[BrokenRow, ...]
    skipped: tuple[BrokenRow, ...]
    leaks: tuple[Leak, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    def overview(self) -> list[tuple[str, str]]:
        """Return what there is as pairs of a name and a value, in words."""
        lines = [
            ("format", f"{self.reader}, recognised by {self.recognised_by}" if self.recognised_by else self.reader),
            ("folder", self.root),
            ("fingerprint", self.fingerprint),
            ("rows", f"{self.rows:,} ({self.labelled:,} labelled, {self.rows - self.labelled:,} unlabelled)"),
            ("splits", ", ".join(f"{name} {count:,}" for name, count in self.splits.items())),
            ("classes", f"{len(self.classes):,}"),
        ]
        if len(self.ranks) > 1:
            lines.append(("lineage", ", ".join(f"{count:,} × {name}" for name, count in self.ranks.items())))
        if self.imbalance is not None:
            lines.append(("largest / smallest class", f"{self.imbalance:.1f}"))
        for name, count in (
            ("groups", self.groups),
            ("rows with a box", self.boxes),
            ("rows with keypoints", self.with_parts),
            ("rows with attributes", self.with_attributes),
        ):
            if count:
                lines.append((name, f"{count:,}"))
        if self.picture_sides:
            low, middle, high = self.picture_sides
            words = f"{low:,} to {high:,} px, median {middle:,} px" if low < high else f"{low:,} px"
            lines.append(("longer side of the pictures", words))
        return lines


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
    pictures = table.where(pl.col("path").is_not_null() & ~is_sound())
    images = None
    broken: tuple[BrokenRow, ...] = ()
    leaks: tuple[Leak, ...] = ()
    if len(pictures):
        images = cache_images(pictures, Preprocessing(_RESOLUTION), cache, max_broken=1.0, progress=progress)
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
    if imbalance is not None and imbalance >= _IMBALANCED:
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
