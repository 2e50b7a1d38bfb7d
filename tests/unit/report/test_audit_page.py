"""The page of an audit, from a record made by hand."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from fieldmark.audit_kinds import KINDS
from fieldmark.audit_results import (
    AuditedRow,
    AuditResult,
    ClassRows,
    CopyFamily,
    Flaw,
    SingleSource,
    StraddlingGroup,
    Suspect,
)
from fieldmark.errors import DataError
from fieldmark.records import BrokenRow
from fieldmark.report import write_audit_page

EVIL = '<script>alert("x")</script>'


def row(name: str, label: str | None = "ant", split: str | None = "train") -> AuditedRow:
    return AuditedRow(name, f"{name}.jpg", label, split, None, "pictures/a.jpg")


def nothing() -> AuditResult:
    return AuditResult(
        root="/photos/insects",
        reader="folders",
        recognised_by="",
        fingerprint="f" * 16,
        rows=9,
        labelled=8,
        splits={"test": 4, "train": 5},
        classes=(ClassRows("001.Red_ant", 5, (5, 0, 0, 0)), ClassRows("bee", 4, (4, 0, 0, 0))),
        ranks={"class": 2},
        groups=0,
        boxes=0,
        with_parts=0,
        with_attributes=0,
        part_names=(),
        attribute_names=(),
        picture_sides=(1, 2, 3),
        imbalance=1.25,
        broken=(),
        skipped=(),
        leaks=(),
        faults=(),
        notes=(),
        pictures=9,
        network="mobile",
        fieldmark_version="0",
        audited_at="2026-01-01T00:00:00+00:00",
    )


def everything() -> AuditResult:
    return replace(
        nothing(),
        imbalance=20.0,
        broken=(BrokenRow("x", "x.jpg", "cut off"),),
        faults=("Something is wrong.",),
        notes=("Mind the gap.",),
        copies=(
            CopyFamily("near", (row("leak-a"), row("leak-b", split="test")), 0.97),
            CopyFamily("exact", (row("twin-a"), row("twin-b", label="bee")), 1.0),
            CopyFamily("exact", tuple(row(f"many-{place}") for place in range(9)), 1.0),
        ),
        straddling=(StraddlingGroup("g7", {"test": ("b",), "train": ("a", "c")}, (row("b"), row("a"))),),
        suspects=(
            Suspect(row("sure", "001.Red_ant"), "bee", 0.001, 0.8, 6.7, True, row("like", label="bee")),
            *(Suspect(row(f"less-{place}"), "bee", 0.4, 0.5, 0.22, False) for place in range(20)),
        ),
        estimated_wrong=3,
        flaws=tuple(Flaw(kind, row(kind), 0.7) for kind in ("blurred", "bright", "dark", "odd")),
        single_sources=(SingleSource("bee", "size", "64 × 48 px", 9, 1.0, 0.02),),
    )


class Page(HTMLParser):
    """Collects elements with their attributes, and the text of each section."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.sections: dict[str, str] = {"": ""}
        self._at = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.found.append((tag, given))
        if tag == "section":
            self._at = given["id"]
            self.sections[self._at] = ""

    def handle_data(self, data: str) -> None:
        self.sections[self._at] += " " + " ".join(data.split())


def write(folder: Path, result: AuditResult) -> tuple[str, Page]:
    (folder / "pictures").mkdir(parents=True)
    Image.new("RGB", (40, 30), (9, 99, 9)).save(folder / "pictures" / "a.jpg")
    result.save(folder)
    text = write_audit_page(folder).read_text(encoding="utf-8")
    return text, Page(text)


def test_every_kind_has_a_section_that_says_what_to_do(tmp_path: Path) -> None:
    _, page = write(tmp_path / "out", everything())
    assert list(page.sections)[1:-2] == list(KINDS)
    for name, kind in KINDS.items():
        assert kind.title in page.sections[name]
        assert kind.advice in page.sections[name]
    assert "None found" not in " ".join(page.sections.values())


def test_each_finding_is_in_its_section(tmp_path: Path) -> None:
    _, page = write(tmp_path / "out", everything())
    assert "x.jpg cut off" in " ".join(page.sections["broken"].split())
    assert "leak-b.jpg" in page.sections["leaks"]
    assert "twin-b.jpg" in page.sections["conflicts"]
    assert "leak-b.jpg" not in page.sections["copies"]
    assert "many-0.jpg" in page.sections["copies"]
    assert "and 1 more" in " ".join(page.sections["groups"].split())
    suspects = page.sections["suspects"]
    assert suspects.index("sure.jpg") < suspects.index("less-0.jpg")
    assert "called Red ant: < 1 %" in suspects
    assert "looks like bee: 80 %" in suspects
    assert "9 more" in suspects  # twelve at once
    for kind in ("blurred", "bright", "dark", "odd"):
        assert f"{kind}.jpg" in page.sections[kind]
    assert "64 × 48 px" in page.sections["sources"]
    assert "Mind the gap." in page.sections["notes"]
    assert "Something is wrong." in page.sections[""]


def test_without_findings_every_section_says_so(tmp_path: Path) -> None:
    _, page = write(tmp_path / "out", nothing())
    assert "Nothing was found in 9 rows" in page.sections[""]
    for name in KINDS:
        assert "None found." in page.sections[name]


def test_what_was_not_looked_for_is_not_called_absent(tmp_path: Path) -> None:
    _, page = write(tmp_path / "out", replace(nothing(), not_looked_for={"odd": "no network"}))
    assert "Not looked for: no network." in page.sections["odd"]
    assert "None found" not in page.sections["odd"]


def test_the_page_needs_no_other_file_and_runs_nothing_foreign(tmp_path: Path) -> None:
    evil = replace(everything(), root=f"/photos/{EVIL}", notes=(EVIL,), faults=(EVIL,))
    text, page = write(tmp_path / "out", evil)
    assert EVIL not in text
    sources = [given["src"] for tag, given in page.found if tag == "img"]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert all("alt" in given for tag, given in page.found if tag == "img")


def test_a_thumbnail_that_went_missing_leaves_a_stand_in(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write(folder, everything())
    (folder / "pictures" / "a.jpg").unlink()
    page = Page(write_audit_page(folder).read_text(encoding="utf-8"))
    assert {given["src"].partition(";")[0] for tag, given in page.found if tag == "img"} == {"data:image/gif"}


def test_many_classes_fold_between_the_ends(tmp_path: Path) -> None:
    classes = tuple(ClassRows(f"c{place}", 100 - place, (0, 0, 0, 0)) for place in range(40))
    _, page = write(tmp_path / "out", replace(everything(), classes=classes))
    assert "28 classes between" in page.sections["imbalance"]


def test_without_a_record_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data check PATH --out"):
        write_audit_page(tmp_path)
