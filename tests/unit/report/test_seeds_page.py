"""The report of several seeds, from a result made by hand."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fieldmark.errors import DataError
from fieldmark.records import Interval
from fieldmark.report import write_seeds_report
from fieldmark.seed_results import SeedFigure, SeedsResult

EVIL = '<script>alert("x")</script>'


def result() -> SeedsResult:
    def figure(name: str, share: bool, *values: float) -> SeedFigure:
        return SeedFigure(name, share, values, 0.0125, Interval(sum(values) / 2, 0.25, 0.75))

    return SeedsResult(
        fingerprint="0123456789abcdef",
        split="test",
        n=1389,
        seeds=(0, 1),
        runs=("seed-0", "seed-1"),
        figures=(
            figure("top1", True, 0.5, 0.525),
            figure("macro_recall", True, 0.4, 0.5),
            figure("rank genus", True, 0.8, 0.9),
            figure("severity_of_mistakes", False, 1.25, 1.5),
        ),
        bundle="seed-0",
        bundle_reason="The first one, whatever it measured.",
        leaks=0,
        resolution=224,
        fieldmark_version="0.1.0",
        evaluated_at="2026-01-02T03:04:05+00:00",
        training={"backbone": EVIL},
        weights="none",
        warnings=("mind the gap",),
    )


def write(folder: Path, found: SeedsResult) -> str:
    folder.mkdir()
    found.save(folder)
    return write_seeds_report(folder).read_text(encoding="utf-8")


def cells(page: str, name: str) -> list[str]:
    row = re.search(rf"<th scope=\"row\">{re.escape(name)}</th>(.*?)</tr>", page, re.DOTALL)
    assert row is not None, name
    return re.findall(r">([^<]*)</td>", row[1])


def test_every_figure_stands_with_mean_spread_interval_and_each_seed(tmp_path: Path) -> None:
    page = write(tmp_path / "three", result())
    shares = ["51.2\u202f%", "1.2\u202f%", "25.0\u202f% to 75.0\u202f%", "50.0\u202f%", "52.5\u202f%"]
    assert cells(page, "right at first guess (top-1)") == shares
    assert cells(page, "severity of a mistake, in ranks") == ["1.375", "0.013", "0.250 to 0.750", "1.250", "1.500"]
    assert cells(page, "rank genus")[0] == "85.0\u202f%"
    assert re.findall(r"<th scope=\"col\" class=\"number\">(seed-\d)</th>", page) == ["seed-0", "seed-1"]
    assert "mind the gap" in page


def test_it_says_which_bundle_to_use_and_why(tmp_path: Path) -> None:
    page = write(tmp_path / "three", result())
    assert "<b>seed-0</b>. The first one, whatever it measured." in page


def test_it_needs_nothing_from_outside_and_escapes_names(tmp_path: Path) -> None:
    page = write(tmp_path / "three", result())
    assert EVIL not in page
    for reference in ('src="http', 'href="http', "@import", "url(http"):
        assert reference not in page


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    alone = tuple(replace(figure, spread=None, values=figure.values[:1]) for figure in result().figures)
    page = write(tmp_path / "one", replace(result(), seeds=(0,), runs=("seed-0",), figures=alone))
    assert "spread over seeds" not in page
    assert cells(page, "rank genus")[1] == "–"


def test_without_an_evaluation_the_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fieldmark evaluate"):
        write_seeds_report(tmp_path)
