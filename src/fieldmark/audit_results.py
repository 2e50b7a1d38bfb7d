"""What an audit of a data set found: frozen records, saved as JSON and shown without torch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fieldmark.errors import DataError
from fieldmark.record_files import RecordFormat, save_text
from fieldmark.records import BrokenRow, Leak

#: What an audit's folder holds.
AUDIT_FILE = "audit.json"
AUDIT_PAGE = "audit.html"
AUDIT_PICTURES = "pictures"

#: From this ratio of the largest class to the smallest on, the imbalance is worth a note.
IMBALANCED = 10.0

_FORMAT = RecordFormat(1, "The audit", "Audit the data again: fieldmark data check PATH --out FOLDER.")


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


@dataclass(frozen=True, slots=True)
class AuditedRow:
    """A row that a finding speaks of.

    Attributes:
        id: its id in the table.
        path: the picture's path as the table gives it; empty where the row is no picture.
        label: its class; ``None`` where it has none.
        split: its split; ``None`` where it is in none.
        group: its group; ``None`` where it has none.
        file: the thumbnail's place, seen from the audit's folder; empty where there is none.
    """

    id: str
    path: str
    label: str | None = None
    split: str | None = None
    group: str | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class CopyFamily:
    """Rows that all show one picture.

    Attributes:
        kind: ``"exact"`` where all files hold the same bytes, ``"near"`` otherwise.
        rows: the copies, two or more, in the table's order.
        agreement: the least, over the copies, of how well the best of the others agrees with it, in -1..1 (1 where
            the bytes are the same).
    """

    kind: str
    rows: tuple[AuditedRow, ...]
    agreement: float

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that it lies in, sorted."""
        return tuple(sorted({row.split for row in self.rows if row.split is not None}))

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that it is given, sorted."""
        return tuple(sorted({row.label for row in self.rows if row.label is not None}))

    @property
    def leaks(self) -> bool:
        """Whether it lies on both sides of a split."""
        return len(self.splits) > 1

    @property
    def conflicts(self) -> bool:
        """Whether one picture is given several classes."""
        return len(self.labels) > 1


@dataclass(frozen=True, slots=True)
class StraddlingGroup:
    """A group with rows in several splits.

    Attributes:
        group: its name.
        members: split → ids of its rows.
        rows: its first row of each split.
    """

    group: str
    members: Mapping[str, tuple[str, ...]]
    rows: tuple[AuditedRow, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Split → number of its rows."""
        return {split: len(names) for split, names in self.members.items()}


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row whose label is not what a classifier that never saw it says.

    Attributes:
        row: the row with its given label.
        suggested: the most probable other class.
        probability: out-of-fold probability of the given label, in 0..1.
        suggested_probability: that of ``suggested``, in 0..1.
        log_odds: natural logarithm of ``suggested_probability / probability``; suspects are ranked by it.
        confident: whether confident learning counts it as a wrong label.
        example: a row of the suggested class that looks most like it; ``None`` where there is none.
    """

    row: AuditedRow
    suggested: str
    probability: float
    suggested_probability: float
    log_odds: float
    confident: bool
    example: AuditedRow | None = None


@dataclass(frozen=True, slots=True)
class Flaw:
    """A picture that is hard to use.

    Attributes:
        kind: a name in ``audit_kinds.FLAWS``.
        row: the row.
        value: how much so: of blurred ones the blur in 0..1, of dark and bright ones the mean brightness in 0..1, of
            odd ones the distance to the pictures nearest to it in robust standard deviations above the median.
    """

    kind: str
    row: AuditedRow
    value: float


@dataclass(frozen=True, slots=True)
class SingleSource:
    """A class that could be told by where its pictures come from.

    Attributes:
        label: the class.
        by: ``"group"``, ``"size"`` (width × height in px) or ``"format"`` (ending of the file's name).
        value: what (nearly) all its pictures share.
        rows: its pictures that tell their source.
        share: share of them that have ``value``, in 0..1.
        elsewhere: share of the other classes' pictures that have it, in 0..1.
    """

    label: str
    by: str
    value: str
    rows: int
    share: float
    elsewhere: float


@dataclass(frozen=True, slots=True)
class AuditResult(DataReport):
    """What an audit found, beside what the check of its base class says; each kind worst first.

    Attributes:
        pictures: pictures that could be decoded.
        network: the network whose embeddings were compared; ``None`` where pictures were compared by hash alone.
        copies: all families of copies: those that leak first, then those that conflict, then the others.
        straddling: groups with rows in several splits.
        suspects: rows whose label is not the most probable one.
        estimated_wrong: number of wrong labels that confident learning estimates; ``None`` where none was learned.
        flaws: blurred, dark, bright and odd pictures.
        single_sources: classes that all come from one group, size or format.
        not_looked_for: kind in ``audit_kinds.KINDS`` that was not looked for → why.
        fieldmark_version: the version that audited.
        audited_at: when, as ISO 8601 in UTC.
    """

    pictures: int = 0
    network: str | None = None
    copies: tuple[CopyFamily, ...] = ()
    straddling: tuple[StraddlingGroup, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    estimated_wrong: int | None = None
    flaws: tuple[Flaw, ...] = ()
    single_sources: tuple[SingleSource, ...] = ()
    not_looked_for: Mapping[str, str] = field(default_factory=dict)
    fieldmark_version: str = ""
    audited_at: str = ""

    @property
    def leaking(self) -> tuple[CopyFamily, ...]:
        """The families that lie on both sides of a split."""
        return tuple(family for family in self.copies if family.leaks)

    @property
    def conflicting(self) -> tuple[CopyFamily, ...]:
        """The families that are given several classes."""
        return tuple(family for family in self.copies if family.conflicts)

    @property
    def copies_inside(self) -> tuple[CopyFamily, ...]:
        """The families that neither leak nor conflict."""
        return tuple(family for family in self.copies if not family.leaks and not family.conflicts)

    @property
    def confident(self) -> tuple[Suspect, ...]:
        """The suspects that confident learning counts as wrong labels."""
        return tuple(suspect for suspect in self.suspects if suspect.confident)

    def flaws_of(self, kind: str) -> tuple[Flaw, ...]:
        """Return the flaws of one kind in ``audit_kinds.FLAWS``."""
        return tuple(flaw for flaw in self.flaws if flaw.kind == kind)

    def counts(self) -> dict[str, int]:
        """Return kind in ``audit_kinds.KINDS`` → number of findings; of suspects, those that are sure."""
        return {
            "broken": len(self.broken),
            "leaks": len(self.leaking),
            "groups": len(self.straddling),
            "conflicts": len(self.conflicting),
            "suspects": len(self.confident),
            **{kind: len(self.flaws_of(kind)) for kind in ("odd", "blurred", "dark", "bright")},
            "sources": len(self.single_sources),
            "imbalance": int(self.imbalance is not None and self.imbalance >= IMBALANCED),
            "copies": len(self.copies_inside),
        }

    def to_json(self) -> str:
        """Return the audit as JSON with sorted keys; ``from_json`` gives it back."""
        return _FORMAT.to_json(self, rank_names=list(self.ranks))  # sorted by name, their order would be lost

    @staticmethod
    def from_json(text: str) -> "AuditResult":
        """Read an audit that ``to_json`` wrote.

        Raises:
            DataError: it isn't such an audit, or another version's.
        """
        return _FORMAT.from_json(AuditResult, text, _in_order)

    def save(self, folder: Path) -> Path:
        """Write the audit into its folder, atomically, and return the file."""
        folder.mkdir(parents=True, exist_ok=True)
        return save_text(folder / AUDIT_FILE, self.to_json())

    @staticmethod
    def load(folder: Path) -> "AuditResult":
        """Read the audit in a folder.

        Raises:
            DataError: there is none, or it can't be read.
        """
        path = folder / AUDIT_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise DataError(
                f"{path} can't be read: {reason}.", f"Audit first: fieldmark data check PATH --out {folder}."
            ) from error
        return AuditResult.from_json(text)


def _in_order(data: dict[str, Any]) -> dict[str, Any]:
    """Bring the ranks, sorted by name in the file, back into their order."""
    ranks, order = data["ranks"], data.pop("rank_names")
    return {**data, "ranks": {name: ranks[name] for name in order}}
