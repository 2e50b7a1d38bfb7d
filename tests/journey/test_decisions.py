"""From a training with held-out rows to decisions in the bundle, in the evaluation and behind each prediction."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import fieldmark
from fieldmark.cli.main import app
from fieldmark.data.table import Table
from fieldmark.results import EvalResult
from journey.tiny_run import make_pictures

OPTIONS = """
    --backbone resnet10t --backbone-option channels=[8,16,24,32] --resolution 32 --epochs 4 --batch-size 8
    --precision 32 --holdout 0.4 --learning-rate 0.003
"""


def invoke(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A run, its pictures and its cache; two fifths of the 96 training pictures were held out."""
    import shutil

    folder = tmp_path_factory.mktemp("decisions")
    data = make_pictures(folder / "pictures", per_class=32)
    shutil.rmtree(data / "val")
    done = invoke("train", data, "--out", folder / "run", "--cache", folder / "cache", *OPTIONS.split())
    assert done.exit_code == 0, done.stderr
    return folder / "run", data, folder / "cache"


def test_training_leaves_a_rule_and_the_evaluation_says_how_far_it_held(trained: tuple[Path, Path, Path]) -> None:
    run, _, _ = trained
    files = {path.name for path in (run / "bundle").iterdir()}
    assert files == {"README.md", "bundle.json", "decisions.json", "reference.safetensors", "weights.safetensors"}
    rule = fieldmark.load_predictor(run).rule
    assert rule is not None
    assert 30 <= rule.rows <= 42
    told = EvalResult.load(run).decisions
    assert told is not None
    assert told.promised_coverage == 0.9
    assert "What it can be trusted with" in (run / "report.html").read_text(encoding="utf-8")


def test_predictions_carry_their_decisions_everywhere(trained: tuple[Path, Path, Path]) -> None:
    run, data, _ = trained
    done = invoke("predict", run, data / "test", "--format", "json", "--quiet")
    assert done.exit_code == 0, done.stderr
    shown = json.loads(done.stdout)
    rows = fieldmark.load_predictor(run, batch_size=5)([entry["source"] for entry in shown])
    for entry, row in zip(shown, rows, strict=True):
        assert row.decision is not None
        assert entry["answer"] == row.answer
        assert entry["decision"]["candidates"] == list(row.decision.candidates)
        assert entry["decision"]["known"] == row.decision.known
    told = EvalResult.load(run).decisions
    assert told is not None
    inside = [Path(row.source).parent.name in row.decision.candidates for row in rows if row.decision]
    assert sum(inside) / len(inside) == pytest.approx(told.coverage)


@pytest.mark.slow
def test_folds_train_again_and_calibrating_anew_replaces_the_rule(trained: tuple[Path, Path, Path]) -> None:
    run, _, cache = trained
    weights = (run / "bundle" / "weights.safetensors").read_bytes()
    done = invoke("calibrate", run, "--folds", 2, "--coverage", 0.8, "--cost", "dots=4", "--cache", cache, "--quiet")
    assert done.exit_code == 0, done.stderr
    assert "2 folds of split train" in done.stdout
    rule = fieldmark.load_predictor(run).rule
    assert rule is not None
    assert (rule.coverage, rule.rows) == (0.8, len(Table.load(run / "table.parquet").split("train")))
    assert [point.name for point in rule.operating_points] == ["dots"]
    assert not (run / "folds").exists()
    assert (run / "bundle" / "weights.safetensors").read_bytes() == weights
