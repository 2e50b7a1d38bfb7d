"""The real run in miniature: draw birds, train, evaluate, report, predict, all by the command line."""

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import fieldmark
from fieldmark.cli.main import app
from fieldmark.data.table import Table
from fieldmark.results import EvalResult

SPECIES = 8
CHANCE = 1 / SPECIES

#: By how much accuracy must beat chance; 0.28 at the time of writing, with a standard error of 0.06.
MARGIN = 0.10

#: The whole content of a run's folder.
RUN_FILES = {
    "bundle",
    "checkpoints",
    "config.json",
    "evaluation",
    "evaluation.json",
    "log.csv",
    "report.html",
    "table.parquet",
    "tensorboard",
}

OPTIONS = """
    --backbone resnet10t --backbone-option channels=[16,32,48,64] --resolution 48 --epochs 14 --batch-size 8
    --learning-rate 0.003 --crop-scale 0.8 --color 0.1 --label-smoothing 0 --dropout 0 --ema-decay 0.9 --precision 32
"""


def invoke(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fieldmark.generate_birds(
        tmp_path_factory.mktemp("data") / "birds", species=SPECIES, train=16, test=8, size=48
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trained(birds: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    run = tmp_path_factory.mktemp("runs") / "first"
    return run, invoke("train", birds, "--out", run, "--cache", cache, *OPTIONS.split())


def test_training_prints_accuracy_above_chance_and_leaves_exactly_these_files(trained: tuple[Path, Result]) -> None:
    run, done = trained
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Accuracy on 64 pictures of split test: ")
    assert "0 leaks between splits" in done.stdout
    assert str(run / "report.html") in done.stdout
    result = EvalResult.load(run)
    assert result.top1 > CHANCE + MARGIN
    assert result.accuracy_by_rank["genus"] > 1 / 2 + MARGIN
    assert {path.name for path in run.iterdir()} == RUN_FILES
    assert {path.name for path in (run / "bundle").iterdir()} == {"README.md", "bundle.json", "weights.safetensors"}
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["epoch-0014"]
    assert len((run / "log.csv").read_text().splitlines()) == 1 + 14
    assert json.loads((run / "config.json").read_text())["epochs"] == 14


def test_the_report_needs_nothing_from_outside(trained: tuple[Path, Result]) -> None:
    page = (trained[0] / "report.html").read_text(encoding="utf-8")
    pair = EvalResult.load(trained[0]).pairs[0]
    assert page.index(pair.first) < page.index("data:image/")
    for reference in ('src="http', "src='http", 'href="http', "@import", "url(http"):
        assert reference not in page


def test_evaluating_again_gives_the_same_figures(trained: tuple[Path, Result], cache: Path) -> None:
    run, _ = trained
    before = EvalResult.load(run)
    done = invoke("evaluate", run, "--cache", cache, "--format", "json", "--quiet")
    assert done.exit_code == 0, done.stderr
    again = EvalResult.from_json(done.stdout)
    assert (again.top1, again.intervals, again.confusion) == (before.top1, before.intervals, before.confusion)


def test_predicting_the_files_agrees_with_the_evaluation(trained: tuple[Path, Result]) -> None:
    run, _ = trained
    test = Table.load(run / "table.parquet").split("test")
    truth = {str(test.root / row["path"]): row["label"] for row in test.frame.to_dicts()}
    done = invoke("predict", run, *truth, "--format", "csv", "--quiet")
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    right = sum(truth[row["source"]] == row["label"] for row in rows)
    assert right / len(rows) == pytest.approx(EvalResult.load(run).top1)
    lineage = fieldmark.load_predictor(run).info.lineage
    assert all(lineage[row["label"]][0] == row["genus"] for row in rows)


def test_the_run_is_not_overwritten_and_resuming_a_finished_one_changes_nothing(
    trained: tuple[Path, Result], birds: Path, cache: Path
) -> None:
    run, _ = trained
    weights = (run / "bundle" / "weights.safetensors").read_bytes()
    refused = invoke("train", birds, "--out", run, "--cache", cache, *OPTIONS.split())
    assert refused.exit_code == 2
    assert "--resume" in refused.stderr
    resumed = invoke("train", birds, "--out", run, "--cache", cache, *OPTIONS.split(), "--resume", "--no-evaluate")
    assert resumed.exit_code == 0, resumed.stderr
    assert (run / "bundle" / "weights.safetensors").read_bytes() == weights


def test_python_does_the_same(trained: tuple[Path, Result], birds: Path) -> None:
    predictor = fieldmark.load_predictor(trained[0])
    table = fieldmark.read_table(birds).split("test")
    paths = [table.root / path for path in table.frame["path"][:3]]
    assert [row.error for row in predictor(paths)] == [None] * 3
    assert predictor.info.classes == table.classes
