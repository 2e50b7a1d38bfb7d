"""What each command asks of the library and what it prints; the library's own work is stood in for."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import fieldmark.data.cache
import fieldmark.data.reading
import fieldmark.evaluation
import fieldmark.report
import fieldmark.synthetic
import fieldmark.training.seeds
import fieldmark.training.train
from fieldmark.cli import demo as demo_module
from fieldmark.cli.main import app
from fieldmark.comparison_results import FigureDifference, RunComparison
from fieldmark.data.table import Table, make_table
from fieldmark.decide import DecisionRule, RuleOptions
from fieldmark.errors import DataError
from fieldmark.predict import load_predictor
from fieldmark.records import BrokenRow, Decision, Interval, Leak, Prediction
from fieldmark.results import (
    ClassResult,
    ConfusedPair,
    DecisionResult,
    EvalResult,
    FlagDecisions,
    LeastRisk,
    MistakeSeverity,
    RankDecisions,
)
from fieldmark.seed_results import SeedFigure, SeedsResult
from fieldmark.training.config import TrainConfig
from fieldmark.training.seeds import SeedRun
from fieldmark.training.train import TrainResult

Calls = list[dict[str, object]]
Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


def result(leaks: int = 1) -> EvalResult:
    return EvalResult(
        fingerprint="f" * 16,
        split="test",
        n=200,
        classes=("finch", "robin"),
        top1=0.905,
        top5=1.0,
        macro_recall=0.9,
        nll=0.3,
        ece=0.02,
        accuracy_by_rank={"genus": 0.95, "species": 0.905},
        intervals={"top1": Interval(0.905, 0.87, 0.94), "macro_recall": Interval(0.9, 0.86, 0.93)},
        per_class=(ClassResult("finch", 100, 0.9, 0.9, 0.9),),
        confusion=((0, 0, 90),),
        resolution=64,
        fieldmark_version="0",
        evaluated_at="2026-01-01",
        leaks=(Leak("exact", "a", "b", "train", "test"),) * leaks,
        top1_without_leaks=0.9,
        pairs=(ConfusedPair("robin", "finch", 7, 3, 100, 100, 0.05),),
        broken=(BrokenRow("x", "x.jpg", "cut off"),),
        warnings=("few pictures",),
    )


def table(folder: Path, *splits: str) -> Table:
    names = [f"{split}{index}.png" for index, split in enumerate(splits)]
    for index, name in enumerate(names):
        noise = np.random.default_rng(index).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)
    labels = ["finch" if index % 2 else "robin" for index in range(len(names))]
    columns = {"path": names, "label": labels, "split": [split or None for split in splits]}
    return make_table(columns, folder, reader="folders", recognised_by="folders of pictures")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> dict[str, Calls]:
    """Stand in for training, evaluation, drawing and reporting; give back how they were called."""
    calls: dict[str, Calls] = {"train": [], "evaluate": [], "report": [], "birds": []}

    def train(data: Path, out: Path, config: TrainConfig, **rest: object) -> TrainResult:
        calls["train"].append({"data": data, "out": out, "config": config, **rest})
        out.mkdir(parents=True, exist_ok=True)
        splits = ("train", "train", "val") if "untested" in str(data) else ("train", "train", "val", "test")
        table(out, *splits).save(out / "table.parquet")
        rest["observer"].message("training hard")  # type: ignore[attr-defined]
        return TrainResult(out, 3, 75.0, 0.5, ())

    def evaluate(run: Path, data: Path | None = None, **rest: object) -> EvalResult:
        calls["evaluate"].append({"run": run, "data": data, **rest})
        return result()

    def write_report(run: Path) -> Path:
        calls["report"].append({"run": run})
        return run / "report.html"

    def generate_birds(out: Path, **rest: object) -> Path:
        calls["birds"].append({"out": out, **rest})
        out.mkdir(parents=True, exist_ok=True)
        return out

    monkeypatch.setattr(fieldmark.training.train, "train", train)
    monkeypatch.setattr(fieldmark.evaluation, "evaluate", evaluate)
    monkeypatch.setattr(fieldmark.report, "write_report", write_report)
    monkeypatch.setattr(fieldmark.synthetic, "generate_birds", generate_birds)
    return calls


def test_train_trains_evaluates_and_reports(run: Run, library: dict[str, Calls], tmp_path: Path) -> None:
    done = run("train", "photos", "--out", "runs/a", "--epochs", 3, "--no-flip", "--time-limit", "30m", "--resume")
    assert done.exit_code == 0, done.stderr
    call = library["train"][0]
    assert (call["data"], call["out"], call["resume"]) == (Path("photos"), Path("runs/a"), True)
    assert call["config"] == TrainConfig(epochs=3, flip=False, time_limit=30.0)
    assert call["cache"] == tmp_path / "cache"
    assert library["evaluate"][0]["split"] == "test"
    accuracy, report = done.stdout.splitlines()
    assert accuracy == (
        "Accuracy on 200 pictures of split test: 90.5 % (one seed; 95 % interval 87.0 % to 94.0 %), "
        "1 leak between splits"
    )
    assert report == f"Report: {Path('runs/a/report.html')}"
    assert "training hard" in done.stderr
    assert "Trained 3 epochs in 1 min 15 s, validation accuracy 50.0 % (0 leaks between splits): runs/a" in done.stderr


def test_train_evaluates_validation_rows_where_there_is_no_test(run: Run, library: dict[str, Calls]) -> None:
    assert run("train", "untested", "--out", "a").exit_code == 0
    assert library["evaluate"][0]["split"] == "val"


def test_train_tells_the_leaks_beside_the_accuracy_where_no_evaluation_follows(
    run: Run, library: dict[str, Calls], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = fieldmark.training.train.train
    leak = Leak("exact", "a", "b", "train", "val")
    monkeypatch.setattr(
        fieldmark.training.train, "train", lambda *given, **rest: replace(stand_in(*given, **rest), leaks=(leak,))
    )
    done = run("train", "photos", "--out", "a", "--no-evaluate")
    assert library["evaluate"] == []
    assert "validation accuracy 50.0 % (1 leak between splits): a" in done.stderr


def test_train_without_evaluation_and_quiet(run: Run, library: dict[str, Calls]) -> None:
    done = run("--quiet", "train", "photos", "--out", "a", "--no-evaluate")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert library["evaluate"] == []


def test_train_refuses_wrong_options_before_it_reads_anything(run: Run, library: dict[str, Calls]) -> None:
    done = run("train", "photos", "--out", "a", "--time-limit", "soon")
    assert done.exit_code == 2
    assert "error: 'soon' is no span of time." in done.stderr
    assert library["train"] == []


def test_the_other_processes_of_torchrun_only_train(
    run: Run, library: dict[str, Calls], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    done = run("train", "photos", "--out", "a")
    assert (done.stdout, done.stderr, library["evaluate"]) == ("", "", [])


def test_evaluate_prints_a_table(run: Run, library: dict[str, Calls]) -> None:
    done = run("evaluate", "runs/a", "other", "--split", "val")
    assert done.exit_code == 0, done.stderr
    call = library["evaluate"][0]
    assert (call["run"], call["data"], call["split"]) == (Path("runs/a"), Path("other"), "val")
    words = " ".join(done.stdout.split())
    for part in ("90.5 % 87.0 % to 94.0 %", "rank genus 95.0 %", "leaks between splits 1", "robin finch 7 3 5.0 %"):
        assert part in words
    assert "Left out: x.jpg: cut off" in done.stderr
    assert "report.html" in done.stderr


def test_evaluate_as_json_prints_nothing_else(run: Run, library: dict[str, Calls]) -> None:
    done = run("evaluate", "runs/a", "--format", "json")
    assert EvalResult.from_json(done.stdout) == result()


def test_evaluate_reads_other_data_with_the_named_reader(
    run: Run, library: dict[str, Calls], monkeypatch: pytest.MonkeyPatch, tiny_run: Path, tmp_path: Path
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(fieldmark.data.reading, "read_table", lambda path, **rest: (path, rest["reader"]))
    monkeypatch.setattr(
        fieldmark.evaluation, "evaluate_predictor", lambda predictor, data, run, **rest: seen.append(data) or result()
    )
    assert run("evaluate", tiny_run, "other", "--reader", "manifest").exit_code == 0
    assert seen == [(Path("other"), "manifest")]
    refused = run("evaluate", tiny_run, "--reader", "manifest")
    assert refused.exit_code == 2
    assert "--reader needs PATH" in refused.stderr


@pytest.fixture
def seeds(library: dict[str, Calls], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Calls]:
    """Stand in for training and evaluating several seeds."""

    def train_seeds(data: Path, out: Path, config: TrainConfig, **rest: object) -> tuple[SeedRun, ...]:
        library["seeds"] = [{"data": data, "out": out, "config": config, **rest}]
        for seed in range(3):
            (out / f"seed-{seed}").mkdir(parents=True)
            table(out / f"seed-{seed}", "train", "train", "val").save(out / f"seed-{seed}" / "table.parquet")
        runs = [SeedRun(seed, out / f"seed-{seed}", None) for seed in range(2)]
        return (*runs, SeedRun(2, out / "seed-2", TrainResult(out / "seed-2", 3, 75.0, 0.5, ())))

    def evaluate_seeds(folder: Path, data: Path | None = None, **rest: object) -> SeedsResult:
        library["evaluate"].append({"run": folder, "data": data, **rest})
        return seeds_result()

    def write_seeds_report(folder: Path) -> Path:
        library["report"].append({"run": folder})
        return folder / "report.html"

    monkeypatch.setattr(fieldmark.training.seeds, "train_seeds", train_seeds)
    monkeypatch.setattr(fieldmark.evaluation, "evaluate_seeds", evaluate_seeds)
    monkeypatch.setattr(fieldmark.report, "write_seeds_report", write_seeds_report)
    return library


def seeds_result() -> SeedsResult:
    def figure(name: str, share: bool, *values: float) -> SeedFigure:
        return SeedFigure(name, share, values, 0.025, Interval(sum(values) / 3, values[0] - 0.1, values[2] + 0.1))

    return SeedsResult(
        fingerprint="f" * 16,
        split="val",
        n=200,
        seeds=(0, 1, 2),
        runs=("seed-0", "seed-1", "seed-2"),
        figures=(figure("top1", True, 0.85, 0.9, 0.875), figure("severity_of_all", False, 0.2, 0.3, 0.25)),
        bundle="seed-0",
        bundle_reason="Chance decides.",
        leaks=1,
        resolution=64,
        fieldmark_version="0",
        evaluated_at="2026-01-01",
        warnings=("few pictures",),
    )


def test_train_with_seeds_trains_and_evaluates_them_all(run: Run, seeds: dict[str, Calls]) -> None:
    done = run("train", "photos", "--out", "runs/a", "--seeds", 3, "--epochs", 3, "--resume")
    assert done.exit_code == 0, done.stderr
    (call,) = seeds["seeds"]
    assert (call["data"], call["out"], call["seeds"], call["resume"]) == (Path("photos"), Path("runs/a"), 3, True)
    assert call["config"] == TrainConfig(epochs=3)
    assert seeds["train"] == []
    (evaluated,) = seeds["evaluate"]
    assert (evaluated["run"], evaluated["split"]) == (Path("runs/a"), "val")
    folders = [call["run"] for call in seeds["report"]]
    assert folders == [*(Path(f"runs/a/seed-{seed}") for seed in range(3)), Path("runs/a")]
    assert done.stdout.splitlines() == [
        "Accuracy on 200 pictures of split val, mean of 3 seeds: 87.5 %, spread 2.5 points "
        "(95 % interval 75.0 % to 97.5 %), 1 leak between splits",
        f"Use the bundle of {Path('runs/a/seed-0')}. Chance decides.",
        f"Report: {Path('runs/a/report.html')}",
    ]
    assert "Seed 2 trained in 1 min 15 s, validation accuracy 50.0 % (0 leaks between splits)" in done.stderr


def test_train_with_seeds_need_not_evaluate(run: Run, seeds: dict[str, Calls]) -> None:
    done = run("train", "photos", "--out", "runs/a", "--seeds", 3, "--no-evaluate", "--quiet")
    assert (done.exit_code, done.stdout, seeds["evaluate"]) == (0, "", [])
    assert run("train", "photos", "--out", "runs/b", "--seeds", 1).exit_code == 2


def test_evaluate_of_a_folder_of_seeds_shows_mean_and_spread(run: Run, seeds: dict[str, Calls], tmp_path: Path) -> None:
    for seed in range(3):
        (tmp_path / "three" / f"seed-{seed}").mkdir(parents=True)
    done = run("evaluate", "three", "other", "--reader", "manifest")
    assert done.exit_code == 0, done.stderr
    (call,) = seeds["evaluate"]
    assert (call["run"], call["data"], call["reader"]) == (Path("three"), Path("other"), "manifest")
    words = " ".join(done.stdout.split())
    assert "top-1 87.5 % 2.5 points 75.0 % to 97.5 % 85.0 % 90.0 %" in words
    assert "severity, all pictures 0.250 0.025 0.100 to 0.350 0.200 0.300" in words
    assert f"Use the bundle of {Path('three/seed-0')}. Chance decides." in words
    assert "few pictures" in done.stderr
    as_json = run("evaluate", "three", "--format", "json", "--quiet")
    assert SeedsResult.from_json(as_json.stdout) == seeds_result()
    assert "--reader needs PATH" in run("evaluate", "three", "--reader", "manifest").stderr


def test_evaluate_shows_how_bad_mistakes_are(
    run: Run, library: dict[str, Calls], monkeypatch: pytest.MonkeyPatch
) -> None:
    severity = MistakeSeverity(2, 1.25, 0.125, 0.9, LeastRisk(0.9, None, 0.0625))
    found = replace(result(), severity=severity)
    monkeypatch.setattr(fieldmark.evaluation, "evaluate", lambda *_, **__: found)
    words = " ".join(run("evaluate", "runs/a").stdout.split())
    for part in (
        "top-1, split test, one seed 90.5 %",
        "severity of a mistake (1 to 2) 1.250 severity, all pictures 0.125 severity of the top-5 0.900",
        "least risk: top-1 90.0 % least risk: severity of a mistake - least risk: severity, all pictures 0.062",
    ):
        assert part in words
    monkeypatch.setattr(fieldmark.evaluation, "evaluate", lambda *_, **__: result())
    assert "severity" not in run("evaluate", "runs/a").stdout


def test_compare_prints_a_table_and_what_it_means(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "top-1: a is better by 2.1 points, 95 % interval 0.8 to 3.4; p = 0.002."
    figure = FigureDifference(
        "top1", 0.9, 0.879, Interval(0.021, 0.008, 0.034), 0.002, "exact McNemar test", "first", words
    )
    sure = replace(figure, name="macro_recall", p=0.0001, words="so it is")
    found = RunComparison("a", "b", "f" * 16, "test", 2000, None, 1, 1, 62, 20, (figure, sure), ("one training",))
    calls: list[tuple[Path, Path]] = []
    monkeypatch.setattr(fieldmark.evaluation, "compare_runs", lambda *runs: calls.append(runs) or found)
    done = run("compare", "a", "b")
    assert done.exit_code == 0, done.stderr
    assert calls == [(Path("a"), Path("b"))]
    printed = " ".join(done.stdout.split())
    assert "top-1 90.0 % 87.9 % +2.1 +0.8 to +3.4 0.002 exact McNemar test" in printed
    assert "+3.4 < 0.001" in printed
    assert "Recognised 62 by a alone, 20 by b alone." in done.stdout.splitlines()
    assert done.stdout.splitlines()[-2:] == [words, "so it is"]
    assert "Note: one training" in done.stderr
    assert RunComparison.from_json(run("compare", "a", "b", "--format", "json").stdout) == found


def test_report_of_seeds(run: Run, seeds: dict[str, Calls], tmp_path: Path) -> None:
    (tmp_path / "three").mkdir()
    seeds_result().save(tmp_path / "three")
    assert run("report", "three").stdout == f"{Path('three/report.html')}\n"
    assert seeds["report"] == [{"run": Path("three")}]


def test_report_prints_its_path(run: Run, library: dict[str, Calls]) -> None:
    done = run("report", "runs/a")
    assert done.stdout == f"{Path('runs/a/report.html')}\n"


def pictures(folder: Path, count: int = 2) -> list[Path]:
    table(folder, *["train"] * count)
    return sorted(folder.glob("*.png"))


def test_predict_as_json(run: Run, tiny_run: Path, tmp_path: Path) -> None:
    paths = pictures(tmp_path)
    done = run("predict", tiny_run, *paths, "--format", "json", "--top", 2)
    assert done.exit_code == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["source"] for row in rows] == [str(path) for path in paths]
    for row in rows:
        assert row["top"][0] == {"label": row["label"], "probability": row["probability"]}
        assert len(row["top"]) == 2
        assert row["lineage"]["species"] == row["label"]
        assert row["error"] is None


def test_predict_as_csv(run: Run, tiny_run: Path, tmp_path: Path) -> None:
    pictures(tmp_path)
    done = run("predict", tiny_run, tmp_path / "*.png", "--format", "csv", "--top", 2)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    of_decisions = ["answer", "known", "novelty", "candidates", "rank", "name", "confidence", "flagged"]
    assert list(rows[0]) == [
        *("source", "label", "probability", "kind", "label_2", "probability_2", "error"),
        *of_decisions,
    ]
    assert {rows[0][column] for column in of_decisions} == {""}  # this bundle has no rule
    assert len(rows) == 2
    assert {row["kind"] for row in rows} <= {"insect", "mammal"}
    assert float(rows[0]["probability"]) >= float(rows[0]["probability_2"])


def test_predict_shows_what_may_be_relied_on(run: Run, deciding_run: Path, tmp_path: Path) -> None:
    paths = [str(path) for path in pictures(tmp_path)]
    rows = load_predictor(deciding_run)(paths)
    table = run("predict", deciding_run, *paths).stdout.splitlines()[1:]
    listed = list(csv.DictReader(io.StringIO(run("predict", deciding_run, *paths, "--format", "csv").stdout)))
    data = json.loads(run("predict", deciding_run, *paths, "--format", "json").stdout)
    for row, line, cells, entry in zip(rows, table, listed, data, strict=True):
        assert row.decision is not None
        assert f"→ {row.answer}" in line
        assert (cells["answer"], cells["known"]) == (row.answer, "yes" if row.decision.known else "no")
        assert cells["candidates"].split(" | ") == list(row.decision.candidates)
        assert cells["label"] == entry["label"] == row.label
        assert entry["answer"] == row.answer
        assert entry["decision"]["known"] == row.decision.known
        assert entry["decision"]["candidates"] == list(row.decision.candidates)
        assert entry["decision"]["novelty"] == pytest.approx(row.decision.novelty, abs=1e-3)


def test_an_answer_says_unknown_uncertain_or_the_name_that_is_certain() -> None:
    def answer(decision: Decision | None) -> str | None:
        return Prediction("x.jpg", "wren", 0.4, decision=decision).answer

    assert answer(None) is None
    assert answer(Decision(False, 3.0, ("wren",), "genus", "Troglodytes", 0.99)) == "unknown (nearest: wren)"
    assert answer(Decision(True, 0.0, ("wren", "robin"))) == "uncertain (nearest: wren)"
    assert answer(Decision(True, 0.0, ("wren",), "genus", "Troglodytes", 0.97)) == "Troglodytes"


def test_calibrate_hands_on_its_options_and_prints_the_rule(
    run: Run, deciding_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Calls = []

    def fit(folder: Path, **rest: object) -> DecisionRule:
        asked.append({"run": folder, **rest})
        rule = load_predictor(deciding_run).rule
        assert rule is not None
        return rule

    monkeypatch.setattr(fieldmark.evaluation, "fit_decisions", fit)
    options = ("--coverage", 0.8, "--precision", 0.9, "--score", "knn")
    done = run("calibrate", "a", *options, "--sensitivity", "a=b=0.9", "--cost", "bee=7", "--quiet")
    assert done.exit_code == 0, done.stderr
    assert asked[0]["run"] == Path("a")
    assert asked[0]["options"] == RuleOptions(
        coverage=0.8, precision=0.9, score="knn", sensitivities={"a=b": 0.9}, costs={"bee": 7.0}
    )
    assert "60 pictures of noise" in done.stdout
    assert "ant flagged from" in done.stdout
    assert run("calibrate", "a", "--folds", 3, "--quiet").exit_code == 0
    assert asked[1]["folds"] == 3


@pytest.mark.parametrize("words", ["melanoma", "=0.9", "melanoma=much"])
def test_calibrate_refuses_what_names_no_class_with_a_number(run: Run, words: str) -> None:
    done = run("calibrate", "a", "--sensitivity", words)
    assert done.exit_code == 2
    assert "--sensitivity melanoma=0.95" in done.stderr


def test_train_fits_decisions_where_there_are_validation_rows_enough(
    run: Run, library: dict[str, Calls], monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[Path] = []
    monkeypatch.setattr(fieldmark.evaluation, "fit_decisions", lambda folder, **rest: fitted.append(folder))
    few = run("train", "photos", "--out", "a")
    assert (few.exit_code, fitted) == (0, [])
    assert "--holdout 0.1" in few.stderr
    monkeypatch.setattr(fieldmark.evaluation, "has_held_out_rows", lambda folder: True)
    assert run("train", "photos", "--out", "b", "--no-evaluate").exit_code == 0
    assert fitted == [Path("b")]


def test_evaluate_prints_how_far_decisions_held(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = (RankDecisions("genus", 0.8, 0.3, 0.97), RankDecisions("species", 0.9, 0.5, 0.94))
    flags = (FlagDecisions("robin", 0.1, "sensitivity 0.95", 0.93, 0.7),)
    told = DecisionResult(
        *(0.9, 0.911, 0.0312, "robin", 0.85, 1.43, 0.7, 0.05, 0.062, "gen+knn", 0.95, 0.951),
        *(ranks, 0.2, 0.65, flags, "296 pictures of split val"),
    )
    monkeypatch.setattr(fieldmark.evaluation, "evaluate", lambda *_, **__: replace(result(), decisions=told))
    monkeypatch.setattr(fieldmark.report, "write_report", lambda folder: folder / "report.html")
    printed = run("evaluate", "a").stdout
    for words in ("91.1 %", "3.1 points", "1.43", "6.2 %", "95.1 %", "named at rank genus", "robin flagged", "93.0 %"):
        assert words in printed


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_broken_picture_is_a_row_and_the_exit_code_is_1(run: Run, tiny_run: Path, tmp_path: Path, form: str) -> None:
    good, bad = pictures(tmp_path)
    bad.write_bytes(b"no picture")
    done = run("predict", tiny_run, tmp_path, "--format", form, "--quiet")
    assert done.exit_code == 1
    assert "not a picture in a known format" in done.stdout
    assert str(good) in done.stdout
    assert done.stderr.splitlines()[0] == "1 of 2 pictures could not be read:"
    assert str(bad) in done.stderr


def test_predict_writes_a_file_whole(run: Run, tiny_run: Path, tmp_path: Path) -> None:
    paths = pictures(tmp_path)
    out = tmp_path / "deep" / "names.csv"
    done = run("predict", tiny_run, *paths, "--format", "csv", "--out", out)
    assert (done.exit_code, done.stdout) == (0, "")
    assert len(out.read_text().splitlines()) == 3
    assert [path.name for path in out.parent.iterdir()] == ["names.csv"]


def test_predict_names_the_nearest_path_and_a_missing_run(run: Run, tiny_run: Path, tmp_path: Path) -> None:
    (path, *_) = pictures(tmp_path)
    lost = run("predict", tiny_run, tmp_path / "trian0.png")
    assert lost.exit_code == 2
    assert str(path) in lost.stderr
    assert run("predict", tmp_path, path).exit_code == 2


def test_data_check_of_good_data(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good = table(tmp_path, "train", "train", "test", "test")
    monkeypatch.setattr(fieldmark.data.reading, "read_table", lambda path, **rest: good)
    done = run("data", "check", tmp_path)
    assert done.exit_code == 0, done.stderr
    assert "No faults found." in done.stdout
    assert "folders, recognised by folders of pictures" in done.stdout


def test_data_check_of_faulty_data(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bad = table(tmp_path, "train", "train", "test", "test")
    (tmp_path / "test2.png").write_bytes((tmp_path / "train0.png").read_bytes())
    (tmp_path / "test3.png").write_bytes(b"")
    monkeypatch.setattr(fieldmark.data.reading, "read_table", lambda path, **rest: bad)
    done = run("data", "check", tmp_path)
    assert done.exit_code == 1
    assert "test3.png: the file is empty" in done.stdout
    assert "exact: train0.png (train) - test2.png (test)" in done.stdout
    data = json.loads(run("data", "check", tmp_path, "--format", "json").stdout)
    assert [row["path"] for row in data["broken"]] == ["test3.png"]
    assert len(data["faults"]) == 2


def test_data_check_of_nothing(run: Run, tmp_path: Path) -> None:
    done = run("data", "check", tmp_path / "nothing")
    assert done.exit_code == 2
    assert "error: There is nothing at" in done.stderr


def test_data_cache_lists_and_clears(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good = table(tmp_path, "train", "train", "test", "test")
    monkeypatch.setattr(fieldmark.data.reading, "read_table", lambda path, **rest: good)
    assert "0 entries, 0 B" in run("data", "cache").stdout
    run("data", "check", tmp_path)
    listed = run("data", "cache")
    (entry,) = fieldmark.data.cache.cache_entries(tmp_path / "cache")
    assert entry.key in listed.stdout
    assert "1 entry, " in listed.stdout
    assert run("data", "cache", "--clear", "--key", "nonesuch").stdout.startswith("Freed 0 B")
    assert "Freed" in run("data", "cache", "--clear").stdout
    assert "0 entries" in run("data", "cache").stdout


def test_demo_goes_the_whole_way(run: Run, library: dict[str, Calls], tmp_path: Path) -> None:
    done = run("demo", "--quick")
    assert done.exit_code == 0, done.stderr
    folder = Path("demo-quick")
    assert library["birds"][0]["out"] == folder / "birds"
    assert library["birds"][0]["species"] == demo_module.QUICK_DEMO.species
    call = library["train"][0]
    assert (call["data"], call["out"], call["resume"]) == (folder / "birds", folder / "run", True)
    assert call["config"] == replace(demo_module.QUICK_DEMO.config, holdout=0.15)
    assert done.stdout.splitlines()[-1] == f"Report: {folder / 'run' / 'report.html'}"


def test_demo_uses_its_own_folder_again_and_refuses_others(run: Run, library: dict[str, Calls], tmp_path: Path) -> None:
    (tmp_path / "mine" / "birds").mkdir(parents=True)
    done = run("demo", "--out", "mine")
    assert done.exit_code == 0
    assert "Using what is already in mine" in done.stderr
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.tex").write_text("x")
    refused = run("demo", "--out", "theirs")
    assert refused.exit_code == 2
    assert "thesis.tex" in refused.stderr
    assert "--out" in refused.stderr


def test_library_errors_reach_the_user_as_messages(
    run: Run, library: dict[str, Calls], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(run: Path) -> Path:
        raise DataError("Not evaluated.", "Evaluate it.")

    monkeypatch.setattr(fieldmark.report, "write_report", refuse)
    done = run("report", "a")
    assert (done.exit_code, done.stderr) == (2, "error: Not evaluated.\nEvaluate it.\n")
