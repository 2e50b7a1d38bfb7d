"""`fieldmark evaluate --robustness`: what it asks of the library and what it prints."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import fieldmark.evaluation
import fieldmark.report
from fieldmark.cli import evaluation_output, stages
from fieldmark.cli.main import app
from fieldmark.evaluation.robustness import DEFAULT_PICTURES
from fieldmark.robustness_results import RobustnessResult
from robustness_stand_ins import robustness_result

Run = Callable[..., Result]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    made: list[dict[str, object]] = []

    def measure(run: Path, data: Path | None, **rest: object) -> RobustnessResult:
        made.append({"run": run, "data": data, **rest})
        return robustness_result()

    monkeypatch.setattr(fieldmark.evaluation, "evaluate_robustness", measure)
    monkeypatch.setattr(fieldmark.report, "write_report", lambda run: run / "report.html")
    monkeypatch.setattr(stages, "evaluate_as", lambda *_, **__: None)
    monkeypatch.setattr(evaluation_output, "print_evaluation", lambda terminal, _: terminal.result("accuracy"))
    return made


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    return lambda *arguments: CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_robustness_is_measured_only_when_asked(run: Run, calls: list[dict[str, object]]) -> None:
    assert run("runs/a").stdout == "accuracy\n"
    assert calls == []


def test_the_options_reach_the_library(run: Run, calls: list[dict[str, object]], tmp_path: Path) -> None:
    assert run("runs/a", "other", "--split", "val", "--reader", "cub", "--robustness").exit_code == 0
    assert run("runs/a", "--robustness-pictures", 7).exit_code == 0
    assert run("runs/a", "--robustness", "--robustness-pictures", 0).exit_code == 0
    first = calls[0]
    assert (first["run"], first["data"], first["split"], first["reader"]) == (
        Path("runs/a"),
        Path("other"),
        "val",
        "cub",
    )
    assert first["cache"] == tmp_path / "cache"
    assert [call["pictures"] for call in calls] == [DEFAULT_PICTURES, 7, None]


def test_several_seeds_are_refused_with_one_to_name(run: Run, calls: list[dict[str, object]], tmp_path: Path) -> None:
    for seed in (0, 1):
        (tmp_path / "runs" / f"seed-{seed}").mkdir(parents=True)
    done = run(tmp_path / "runs", "--robustness")
    assert done.exit_code == 2
    assert f"fieldmark evaluate {tmp_path / 'runs' / 'seed-0'} --robustness" in done.stderr
    assert calls == []


def test_tables_tell_occlusion_light_and_parts(run: Run, calls: list[dict[str, object]]) -> None:
    words = " ".join(run("runs/a", "--robustness").stdout.split())
    for part in (
        "40 of 1,389 pictures, 80.0 % right uncovered",
        "leaves 40.0 31.0 to 49.0 50.0 % 25.0 % 12.5 % no",
        "contrast 40.0 % 50.0 %",
        "mean 50.0 % 37.5 %",
        "crown -31.0 -4.0 38",
    ):
        assert part in words


def test_json_is_that_of_the_robustness_alone(run: Run, calls: list[dict[str, object]]) -> None:
    done = run("runs/a", "--robustness", "--format", "json", "--quiet")
    assert RobustnessResult.from_json(done.stdout) == robustness_result()
    assert done.stderr == ""
