"""The report, from a result made by hand."""

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from fieldmark.errors import DataError
from fieldmark.records import BrokenRow, Interval, Leak
from fieldmark.report import write_report
from fieldmark.report.curves import nice_ticks, read_curves
from fieldmark.report.heatmap import MAX_CLASSES, draw_heatmap
from fieldmark.report.trust import verdicts
from fieldmark.report.wording import readable_names, sureness, words_for
from fieldmark.results import (
    ClassResult,
    ConfusedPair,
    DecisionResult,
    EvalResult,
    FlagDecisions,
    LeakPair,
    LeastRisk,
    MistakeSeverity,
    Picture,
    RankDecisions,
)

EVIL = '<script>alert("x")</script>'
TEMPLATES = Path(__file__).parents[3] / "src" / "fieldmark" / "report" / "templates"


def result(first: str = "001.House_Wren", second: str = "002.Marsh_Wren") -> EvalResult:
    wrong = Picture("1", f"images/{first}.jpg", first, second, 0.97, "evaluation/a.jpg")
    right = Picture("2", "images/2.jpg", first, first, 0.8, "evaluation/a.jpg")
    return EvalResult(
        fingerprint="0123456789abcdef",
        split="test",
        n=1389,
        classes=(first, second),
        top1=0.75,
        top5=1.0,
        macro_recall=0.7,
        nll=0.5,
        ece=0.05,
        accuracy_by_rank={"genus": 0.9, "species": 0.75},
        intervals={"top1": Interval(0.75, 0.71, 0.79), "macro_recall": Interval(0.7, 0.65, 0.74)},
        per_class=(
            ClassResult(first, 30, 0.766, 0.9, 0.8, second, 7),
            ClassResult(second, 28, None, 0.8, 0.81),
        ),
        confusion=((0, 0, 23), (0, 1, 7), (1, 1, 28)),
        resolution=224,
        fieldmark_version="0.1.0",
        evaluated_at="2026-01-02T03:04:05+00:00",
        leaks=(Leak("exact", "9", "1", "train", "test"),),
        leak_counts={"exact": 1},
        top1_without_leaks=0.748,
        pairs=(ConfusedPair(first, second, 7, 0, 30, 28, 7 / 58, (wrong,), (), (right,), ()),),
        worst_mistakes=(wrong,),
        leak_pictures=(LeakPair("exact", "train", "test", Picture("9", "images/9.jpg", first), wrong),),
        recognised=(right,),
        broken=(BrokenRow("5", "images/5.jpg", "truncated after 12 bytes"),),
        weights="none",
        seeds={"training": 3},
        training={"epochs": 12},
    )


def write(run: Path, found: EvalResult) -> str:
    (run / "evaluation").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (60, 40), "teal").save(run / "evaluation" / "a.jpg")
    found.save(run)
    return write_report(run).read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Collects every element's attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def test_severity_is_shown_where_there_is_a_lineage(tmp_path: Path) -> None:
    severity = MistakeSeverity(2, 1.25, 0.312, 0.9, LeastRisk(0.74, None, 0.301))
    page = write(tmp_path / "with", replace(result(), severity=severity))
    assert "How bad the mistakes are" in page
    row = re.search(r"least risk</th>(.*?)</tr>", page, re.DOTALL)
    assert row is not None
    assert re.findall(r">([^<]+)</td>", row[1]) == ["74.0\u202f%", "–", "0.301"]
    assert "How bad the mistakes are" not in write(tmp_path / "without", result())


def test_the_first_things_are_the_headline_then_the_pairs(tmp_path: Path) -> None:
    page = write(tmp_path / "my run", result())
    told = ["my run", "75.0\u202f%", "71.0\u202f% to 79.0\u202f%", "70.0\u202f%", "<dd>1,389", "leak between splits"]
    places = [page.index(text, page.index("<h1>")) for text in told]
    assert places == sorted(places)
    body = page[page.index('id="pairs"') :]
    assert body.index("taken for Marsh Wren <b>7</b> of <b>30</b> times") < body.index('id="worst"')
    assert body.index("never taken for House Wren") < body.index('id="worst"')
    assert "74.8\u202f%" in page  # accuracy without the leak, beside the count


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    page = write(tmp_path, result())
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'" in page
    for tag, attributes in Elements(page).found:
        assert tag not in ("link", "iframe", "object", "embed")
        for name, value in attributes.items():
            assert not re.search(r"^\s*//|https?:", value), (tag, name, value)
            if name == "src":
                assert value.startswith("data:image/")
            if name == "href":
                assert value.startswith("#")
    assert not re.search(r"url\(|@import|https?:", page)


