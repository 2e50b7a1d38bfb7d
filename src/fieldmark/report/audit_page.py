"""The page of an audit: what it found, kind by kind, put into the template."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldmark.audit_kinds import KINDS, AuditKind
from fieldmark.audit_results import (
    AUDIT_FILE,
    AUDIT_PAGE,
    AUDIT_PICTURES,
    AuditedRow,
    AuditResult,
    CopyFamily,
)
from fieldmark.report.embedding import embedding
from fieldmark.report.rendering import write_file
from fieldmark.report.wording import enumeration, percent, plural, readable_names, sureness, when

#: Classes that are shown at once at either end of the bars of imbalance.
_CLASSES_AT_ENDS = 6

#: Findings of one kind that are shown at once and in all; the others are in the record.
_AT_ONCE = 12
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture of a card: its row, and what is said below it, as pairs of a tone and a text."""

    row: AuditedRow
    words: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Card:
    """A finding ready to be shown: its heading, its pictures, and how many of them there are beyond those."""

    title: str
    pictures: tuple[ShownPicture, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of finding.

    Attributes:
        name: in ``KINDS``.
        kind: its title, meaning and advice.
        count: how many were found.
        cards: the worst.
        lines: findings without pictures, as pairs of a name and a text.
        empty: what to say where nothing was found; empty where something was.
        unknown: whether it was not looked for at all.
    """

    name: str
    kind: AuditKind
    count: int
    cards: tuple[Card, ...]
    lines: tuple[tuple[str, str], ...]
    empty: str
    unknown: bool


def write_audit_page(folder: Path) -> Path:
    """Write an audit's page, one HTML file that needs nothing else, from its record; atomically.

    Args:
        folder: the audit's folder, with its record and thumbnails.

    Returns:
        The page.

    Raises:
        DataError: there is no record, or it can't be read.
    """
    result = AuditResult.load(folder)
    return write_file(folder / AUDIT_PAGE, "audit.html.j2", _content(folder, result))


def _content(folder: Path, result: AuditResult) -> dict[str, object]:
    names = readable_names([entry.name for entry in result.classes])

    def name(label: str | None) -> str:
        return "no label" if label is None else names.get(label, label)

    wording = _Wording(result, names)
    sections = [_section(result, kind, wording) for kind in KINDS]
    return {
        "result": result,
        "source": AUDIT_FILE,
        "data_name": Path(result.root).name or result.root,
        "sections": sections,
        "at_once": _AT_ONCE,
        "shown": _SHOWN,
        "lead": _lead(result),
        "tiles": _tiles(result),
        "classes": sorted(result.classes, key=lambda entry: (-entry.rows, entry.name)),
        "ends": _CLASSES_AT_ENDS,
        "name": name,
        "facts": _facts(result),
        "embed": embedding(folder / AUDIT_PICTURES),
    }


class _Wording:
    """Turns findings into cards and lines.

    Args:
        result: the audit.
        names: class → its readable name.
    """

    def __init__(self, result: AuditResult, names: dict[str, str]) -> None:
        self._result = result
        self._names = names

    def cards(self, kind: str) -> list[Card]:
        """Return the cards of a kind, the worst first."""
        result = self._result
        families = {"leaks": result.leaking, "conflicts": result.conflicting, "copies": result.copies_inside}
        if kind in families:
            return [self._family(family) for family in families[kind][:_SHOWN]]
        if kind == "groups":
            return [
                Card(
                    f"Group {entry.group}",
                    tuple(self._plain(row) for row in entry.rows),
                    sum(entry.counts.values()) - len(entry.rows),
                )
                for entry in result.straddling[:_SHOWN]
            ]
        if kind == "suspects":
            return [self._suspect(place) for place in range(min(len(result.suspects), _SHOWN))]
        return [
            Card("", (ShownPicture(flaw.row, (*self._plain(flaw.row).words, ("soft", _measure(kind, flaw.value)))),))
            for flaw in result.flaws_of(kind)[:_SHOWN]
        ]

    def lines(self, kind: str) -> list[tuple[str, str]]:
        """Return the findings of a kind that have no pictures."""
        result = self._result
        if kind == "broken":
            return [(row.path, row.reason) for row in result.broken]
        if kind == "sources":
            return [
                (
                    self._name(entry.label),
                    f"{percent(entry.share, 0)} of its {plural(entry.rows, 'picture')} have the {entry.by} "
                    f"{entry.value}; of the others {percent(entry.elsewhere, 0)}",
                )
                for entry in result.single_sources
            ]
        return []

    def _family(self, family: CopyFamily) -> Card:
        shown = tuple(row for row in family.rows if row.file) or family.rows[:2]
        words = "The same file" if family.kind == "exact" else f"The same picture, {percent(family.agreement, 0)} alike"
        return Card(words, tuple(self._plain(row) for row in shown), len(family.rows) - len(shown))

    def _suspect(self, place: int) -> Card:
        suspect = self._result.suspects[place]
        own = ShownPicture(
            suspect.row,
            (
                ("wrong", f"called {self._name(suspect.row.label)}: {sureness(suspect.probability)}"),
                ("right", f"looks like {self._name(suspect.suggested)}: {sureness(suspect.suggested_probability)}"),
                ("soft", suspect.row.split or "no split"),
            ),
        )
        example = suspect.example
        beside = () if example is None else (ShownPicture(example, (("soft", f"a {self._name(example.label)}"),)),)
        return Card(f"{place + 1}", (own, *beside))

    def _plain(self, row: AuditedRow) -> ShownPicture:
        return ShownPicture(row, (("", self._name(row.label)), ("soft", row.split or "no split")))

    def _name(self, label: str | None) -> str:
        return "no label" if label is None else self._names.get(label, label)


def _section(result: AuditResult, name: str, wording: _Wording) -> Section:
    count = result.counts()[name]
    unknown = name in result.not_looked_for
    empty = ""
    if unknown:
        empty = f"Not looked for: {result.not_looked_for[name]}."
    elif not count and not wording.cards(name):
        empty = "None found."
    return Section(name, KINDS[name], count, tuple(wording.cards(name)), tuple(wording.lines(name)), empty, unknown)


def _measure(kind: str, value: float) -> str:
    if kind == "odd":
        return f"{value:.1f} deviations away"
    return f"blur {percent(value, 0)}" if kind == "blurred" else f"brightness {percent(value, 0)}"


def _lead(result: AuditResult) -> str:
    found = [
        f"{count:,} {KINDS[name].title.lower()}"
        for name, count in result.counts().items()
        if count and name not in ("imbalance", "copies")
    ]
    rows = plural(result.rows, "row")
    return f"Of {rows}: {enumeration(found)}." if found else f"Nothing was found in {rows} that needs to be put right."


def _tiles(result: AuditResult) -> Sequence[tuple[str, str, bool]]:
    counts = result.counts()
    shown = ("leaks", "groups", "conflicts", "suspects")
    return [
        (
            KINDS[name].title.lower(),
            "–" if name in result.not_looked_for else f"{counts[name]:,}",
            bool(counts[name]) and name != "suspects",
        )
        for name in shown
    ]


def _facts(result: AuditResult) -> list[tuple[str, str]]:
    facts = [
        *result.overview(),
        ("Network", result.network or "none: compared by hash alone"),
        ("Fieldmark", result.fieldmark_version),
        ("Audited", when(result.audited_at)),
    ]
    if result.estimated_wrong is not None:
        facts.insert(-3, ("Wrong labels, estimated", f"{result.estimated_wrong:,}"))
    return facts
