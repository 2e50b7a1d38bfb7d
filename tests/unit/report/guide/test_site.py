"""The guide's pages: links, pictures, names, and what is said where there is nothing to show."""

import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from fieldmark.explain.guide import PartPictures
from fieldmark.guide_results import Guide, Key, Tally
from fieldmark.records import Preprocessing
from fieldmark.report.guide import wording, write_guide_site
from fieldmark.report.guide.addresses import slug
from guide_stand_ins import NAMES, small_guide

EVIL = ('<script>alert("x")</script>', "../x", "quote \" and ' and `", "nul\u202e/\\:*?|")
TWINS = ("Wren", "wren", "WREN!", "鷦鷯")


class Page(HTMLParser):
    """Collects a page's elements with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(self.source)
        self.text = " ".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    def values(self, tag: str, name: str) -> list[str]:
        return [attributes[name] for found, attributes in self.elements if found == tag and name in attributes]

    @property
    def ids(self) -> set[str]:
        return {attributes["id"] for _, attributes in self.elements if "id" in attributes}


def site(folder: Path, guide: Guide | None = None) -> dict[str, Page]:
    write_guide_site(guide or drawn(folder), folder)
    return {path.name: Page(path) for path in sorted(folder.glob("*.html"))}


def drawn(folder: Path, names: tuple[str, ...] = NAMES) -> Guide:
    """Return a guide whose pictures are there."""
    source = folder.parent / "source"
    source.mkdir(exist_ok=True)
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(source / "a.png")
    paths = {f"picture {row}": "a.png" for row in range(80)}
    return small_guide(names, pictures=PartPictures(paths, source, Preprocessing(64), folder))


@pytest.mark.parametrize("names", [NAMES, EVIL, TWINS], ids=["plain", "evil", "twins"])
def test_every_link_leads_somewhere_and_every_picture_is_there(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = tmp_path / "guide"
    pages = site(folder, drawn(folder, names))
    guide = small_guide(names)
    assert len(pages) == 2 + len(guide.classes) + len(guide.pairs)
    assert {path.name for path in folder.iterdir()} == {*pages, "guide.css", "guide.js", "guide.svg", "pictures"}
    linked = set()
    for page in pages.values():
        for link in page.values("a", "href"):
            file, _, anchor = unquote(link).partition("#")
            target = pages[file] if file else page
            assert not anchor or anchor in target.ids, link
            linked.add(target.path.name)
        sources = page.values("img", "src")
        assert all((folder / source).is_file() for source in sources)
        assert len(page.values("img", "alt")) == len(sources)
    assert linked == set(pages)
    assert sum(len(page.values("img", "src")) for page in pages.values()) > 50


@pytest.mark.parametrize("names", [NAMES, EVIL], ids=["plain", "evil"])
def test_pages_need_no_other_place_and_no_style_or_script_of_their_own(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = tmp_path / "guide"
    for page in site(folder, drawn(folder, names)).values():
        assert page.values("link", "href") == ["guide.svg", "guide.css"]
        assert page.values("script", "src") == ["guide.js"]
        assert len(page.values("meta", "content")) == 3
        assert [tag for tag, _ in page.elements].count("script") == 1
        for tag, attributes in page.elements:
            assert tag not in ("style", "iframe", "object", "embed", "base")
            for name, value in attributes.items():
                assert name != "style", tag
                assert not name.startswith("on"), (tag, name)
                if name in ("src", "href"):
                    assert re.fullmatch(r"[\w./#-]+", value), value
                    assert not value.startswith(("/", ".")), value
        assert not re.search(r"https?://|url\(", page.source)
    for name in ("guide.css", "guide.js"):
        text = (folder / name).read_text(encoding="utf-8")
        assert not re.search(r"https?:|url\(|@import|innerHTML|eval\(", text)
    policy = next(value for value in page.values("meta", "content") if "default-src" in value)
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_names_are_shown_as_they_are_and_never_run(tmp_path: Path) -> None:
    guide = small_guide(EVIL, part_names=("<b>crown", "wing", "body", "part 4"))
    pages = site(tmp_path, replace(guide, title="<script>title", warnings=("<script>note",)))
    for page in pages.values():
        assert "<script>alert" not in page.source
        assert "<script>title" not in page.source
        assert "<script>note" not in page.source
        assert "<b>crown" not in page.source
    index = pages["index.html"]
    assert all(name in index.text for name in EVIL)
    assert "<b>crown" in index.text


def test_file_names_are_safe_and_distinct(tmp_path: Path) -> None:
    for names in (EVIL, TWINS):
        folder = tmp_path / slug(names[0])
        files = [path.name for path in folder.iterdir()] if site(folder, small_guide(names)) else []
        assert all(re.fullmatch(r"[a-z0-9-]+\.(html|css|js|svg)", name) for name in files)
        assert sum(name.startswith("class-") for name in files) == 4
    assert slug("Élan (young)/2") == "elan-young-2"
    assert slug("鷦鷯") == ""
    assert len(slug("x" * 300)) == 80
    assert slug(unicodedata.normalize("NFD", "Müller’s Wren")) == slug("Müller’s Wren")


def test_the_splitting_mark_comes_first_with_its_test_and_its_pictures(tmp_path: Path) -> None:
    guide = drawn(tmp_path / "guide")
    page = site(tmp_path / "guide", guide)["pair-red-crown--grey-crown.html"]
    assert page.text.index("Look at the crown .") < page.text.index("Points the right way in 10 of 10 pictures")
    assert "mixed up in 3 of 20 evaluated pictures" in page.text
    effect = next(pair for pair in guide.pairs if "red crown" in (pair.first, pair.second)).marks[0].effect
    assert 7 < effect.low < effect.value < effect.high < 9
    assert f"evidence +{effect.value:.1f}, 95 % interval +{effect.low:.1f} to +{effect.high:.1f}" in page.text
    words = page.values("img", "alt")
    assert words.count("crown of red crown") == words.count("crown of grey crown") == 4
    assert page.values("rect", "x")  # pointers and bars


def test_counter_examples_say_what_they_are(tmp_path: Path) -> None:
    guide = small_guide()
    pair = next(pair for pair in guide.pairs if pair.first == "red crown" and pair.second == "grey crown")
    mark = replace(pair.marks[0], counter_examples=pair.marks[0].second_tiles[:1])
    pages = site(tmp_path, replace(guide, pairs=(replace(pair, marks=(mark, *pair.marks[1:])),)))
    told = pages["pair-red-crown--grey-crown.html"].text
    assert "Not always Here it points to the other class: is grey crown" in told


def test_the_key_leads_to_every_class_and_back_and_tells_how_good_it_is(tmp_path: Path) -> None:
    guide = small_guide()
    page = site(tmp_path, guide)["key.html"]
    ends = {link for link in page.values("a", "href") if link.startswith("class-")}
    assert len(ends) == 4
    steps = [name for name in page.ids if name.startswith("step-")]
    assert len(steps) == 3
    backs = [attributes["data-back"] for _, attributes in page.elements if "data-back" in attributes]
    assert sorted(backs) == ["#step-1", "#step-1"]
    assert f"{guide.key.total} pictures never learned from" in page.text
    assert "leads the right way in 40 of 40 held-out pictures" in page.text


def test_unnamed_parts_say_how_to_name_them(tmp_path: Path) -> None:
    index = site(tmp_path, small_guide())["index.html"]
    assert "(unnamed)" in index.text
    assert 'fieldmark name-part RUN 4 "…"' in index.text
    assert "fieldmark name-part RUN 1" not in index.text


def test_the_rest_of_the_picture_is_said_to_be_no_mark(tmp_path: Path) -> None:
    guide = small_guide(rest=True)
    pair = guide.pairs[0]
    rest = next(mark for mark in pair.marks if guide.parts[mark.part].rest)
    others = tuple(mark for mark in pair.marks if mark is not rest)
    strong = replace(rest, effect=replace(pair.marks[0].effect, value=9.0))
    pages = site(tmp_path, replace(guide, pairs=(replace(pair, marks=(strong, *others)), *guide.pairs[1:])))
    told = [page for name, page in pages.items() if name.startswith("pair-") and "which is no mark" in page.text]
    assert len(told) == 1
    assert "rest of the picture" not in pages["index.html"].text


def test_nothing_to_show_is_said_kindly(tmp_path: Path) -> None:
    guide = small_guide()
    empty = replace(guide.classes[0], pictures=0, held_out=0, marks=(), exemplars=(), lookalikes=())
    pages = site(
        tmp_path,
        replace(guide, classes=(empty, *guide.classes[1:]), pairs=(), key=Key((), 0, 0, 0), held_out_split=None),
    )
    assert "No pairs are shown." in pages["index.html"].text
    assert "There is no key" in pages["index.html"].text
    assert "There is no key" in pages["key.html"].text
    assert "There are no pictures of red crown in split train and val" in pages["class-red-crown.html"].text
    assert not [name for name in pages if name.startswith("pair-")]


def test_a_pair_that_no_part_splits_and_a_picture_that_went_missing(tmp_path: Path) -> None:
    guide = small_guide()
    pair = guide.pairs[0]
    silent = tuple(replace(mark, first_tiles=(), second_tiles=()) for mark in pair.marks)
    missing = tuple(
        replace(mark, first_tiles=tuple(replace(tile, file="") for tile in mark.first_tiles)) for mark in pair.marks
    )
    (name,) = (name for name in site(tmp_path, replace(guide, pairs=(pair,))) if name.startswith("pair-"))
    told = site(tmp_path, replace(guide, pairs=(replace(pair, marks=silent),)))
    assert "No single part tells these two apart reliably" in told[name].text
    told = site(tmp_path, replace(guide, pairs=(replace(pair, marks=missing),)))
    assert "picture missing" in told[name].text


def test_figures_are_worded_honestly() -> None:
    assert wording.tested(Tally(7, 1, 2)) == "Points the right way in 7 of 10 pictures never learned from; hidden in 2."
    assert wording.tested(Tally(0, 0, 0)).startswith("Not put to the test")
    assert "75.0" in wording.key_result(Key((), 3, 4, 4))
    assert wording.key_result(Key((), 0, 0, 0)).startswith("There are no held-out pictures")
    assert wording.shortened(("a", "b", "c", "d", "e")) == "a, b, c and 2 more"
    assert wording.shortened(("a", "b", "c", "d")) == "a, b, c and d"
    assert (wording.evidence_words(1.25), wording.evidence_words(-0.5), wording.evidence_words(0)) == (
        "+1.2",
        "−0.5",
        "0.0",
    )


TEMPLATES = Path(__file__).parents[4] / "src" / "fieldmark" / "report" / "templates"


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_the_colours_of_both_sides_are_legible(scheme: int) -> None:
    """WCAG 2.2, success criterion 1.4.3."""
    text = (TEMPLATES / "palette.css").read_text() + (TEMPLATES / "guide" / "guide.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", text, re.S)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[scheme] + blocks[2 + scheme]))
    for front in ("first", "second"):
        for behind in ("paper", "card"):
            low, high = sorted(luminance(colours[name]) for name in (front, behind))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (front, behind)


def luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