def test_every_link_leads_somewhere_and_every_picture_has_words(tmp_path: Path) -> None:
    elements = Elements(write(tmp_path, result())).found
    ids = {attributes.get("id") for _, attributes in elements}
    assert {attributes["href"][1:] for tag, attributes in elements if tag == "a"} <= ids
    words = [attributes["alt"] for tag, attributes in elements if tag == "img"]
    assert "House Wren, taken for Marsh Wren" in words
    assert all(words)


def test_names_are_escaped(tmp_path: Path) -> None:
    found = replace(result(first=EVIL), warnings=(EVIL,), training={EVIL: EVIL}, weights=EVIL)
    found = replace(found, broken=(BrokenRow(EVIL, EVIL, EVIL),), accuracy_by_rank={EVIL: 0.5})
    page = write(tmp_path / "<script>run", found)
    assert "<script>alert" not in page
    assert "<script>run" not in page
    assert "&lt;script&gt;" in page
    assert sum(tag == "script" for tag, _ in Elements(page).found) == 1


def test_no_mistakes_is_said_kindly(tmp_path: Path) -> None:
    found = replace(
        result(),
        top1=1.0,
        pairs=(),
        worst_mistakes=(),
        leaks=(),
        leak_counts={},
        leak_pictures=(),
        broken=(),
        confusion=((0, 0, 30), (1, 1, 28)),
    )
    page = write(tmp_path, found)
    assert page.count("No mistakes: nothing to show.") == 2
    assert "No picture of this split was found in another." in page
    assert "None: every picture of this split was read." in page
    assert "No training log lies beside this run." in page
    assert 'id="leaks"' not in page


def test_pictures_outside_the_run_are_never_embedded(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "secret.jpg")
    outside = Picture("1", "x.jpg", "001.House_Wren", "002.Marsh_Wren", 0.9, "../secret.jpg")
    page = write(tmp_path / "run", replace(result(), worst_mistakes=(outside,)))
    worst = page[page.index('id="worst"') : page.index('id="ranks"')]
    assert "data:image/gif" in worst  # the stand-in


def test_training_curves_are_drawn_from_the_log(tmp_path: Path) -> None:
    lines = ["epoch,stage,resolution,learning_rate,train_loss,val_loss,val_top1,seconds,images_per_second"]
    lines += [f"{epoch},main,{96 if epoch < 4 else 128},0.1,{4 / epoch},,{epoch / 8},1,1" for epoch in (1, 2, 3, 4)]
    (tmp_path / "log.csv").write_text("\n".join([*lines, "5,main,128,0.1,nan,,,1,1"]))
    loss, accuracy = read_curves(tmp_path / "log.csv")
    assert [line.name for line in loss.lines] == ["training"]  # no value of val_loss was ever written
    assert len(loss.lines[0].points.split()) == 4
    assert accuracy.lines[0].last == "50\u202f%"
    assert [change.text for change in accuracy.changes] == ["128 px"]
    page = write(tmp_path, result())
    assert loss.lines[0].points in page


@pytest.mark.parametrize("text", ["", "epoch,train_loss\n", "epoch,train_loss\n1,0.5\n", "a,b\n1,2\n3,4\n"])
def test_a_log_without_curves_draws_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.csv").write_text(text)
    assert read_curves(tmp_path / "log.csv") == ()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.31, 0.37), (5, 5), (0, 0), (-3, 12345)])
