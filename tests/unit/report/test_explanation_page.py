"""The page of an explanation, from a record made by hand."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fieldmark.explanations import Explanation, PartMark, Removal
from fieldmark.report import write_explanation
from fieldmark.similar_pictures import SimilarPicture

ADDRESS = "data:image/jpeg;base64,/9j/4AAQ=="
EVIL = '<script>alert("x")</script>'


def explanation(name: str = "crown") -> Explanation:
    example = SimilarPicture("7", "images/7.jpg", "002.Plain_Thornfinch", 0.91, (0.0, 0.0, 5.0, 5.0), ADDRESS)
    crown = PartMark(name, (1.0, 2.0, 3.0, 4.0), 0.97, 3.5, 0.4, 3.1, Removal("blur", -3.1, -2.9, 0.12), (example,))
    bill = PartMark("bill", (5.0, 5.0, 3.0, 4.0), 1.0, 0.2, 1.0, -0.8, Removal("blur", 0.8, 0.7, None))
    rest = PartMark("rest of the picture", None, 1.0, 1.2, 0.0, 1.2)
    return Explanation(
        source="photos/bird.jpg",
        label="001.Rufous_Thornfinch",
        rival="002.Plain_Thornfinch",
        probability=0.9,
        rival_probability=0.08,
        log_odds=4.0,
        bias_difference=0.5,
        marks=(crown, rest, bill),
        flip=(name,),
        exact=True,
        size=(640, 480),
        fieldmark_version="0.1.0",
        picture=ADDRESS,
        notes=("mind the gap",),
    )


class Page(HTMLParser):
    """Collects elements with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def write(folder: Path, found: Explanation, top: int = 7) -> str:
    return write_explanation(found, folder / "deep" / "why.html", top=top).read_text(encoding="utf-8")


def test_the_page_says_what_decided_then_what_each_part_says(tmp_path: Path) -> None:
    page = write(tmp_path, explanation())
    text = Page(page).text
    told = [
        "Rufous Thornfinch and not Plain Thornfinch",
        "the crown decides (+3.1 of +4.0 log-odds)",
        "mind the gap",
        "1 crown",
        "+3.5 +0.40 +3.1 -2.9 +0.12",
        "rest of the picture",
        "bill +0.20 +1.0 -0.80 +0.70 –",
        "Parts +3.5, bias +0.50: together +4.0",
        "rather be Plain Thornfinch: crown",
        "0.91",
    ]
    places = [text.index(words) for words in told]
    assert places == sorted(places)
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["why.html"]


def test_bars_go_right_for_a_and_left_for_b(tmp_path: Path) -> None:
    page = write(tmp_path, explanation())
    bars = re.findall(r'<span class="(for|against)" style="width:([\d.]+)%">', page)
    assert [side for side, _ in bars] == ["for", "for", "against"]
    assert [float(width) for _, width in bars] == pytest.approx([50, 50 * 1.2 / 3.1, 50 * 0.8 / 3.1], abs=0.01)


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    page = write(tmp_path, explanation())
    assert "default-src 'none'; img-src data:" in page
    ids = {attributes.get("id") for _, attributes in Page(page).found}
    for tag, attributes in Page(page).found:
        assert tag not in ("link", "iframe", "object", "embed")
        for name, value in attributes.items():
            assert not re.search(r"^\s*//|https?:", value), (tag, name, value)
            if name == "src":
                assert value.startswith("data:image/")
            if name == "href":
                assert value[1:] in ids
        if tag == "img":
            assert attributes["alt"]
    assert not re.search(r"url\(|@import|https?:", page)


def test_names_are_escaped(tmp_path: Path) -> None:
    found = replace(explanation(EVIL), label=EVIL, rival=EVIL + "2", source=EVIL, notes=(EVIL,), flip=(EVIL,))
    page = write(tmp_path, found)
    assert "<script>alert" not in page
    assert sum(tag == "script" for tag, _ in Page(page).found) == 1


def test_more_parts_unfold_and_only_shown_ones_have_numbers(tmp_path: Path) -> None:
    page = write(tmp_path, explanation(), top=1)
    assert "2 further parts" in page
    folded = page[page.index("<details>") :]
    assert "bill" in folded
    assert page.count('class="badge"') == 2  # in the table and above its examples


def test_what_was_measured_says_so_and_shows_pictures_as_wholes(tmp_path: Path) -> None:
    example = explanation().marks[0].examples[0]
    marks = tuple(replace(mark, removal=None, examples=()) for mark in explanation().marks)
    found = replace(
        explanation(), exact=False, marks=marks, examples=(example, replace(example, thumbnail="")), flip=None
    )
    text = Page(write(tmp_path, found)).text
    assert "measured by covering places" in text
    assert "unexplained" in text
    assert "not an estimate" not in text
    assert "when removed" not in text
    assert "No set of places turns it" in text
    assert "missing" in text
