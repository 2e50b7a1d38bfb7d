"""What each command asks of the library and what it prints; the library's own work is stood in for."""

import csv
import io
import json
from collections.abc import Callable
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
import fieldmark.training.train
from fieldmark.cli import demo as demo_module
from fieldmark.cli.main import app
from fieldmark.data.table import Table, make_table
from fieldmark.errors import DataError
from fieldmark.records import BrokenRow, Interval, Leak
from fieldmark.results import ClassResult, ConfusedPair, EvalResult
from fieldmark.training.config import TrainConfig
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
    assert "Trained 3 epochs in 1 min 15 s, validation accuracy 50.0 %: runs/a" in done.stderr


def test_train_evaluates_validation_rows_where_there_is_no_test(run: Run, library: dict[str, Calls]) -> None:
    assert run("train", "untested", "--out", "a").exit_code == 0
    assert library["evaluate"][0]["split"] == "val"


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
    assert list(rows[0]) == ["source", "label", "probability", "kind", "label_2", "probability_2", "error"]
    assert len(rows) == 2
    assert {row["kind"] for row in rows} <= {"insect", "mammal"}
    assert float(rows[0]["probability"]) >= float(rows[0]["probability_2"])


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
    assert call["config"] == demo_module.QUICK_DEMO.config
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