def test_ticks_are_round_even_and_around_the_values(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    steps = {round(after - before, 9) for before, after in itertools.pairwise(ticks)}
    assert ticks[0] <= low <= high <= ticks[-1]
    assert len(steps) == 1
    assert 2 <= len(ticks) <= 9


def test_many_classes_show_only_the_busiest() -> None:
    size = MAX_CLASSES + 40
    confusion = [(index, index, 10) for index in range(size)] + [(size - 1, 0, 5)]
    found = draw_heatmap(confusion, [f"class {index}" for index in range(size)])
    assert len(found.names) == MAX_CLASSES
    assert found.left_out == 40
    assert {"class 0", f"class {size - 1}"} <= set(found.names)
    (mistake,) = [cell for cell in found.cells if cell.mistake]
    assert mistake.words == f"class {size - 1} taken for class 0: 5 of 15"
    assert (mistake.x, mistake.y) == (found.margin, found.margin + (MAX_CLASSES - 1) * found.cell)


def test_names_read_well_and_stay_distinct() -> None:
    names = readable_names(["009.Brewer_Blackbird", "7", "1_a", "2_a", "001."])
    assert names["009.Brewer_Blackbird"] == "Brewer Blackbird"
    assert names["1_a"] == "1_a"
    assert len(set(names.values())) == 5
    assert all(names.values())


def test_certainty_is_never_rounded_to() -> None:
    assert sureness(0.9999) == ">\u202f99\u202f%"
    assert sureness(0.0001) == "<\u202f1\u202f%"
    assert sureness(1.0) == "100\u202f%"


def test_words_count_one_as_one() -> None:
    words = words_for(replace(result(), n=1, top1=1.0, top1_without_leaks=None))
    assert words["found"].startswith("Of 1 picture in")
    assert words["leaks"] == "leak between splits"
    assert "says nothing" in words["leak_note"]


def test_a_run_that_was_not_evaluated_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Evaluate the run first"):
        write_report(tmp_path)


def luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_are_legible(scheme: int) -> None:
    """WCAG 2.2, success criterion 1.4.3: contrast of at least 4.5 between text and what lies behind it."""
    style = (TEMPLATES / "palette.css").read_text(encoding="utf-8")
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", re.findall(r":root \{(.*?)\}", style, re.S)[scheme]))
    behind = {
        "ink": ("paper", "card", "well", "wrong-wash", "right-wash"),
        "soft": ("paper", "card", "well"),
        "wrong": ("paper", "card", "wrong-wash"),
        "right": ("paper", "card", "right-wash"),
        "link": ("paper", "card", "wrong-wash"),
    }
    for text, backgrounds in behind.items():
        for background in backgrounds:
            low, high = sorted((luminance(colors[text]), luminance(colors[background])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, background)


def decided(**changes: object) -> DecisionResult:
    told = DecisionResult(
        promised_coverage=0.9,
        coverage=0.905,
        class_gap=0.031,
        worst_class="Marsh Wren",
        worst_coverage=0.8,
        mean_size=1.62,
        single=0.5,
        promised_rejected=0.05,
        rejected=0.049,
        score="gen+knn",
        promised_precision=0.95,
        precision=0.96,
        ranks=(RankDecisions("genus", 0.9, 0.2, 0.95), RankDecisions("species", 0.8, 0.7, 0.97)),
        unnamed=0.1,
        mean_depth=0.8,
        flags=(FlagDecisions("Marsh Wren", 0.1, "sensitivity 0.95", 0.94, 0.6),),
        fitted_on="296 pictures of split val",
    )
    return replace(told, **changes)  # type: ignore[arg-type]


def test_the_first_screen_says_what_can_be_trusted(tmp_path: Path) -> None:
    page = write(tmp_path, replace(result(), decisions=decided()))
    first = page[page.index('id="trust"') : page.index('id="pairs"')]
    for words in ("90.5\u202f% hold the true class", "1.6 candidates", "3.1 points off", "least Marsh Wren, 80\u202f%"):
        assert words in first
    for words in ("96.0\u202f% right", "70\u202f% at rank species", "10\u202f% without a name", "4.9\u202f% refused"):
        assert words in first
    for words in ("94.0\u202f% found", "sensitivity 0.95", "296 pictures of split val", "5.0\u202f% off"):
        assert words in first


def test_a_run_without_a_rule_says_that_it_never_says_unknown(tmp_path: Path) -> None:
    page = write(tmp_path, result())
    assert "It never says" in page
    assert "hold the true class" not in page


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, [True, True, True, True]),
        ({"coverage": 0.88}, [True, False, True, True]),
        ({"coverage": 0.89}, [True, True, True, True]),  # chance: 1,389 pictures
        ({"precision": 0.92}, [True, True, False, True]),
        ({"precision": None, "unnamed": 1.0}, [True, True, None, True]),
        ({"rejected": 0.08}, [True, True, True, False]),
    ],
)
def test_a_verdict_allows_for_chance_and_no_more(changes: dict[str, object], kept: list[bool | None]) -> None:
    found = verdicts(replace(result(), decisions=decided(**changes)))
    assert [entry.kept for entry in found[:4]] == kept
    assert verdicts(replace(result(), ece=0.051))[0].kept is False
