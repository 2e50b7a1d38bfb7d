"""From a guide's records to its pages."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from fieldmark.guide_results import Branch, Guide, GuideClass, LookalikePair, Part
from fieldmark.records import Interval
from fieldmark.report.guide import wording
from fieldmark.report.guide.addresses import Addresses
from fieldmark.report.guide.drawing import BAR, bars, pointers
from fieldmark.report.rendering import environment
from fieldmark.report.wording import readable_names

INDEX = "index.html"
_KEY = "key.html"
_STYLE = "guide.css"
_SCRIPT = "guide.js"
_ICON = "guide.svg"


def write_guide_site(guide: Guide, folder: Path) -> Path:
    """Write a guide's pages beside its pictures.

    The pages need no other place: they refer to files of the folder only, hold no style or script of their own, and
    so work from a disk as well as under a content security policy of ``default-src 'self'``.

    Args:
        guide: what is told; its pictures' files are seen from ``folder``.
        folder: the guide's folder; made where it is missing. Pages of the same names are written over.

    Returns:
        The first page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pages = _Pages(guide)
    for name, page in pages.render().items():
        (folder / name).write_text(page, encoding="utf-8")
    return folder / INDEX


class _Pages:
    """Renders the pages of one guide."""

    def __init__(self, guide: Guide) -> None:
        self._guide = guide
        names = readable_names(sorted({name for entry in guide.classes for name in (entry.name, *entry.lineage)}))
        self._names = names
        self._addresses = Addresses([entry.name for entry in guide.classes], guide.pairs, names.__getitem__)
        self._environment = environment()
        self._environment.filters["readable"] = lambda label: names.get(label, label)
        self._environment.globals.update(
            guide=guide,
            name=lambda label: names.get(label, label),
            part=lambda index: guide.parts[index],
            class_page=self._addresses.of_class,
            pair_page=self._addresses.of_pair,
            words=wording,
            bar_width=BAR,
            key_page=_KEY,
            style=_STYLE,
            script=_SCRIPT,
            icon=_ICON,
            index_page=INDEX,
        )

    def render(self) -> dict[str, str]:
        """Return every file's text by its name."""
        guide = self._guide
        found = {
            INDEX: self._page("index", self._index()),
            _KEY: self._page("key", self._key()),
            _STYLE: self._environment.get_template("guide/guide.css").render(),
            _SCRIPT: _as_it_is(_SCRIPT),
            _ICON: _as_it_is(_ICON),
        }
        for place, entry in enumerate(guide.classes):
            found[self._addresses.of_class(entry.name)] = self._page("class", self._class(entry, place))
        for pair in guide.pairs:
            address = self._addresses.of_pair(pair.first, pair.second)
            if address is not None:
                found[address] = self._page("pair", self._pair(pair))
        return found

    def _page(self, template: str, content: Mapping[str, object]) -> str:
        return self._environment.get_template(f"guide/{template}.html.j2").render(content)

    def _index(self) -> dict[str, object]:
        groups: dict[str, list[GuideClass]] = {}
        for entry in self._guide.classes:
            groups.setdefault(entry.lineage[-2] if len(entry.lineage) > 1 else "", []).append(entry)
        return {
            "groups": groups,
            "telling": {entry.name: self._telling(entry) for entry in self._guide.classes},
            "shown_parts": [part for part in self._guide.parts if not part.rest],
            "facts": wording.facts(self._guide),
        }

    def _telling(self, entry: GuideClass) -> list[Part]:
        """Return the parts that a class is told by."""
        return [self._guide.parts[mark.part] for mark in entry.marks if mark.tiles]

    def _class(self, entry: GuideClass, place: int) -> dict[str, object]:
        classes = self._guide.classes
        shown = [mark for mark in entry.marks if mark.tiles]
        numbers = {mark.part: number for number, mark in enumerate(shown, start=1)}
        pairs = [pair for pair in self._guide.pairs if entry.name in (pair.first, pair.second)]
        strengths = {mark.part: Interval(mark.strength, mark.strength, mark.strength) for mark in entry.marks}
        return {
            "entry": entry,
            "shown": shown,
            "bars": bars(strengths),
            "shown_bars": bars({mark.part: strengths[mark.part] for mark in shown}),
            "pointers": pointers(entry.exemplars[0], numbers) if entry.exemplars else (),
            "lookalikes": _lookalikes(entry, pairs),
            "before": classes[place - 1] if place else None,
            "after": classes[place + 1] if place + 1 < len(classes) else None,
        }

    def _pair(self, pair: LookalikePair) -> dict[str, object]:
        shown = [mark for mark in pair.marks if mark.first_tiles or mark.second_tiles]
        numbers = {mark.part: number for number, mark in enumerate(shown, start=1)}
        rest = next((mark for mark in pair.marks if self._guide.parts[mark.part].rest), None)
        return {
            "pair": pair,
            "shown": shown,
            "bars": bars({mark.part: mark.effect for mark in pair.marks}),
            "shown_bars": bars({mark.part: mark.effect for mark in shown}),
            "sides": [
                (label, exemplar, pointers(exemplar, numbers) if exemplar else ())
                for label, exemplar in ((pair.first, pair.first_exemplar), (pair.second, pair.second_exemplar))
            ],
            "mostly_rest": rest is not None and rest is pair.marks[0] and rest.splits,
        }

    def _key(self) -> dict[str, object]:
        steps = self._guide.key.steps
        parents = {
            branch.step: (place, branch)
            for place, step in enumerate(steps)
            for branch in (step.first, step.second)
            if branch.step is not None
        }
        return {
            "steps": steps,
            "trails": [_trail(place, parents) for place in range(len(steps))],
            "parents": {place: parent for place, (parent, _) in parents.items()},
            "missing": [entry.name for entry in self._guide.classes if not entry.pictures],
        }


def _as_it_is(name: str) -> str:
    """Read a file beside the templates that is copied unchanged."""
    return (resources.files("fieldmark.report") / "templates" / "guide" / name).read_text(encoding="utf-8")


def _lookalikes(entry: GuideClass, pairs: list[LookalikePair]) -> list[tuple[str, int | None]]:
    """Return a class's lookalikes, each with the part that tells it best, if their pair has a page."""
    told: dict[str, int | None] = dict.fromkeys(entry.lookalikes)
    for pair in pairs:
        other = pair.second if pair.first == entry.name else pair.first
        told[other] = next((mark.part for mark in pair.marks if mark.first_tiles or mark.second_tiles), None)
    return list(told.items())


def _trail(place: int, parents: Mapping[int, tuple[int, Branch]]) -> list[tuple[int, Branch]]:
    """Return the steps that lead to one, each with the answer that was given there."""
    found = []
    while place in parents:
        found.append(parents[place])
        place = parents[place][0]
    return found[::-1]
