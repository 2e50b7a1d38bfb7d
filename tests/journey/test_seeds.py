"""Several seeds in miniature: train, lose one, go on, evaluate, compare, all by the command line."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import fieldmark
from fieldmark.cli.main import app
from fieldmark.comparison_results import RunComparison
from fieldmark.results import EvalResult
from fieldmark.seed_results import SeedsResult

OPTIONS = """
    --backbone resnet10t --backbone-option channels=[8,8,16,16] --resolution 32 --epochs 1 --batch-size 8
    --precision 32 --rank-weight 0.5 --attribute-weight 1 --seeds 2
"""


def invoke(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


@pytest.mark.slow
def test_seeds_are_trained_taken_up_again_evaluated_and_compared(tmp_path: Path) -> None:
    birds = fieldmark.generate_birds(tmp_path / "birds", species=4, train=8, test=4, size=48)
    cache, two, again = tmp_path / "cache", tmp_path / "two", tmp_path / "again"
    first = invoke("train", birds, "--out", two, "--cache", cache, *OPTIONS.split())
    assert first.exit_code == 0, first.stderr
    assert first.stdout.startswith("Accuracy on 16 pictures of split test, mean of 2 seeds: ")
    assert f"Use the bundle of {two / 'seed-0'}." in first.stdout
    assert {path.name for path in two.iterdir()} == {"seed-0", "seed-1", "seeds.json", "report.html"}
    figures = SeedsResult.load(two)
    values = [EvalResult.load(two / f"seed-{seed}").top1 for seed in range(2)]
    assert figures.figure("top1").values == tuple(values)
    log = (two / "seed-0" / "log.csv").read_text().splitlines()[0].split(",")
    assert {"ranks", "attributes"} <= set(log)

    weights = {seed: (two / f"seed-{seed}/bundle/weights.safetensors").read_bytes() for seed in range(2)}
    shutil.rmtree(two / "seed-1")
    resumed = invoke("train", birds, "--out", two, "--cache", cache, *OPTIONS.split(), "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert "Seed 0 (1 of 2) has finished before." in resumed.stderr
    assert {seed: (two / f"seed-{seed}/bundle/weights.safetensors").read_bytes() for seed in range(2)} == weights
    assert SeedsResult.load(two).figures == figures.figures
    refused = invoke("train", birds, "--out", two, "--cache", cache, *OPTIONS.split())
    assert (refused.exit_code, "--resume" in refused.stderr) == (2, True)

    shutil.copytree(two, again)
    shutil.rmtree(again / "seed-0")  # one seed against two
    compared = invoke("compare", two, again, "--format", "json")
    found = RunComparison.from_json(compared.stdout)
    assert (found.n, found.first_trainings, found.second_trainings) == (16, 2, 1)
    single = json.loads(invoke("compare", two / "seed-0", two / "seed-1", "--format", "json").stdout)
    assert single["figures"][0]["test"] == "exact McNemar test"
    assert single["only_first"] - single["only_second"] == round(16 * (values[0] - values[1]))
    evaluated = invoke("evaluate", two, "--cache", cache, "--split", "train", "--quiet")
    assert "2 seeds (0, 1), 32 pictures of split train" in evaluated.stdout
    other = invoke("compare", two, again)
    assert other.exit_code == 2
    assert "on split train" in other.stderr
