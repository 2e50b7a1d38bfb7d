"""The one schema of samples: a polars frame plus the names that its columns refer to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import polars as pl

from fieldmark.errors import DataError
from fieldmark.records import BrokenRow

#: The splits that a row may belong to; a row may also belong to none.
SPLITS = ("train", "val", "test")

#: One keypoint of a row: its name, its place in pixels of the original picture, whether it is seen.
PART = pl.Struct({"name": pl.String, "x": pl.Float64, "y": pl.Float64, "visible": pl.Boolean})

#: Every column of a table with its type; ``path`` or ``text`` holds the sample itself.
SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "path": pl.String(),
    "text": pl.String(),
    "label": pl.String(),
    "split": pl.String(),
    "group": pl.String(),
    "lineage": pl.List(pl.String()),
    "box": pl.List(pl.Float64()),
    "parts": pl.List(PART),
    "attributes": pl.List(pl.Float64()),
}

_METADATA_KEY = "fieldmark"

#: What polars raises of a file that is damaged; some damage makes it panic, which is no ``Exception``.
UNREADABLE = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)


@dataclass(frozen=True)
class Table:
    """Samples, one row each, with the names of their classes, ranks, parts and attributes.

    Attributes:
        frame: the columns of ``SCHEMA``: ``id`` is unique; ``path`` is relative to ``root`` (a part after ``#``
            is a picture's index inside a file of many); ``label`` and ``split`` may be null; rows of
            one ``group`` never straddle splits that Fieldmark makes; ``lineage`` runs from coarse to fine and
            ends in the label; ``box`` is (x, y, width, height) in pixels; ``attributes`` are percentages,
            in the order of ``attribute_names``.
        root: the folder that paths are relative to.
        classes: the class names; a class's index is its place here.
        rank_names: the names of the lineage's ranks, coarse to fine; ``("class",)`` where there is none.
        part_names: the names of the keypoints.
        attribute_names: the names of the attributes.
        reader: the name of the reader that made the table.
        recognised_by: what the reader saw that made it choose this format, in words.
        skipped: files that could not become rows, such as those whose name is not text.
    """

    frame: pl.DataFrame
    root: Path
    classes: tuple[str, ...] = ()
    rank_names: tuple[str, ...] = ("class",)
    part_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()
    reader: str = ""
    recognised_by: str = field(default="", compare=False)
    skipped: tuple[BrokenRow, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return self.frame.height

    def where(self, predicate: pl.Expr) -> "Table":
        """Keep the rows that fulfil a polars expression; classes and names stay."""
        return replace(self, frame=self.frame.filter(predicate))

    def split(self, *names: str) -> "Table":
        """Keep the rows of these splits."""
        return self.where(pl.col("split").is_in(list(names)))

    def labelled(self) -> "Table":
        """Keep the rows that have a label."""
        return self.where(pl.col("label").is_not_null())

    def label_indices(self) -> pl.Series:
        """Return every row's class index (Int64), null where there is no label."""
        places = {name: index for index, name in enumerate(self.classes)}
        return self.frame["label"].replace_strict(places, return_dtype=pl.Int64)

    def lineage_of(self) -> dict[str, tuple[str, ...]]:
        """Return each class's lineage, coarse to fine, ending in the class; only classes that have one."""
        rows = self.frame.filter(pl.col("lineage").is_not_null() & pl.col("label").is_not_null())
        first = rows.unique("label", keep="first", maintain_order=True)
        return {row["label"]: tuple(row["lineage"]) for row in first.select("label", "lineage").to_dicts()}

    def counts(self) -> dict[str, int]:
        """Return the number of rows per split; rows of no split count under ``"none"``."""
        found = self.frame["split"].fill_null("none").value_counts()
        return {row["split"]: row["count"] for row in found.sort("split").to_dicts()}

    def fingerprint(self) -> str:
        """Return 16 hex digits that change when a row's id, sample, label, split or group changes."""
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        columns = self.frame.select("id", "path", "text", "label", "split", "group").sort("id")
        for row in columns.iter_rows():
            digest.update(json.dumps(row).encode())
        return digest.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write the table as one Parquet file, atomically; ``load`` gives it back."""
        metadata = {
            "root": str(self.root.resolve()),
            "classes": self.classes,
            "rank_names": self.rank_names,
            "part_names": self.part_names,
            "attribute_names": self.attribute_names,
            "reader": self.reader,
            "skipped": [asdict(row) for row in self.skipped],
        }
        partial = path.with_name(path.name + ".partial")
        self.frame.write_parquet(partial, metadata={_METADATA_KEY: json.dumps(metadata)})
        partial.replace(path)

    @staticmethod
    def load(path: Path) -> "Table":
        """Read a table that ``save`` wrote.

        Raises:
            DataError: the file is not such a table.
        """
        try:
            metadata = json.loads(pl.read_parquet_metadata(path)[_METADATA_KEY])
            return Table(
                frame=pl.read_parquet(path, columns=list(SCHEMA)),
                root=Path(metadata["root"]),
                classes=tuple(metadata["classes"]),
                rank_names=tuple(metadata["rank_names"]),
                part_names=tuple(metadata["part_names"]),
                attribute_names=tuple(metadata["attribute_names"]),
                reader=metadata["reader"],
                skipped=tuple(BrokenRow(**row) for row in metadata["skipped"]),
            )
        except (*UNREADABLE, LookupError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} is not a table that Fieldmark wrote, or damaged.", "Read it as a manifest: --reader manifest."
            ) from error


def make_table(
    rows: Mapping[str, Sequence[object]],
    root: Path,
    *,
    reader: str,
    classes: Sequence[str] | None = None,
    rank_names: Sequence[str] = ("class",),
    part_names: Sequence[str] = (),
    attribute_names: Sequence[str] = (),
    recognised_by: str = "",
    skipped: Sequence[BrokenRow] = (),
) -> Table:
    """Build a table from columns and check it.

    Args:
        rows: column name → values; columns of ``SCHEMA`` that are absent become null, ``id`` defaults to ``path``.
        root: the folder that paths are relative to.
        reader: the name of the reader.
        classes: the class names in order; by default the sorted labels.
        rank_names: the names of the lineage's ranks.
        part_names: the names of the keypoints.
        attribute_names: the names of the attributes.
        recognised_by: what the format was recognised by.
        skipped: files that could not become rows.

    Raises:
        DataError: an unknown column, an empty table, a missing or repeated id, an unknown split, a repeated class,
            a label outside ``classes``, or a value that is not valid text.
    """
    unknown = sorted(set(rows) - set(SCHEMA))
    if unknown:
        raise DataError(f"Unknown columns: {', '.join(unknown)}.", f"A table has: {', '.join(SCHEMA)}.")
    height = max((len(values) for values in rows.values()), default=0)
    columns = {name: rows.get(name, [None] * height) for name in SCHEMA}
    if "id" not in rows:
        columns["id"] = columns["path"]
    try:
        frame = pl.DataFrame(columns, schema=SCHEMA, strict=False)
    except UnicodeEncodeError as error:  # half a surrogate pair, which JSON can spell
        raise DataError(f"{root} holds a value that is not valid text: {error.object!r}.", "Rename it.") from error
    names = tuple(classes) if classes is not None else tuple(sorted(frame["label"].drop_nulls().unique()))
    table = Table(
        frame=frame,
        root=root,
        classes=names,
        rank_names=tuple(rank_names),
        part_names=tuple(part_names),
        attribute_names=tuple(attribute_names),
        reader=reader,
        recognised_by=recognised_by,
        skipped=tuple(skipped),
    )
    _check(table)
    return table


def _check(table: Table) -> None:
    frame = table.frame
    if frame.height == 0:
        raise DataError(f"{table.root} holds no samples.", "Give a folder or file that has some.")
    if frame["id"].null_count():
        raise DataError(f"{frame['id'].null_count()} rows have neither id nor path.", "Give every row its own id.")
    repeated = frame["id"].filter(frame["id"].is_duplicated()).unique().sort().to_list()
    if repeated:
        raise DataError(f"{len(repeated)} ids occur twice, such as {repeated[0]!r}.", "Give every row its own id.")
    splits = set(frame["split"].drop_nulls().unique()) - set(SPLITS)
    if splits:
        raise DataError(f"Unknown split: {', '.join(sorted(splits))}.", f"Use {', '.join(SPLITS)} or leave it empty.")
    if len(set(table.classes)) < len(table.classes):
        twice = next(name for name in table.classes if table.classes.count(name) > 1)
        raise DataError(f"The class {twice!r} is listed twice.", "Give every class its own name.")
    strange = set(frame["label"].drop_nulls().unique()) - set(table.classes)
    if strange:
        raise DataError(
            f"Labels that are no class: {', '.join(sorted(strange)[:5])}.", "List every class, or give no list."
        )
