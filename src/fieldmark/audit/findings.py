"""From arrays to the records of an audit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fieldmark.audit.copies import Families
from fieldmark.audit.labels import JudgedLabels
from fieldmark.audit.neighbours import Neighbours
from fieldmark.audit.odd import ODD, oddness
from fieldmark.audit.projection import COMPARED, centred
from fieldmark.audit.quality import BLURRED, qualities
from fieldmark.audit_results import AuditedRow, CopyFamily, Flaw, Suspect
from fieldmark.data.cache import CachedImages
from fieldmark.data.table import Table
from fieldmark.records import Progress


@dataclass(frozen=True)
class AuditedPictures:
    """The decoded pictures of a table and, with a network, their embeddings.

    Attributes:
        images: the pictures, one or more.
        rows: the row of each, in the order of ``images``.
        vectors: (N, K) float32; ``None`` without a network.
    """

    images: CachedImages
    rows: tuple[AuditedRow, ...]
    vectors: npt.NDArray[np.float32] | None

    def labels(self, classes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return each picture's class index (N,), -1 where it has none."""
        places = {name: place for place, name in enumerate(classes)}
        return np.array([-1 if row.label is None else places[row.label] for row in self.rows], np.int64)

    def sizes(self) -> Mapping[str, npt.NDArray[np.int32]]:
        """Return id → (width, height) of the original in px."""
        return {row.id: size for row, size in zip(self.rows, self.images.sizes, strict=True)}


def audited_rows(table: Table) -> dict[str, AuditedRow]:
    """Return the rows of a table as findings name them, by id."""
    columns = table.frame.select("id", "path", "label", "split", "group").iter_rows()
    return {name: AuditedRow(name, path or "", label, split, group) for name, path, label, split, group in columns}


def copy_families(families: Families, pictures: AuditedPictures) -> tuple[CopyFamily, ...]:
    """Name the families of copies: those that leak first, then those that conflict, exact ones first."""
    content = pictures.images.content
    found = []
    for members in families.members():
        kind = "exact" if len({content[row] for row in members}) == 1 else "near"
        agreement = round(float(families.agreement[members].min()), 4)
        found.append(CopyFamily(kind, tuple(pictures.rows[row] for row in members), agreement))

    def order(family: CopyFamily) -> tuple[bool, bool, bool, float, str]:
        return not family.leaks, not family.conflicts, family.kind != "exact", -family.agreement, family.rows[0].id

    return tuple(sorted(found, key=order))


def kept_together(rows: Sequence[AuditedRow], families: Families) -> list[str]:
    """Name what must stay in one fold with each row: copies, rows of its group, and what hangs together by both."""
    joined = Families(len(rows))
    places = np.arange(len(rows))
    nothing = np.zeros(len(rows), np.float32)
    joined.join(families.roots(), places, nothing)
    firsts: dict[str, int] = {}
    groups = [place if row.group is None else firsts.setdefault(row.group, place) for place, row in enumerate(rows)]
    joined.join(np.array(groups, np.int64), places, nothing)
    return [str(root) for root in joined.roots()]


def quality_flaws(pictures: AuditedPictures, progress: Progress | None = None) -> list[Flaw]:
    """Name the pictures that are nearly black, nearly white or blurred."""
    found = []
    for done, (row, quality) in enumerate(zip(pictures.rows, qualities(pictures.images), strict=True), 1):
        if quality.dark or quality.bright:
            found.append(Flaw("dark" if quality.dark else "bright", row, round(quality.brightness, 4)))
        elif quality.blur is not None and quality.blur >= BLURRED:
            found.append(Flaw("blurred", row, round(quality.blur, 4)))
        if progress is not None:
            progress(done, len(pictures.rows))
    return found


def odd_ones(pictures: AuditedPictures, distinct: npt.NDArray[np.int64], neighbours: Neighbours) -> list[Flaw]:
    """Name the pictures that resemble no other.

    Args:
        pictures: all of them.
        distinct: places (n,) of one picture of each family.
        neighbours: of these.
    """
    scores = oddness(neighbours.cosines)
    odd = np.flatnonzero(scores >= ODD)
    return [Flaw("odd", pictures.rows[distinct[place]], round(float(scores[place]), 2)) for place in odd]


def in_order(flaws: Iterable[Flaw]) -> tuple[Flaw, ...]:
    """Sort flaws by kind, the worst first."""
    return tuple(
        sorted(flaws, key=lambda flaw: (flaw.kind, flaw.value if flaw.kind == "dark" else -flaw.value, flaw.row.id))
    )


def suspects(judged: JudgedLabels, pictures: AuditedPictures, classes: Sequence[str]) -> tuple[Suspect, ...]:
    """Name the rows whose label is not the most probable one, the highest log-odds first.

    Args:
        judged: what was found of the labels.
        pictures: with their embeddings.
        classes: the class names.
    """
    if pictures.vectors is None:
        raise ValueError("labels are judged by embeddings")
    said = judged.judgement
    doubtful = np.flatnonzero((said.log_odds > 0) | said.wrong)
    doubtful = doubtful[np.argsort(-said.log_odds[doubtful], kind="stable")]
    trusted = np.setdiff1d(judged.rows, judged.rows[doubtful])
    examples = _Examples(centred(pictures.vectors[:, :COMPARED]), trusted, pictures.labels(classes))
    found = []
    for place in doubtful.tolist():
        row, suggested = int(judged.rows[place]), int(said.suggested[place])
        example = examples.nearest(row, suggested)
        found.append(
            Suspect(
                row=pictures.rows[row],
                suggested=classes[suggested],
                probability=round(float(said.probability[place]), 6),
                suggested_probability=round(float(said.suggested_probability[place]), 6),
                log_odds=round(float(said.log_odds[place]), 4),
                confident=bool(said.wrong[place]),
                example=None if example is None else pictures.rows[example],
            )
        )
    return tuple(found)


class _Examples:
    """Rows whose label nobody doubts, to hold a suspect against.

    Args:
        vectors: (N, D) of length 1.
        trusted: their places.
        labels: (N,) class index.
    """

    def __init__(
        self, vectors: npt.NDArray[np.float32], trusted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]
    ) -> None:
        self._vectors = vectors
        self._of_class = {label: trusted[labels[trusted] == label] for label in np.unique(labels[trusted]).tolist()}

    def nearest(self, row: int, label: int) -> int | None:
        """Return the place of the row of a class that looks most like a row; ``None`` where there is none."""
        alike = self._of_class.get(label)
        return None if alike is None else int(alike[(self._vectors[alike] @ self._vectors[row]).argmax()])
