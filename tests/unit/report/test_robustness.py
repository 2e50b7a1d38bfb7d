"""The section on robustness, from a result made by hand."""

import re
from dataclasses import replace
from pathlib import Path

from PIL import Image

from fieldmark.report import write_report
from fieldmark.report.robustness import occlusion_chart, robustness_section
from fieldmark.results import ClassResult, EvalResult
from fieldmark.robustness_results import CorruptedPicture, RobustnessResult
from robustness_stand_ins import robustness_result, save_robustness

EVIL = '<script>alert("x")</script>'
NAMES = ("001.House_Wren", "002.Marsh_Wren")


def write(run: Path, names: tuple[str, str] = NAMES) -> str:
    EvalResult(
        fingerprint="0123456789abcdef",
        split="test",
        n=1389,
        classes=names,
        top1=0.75,
        top5=1.0,
        macro_recall=0.7,
        nll=0.5,
        ece=0.05,
        accuracy_by_rank={"species": 0.75},
        intervals={},
        per_class=(ClassResult(names[0], 30, 0.766, 0.9, 0.8), ClassResult(names[1], 28, 0.7, 0.8, 0.81)),
        confusion=((0, 0, 23), (0, 1, 7), (1, 1, 28)),
        resolution=224,
        fieldmark_version="0.1.0",
        evaluated_at="2026-01-02T03:04:05+00:00",
    ).save(run)
    return write_report(run).read_text(encoding="utf-8")


def page(run: Path, found: RobustnessResult | None = None, names: tuple[str, str] = NAMES) -> str:
    save_robustness(run, found or robustness_result(*names))
    return write(run, names)


def section(text: str) -> str:
    return text[text.index('<section id="robustness">') : text.index('<section id="training">')]


def test_a_run_that_was_not_measured_has_no_section(tmp_path: Path) -> None:
    assert robustness_section(tmp_path, {}) is None
    assert "obustness" not in write(tmp_path).partition("</style>")[2]


def test_the_section_tells_what_is_kept_and_lost(tmp_path: Path) -> None:
    text = section(page(tmp_path))
    assert "40 of 1,389 pictures of split test" in text
    for words in ("80.0\u202f%", "<b>60.0</b>", "31.0 to 49.0", "<b>37.5\u202f%</b>", "50\u202f% of the pictures have"):
        assert words in text
    leaves = text[text.index('<th scope="row">leaves</th>') :]
    assert leaves.startswith('<th scope="row">leaves</th><td>never</td><td class="number"><b>40.0</b></td>')
    assert "Hide the crown: \u221231 points; as much elsewhere: \u22124." in text
    assert "0.05: 10\u202f%" in text
    assert 'href="#robustness"' in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_hidden_parts_come_dearest_first_with_what_is_their_own(tmp_path: Path) -> None:
    save_robustness(tmp_path, robustness_result())
    shown = robustness_section(tmp_path, {})
    assert shown is not None
    parts = shown.parts
    assert [part.name for part in parts] == ["crown", "part 3"]
    assert [round(part.own, 6) for part in parts] == [27.0, -10.0]


def test_the_headline_names_no_part_that_is_seldom_seen(tmp_path: Path) -> None:
    found = robustness_result()
    seldom = replace(found, parts=(replace(found.parts[0], n=9), found.parts[1]))
    assert "Hide the part 3: 0 points; as much elsewhere: \u221210." in page(tmp_path, seldom)
    assert "Hide the" not in page(tmp_path, replace(found, parts=(replace(found.parts[0], n=9),)))


def test_curves_are_drawn_to_scale(tmp_path: Path) -> None:
    found = robustness_result()
    chart = occlusion_chart(found.fractions, found.curves)
    points = [tuple(map(float, point.split(","))) for point in chart.lines[0].points.split()]
    assert (points[0][0], points[-1][0]) == (chart.left, chart.right)
    heights = [(chart.bottom - y) / (chart.bottom - chart.top) for _, y in points]
    assert [round(height, 2) for height in heights] == [0.8, 0.7, 0.5, 0.4]
    text = section(page(tmp_path))
    assert all(line.points in text for line in chart.lines)


def test_every_picture_has_words_that_tell_the_corruption_and_the_answer(tmp_path: Path) -> None:
    assert re.findall(r'<img [^>]*alt="([^"]*)"', section(page(tmp_path))) == [
        "as it is: recognised",
        "leaves, 60 % covered: called Marsh Wren",
        "gamma, 3 exponent: still recognised",
        "crown, hidden: called Marsh Wren",
    ]


def test_pictures_are_embedded_and_none_from_outside_the_run(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "secret.jpg")
    outside = CorruptedPicture("light", "gamma", "", "001.House_Wren", True, "../secret.jpg")
    found = robustness_result()
    text = section(page(tmp_path / "run", replace(found, examples=(found.examples[0], outside))))
    assert text.count("data:image/jpeg") == 1
    assert text.count("data:image/gif") == 1  # the stand-in


def test_names_are_escaped_and_a_run_without_parts_or_pictures_says_nothing_of_them(tmp_path: Path) -> None:
    found = robustness_result(EVIL)
    evil = replace(found, parts=(replace(found.parts[0], name=EVIL),))
    assert "<script>alert" not in page(tmp_path / "evil", evil, (EVIL, "002.Marsh_Wren"))
    bare = section(page(tmp_path / "bare", replace(found, parts=(), examples=(), label=None)))
    assert "Hidden parts" not in bare
    assert "<img" not in bare
