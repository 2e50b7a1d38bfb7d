"""What all benchmarks that train share: stored runs, folders, spreads."""

from pathlib import Path

import pytest

import experiment
from experiment import Experiment, argument_parser, deviation
from fieldmark.training.config import TrainConfig


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setattr(experiment, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    return Experiment("trial", tmp_path / "shared", quick=False)


def test_wanted_jobs_run_once_and_others_come_from_the_store(bench: Experiment) -> None:
    made = []

    def run(job: int) -> dict[str, int]:
        made.append(job)
        return {"value": 10 * job}

    def gathered(*wanted: int) -> list[int]:
        found = bench.gather([1, 2, 3], lambda job: job in wanted, lambda job: {"job": job}, run)
        return [result["value"] for result in found]

    assert gathered(2) == [20]
    assert gathered(3) == [20, 30]  # what is stored of the others is kept
    assert gathered(1, 2, 3) == [10, 20, 30]
    assert made == [2, 3, 1]


def test_a_scratch_folder_is_gone_afterwards_even_after_a_failure(bench: Experiment) -> None:
    with pytest.raises(RuntimeError), bench.scratch() as folder:
        (folder / "run").mkdir(parents=True)
        raise RuntimeError
    assert not folder.exists()
    assert folder.parent == experiment.ROOT / "runs"


def test_options_name_no_place_of_the_machine(bench: Experiment) -> None:
    config = TrainConfig(weights=bench.mobilenet_weights, epochs=3)
    assert bench.portable(config) == '{"epochs": 3, "weights": "SHARED/weights/mobilenetv2_100.safetensors"}'


def test_quick_runs_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "RUNS", tmp_path / "full")
    monkeypatch.setattr(experiment, "QUICK_RUNS", tmp_path / "quick")
    full, quick = (Experiment("trial", tmp_path, quick=quick) for quick in (False, True))
    quick.store.add({"job": 1}, {"value": 1})
    assert full.store.get({"job": 1}) is None
    assert quick.store.get({"job": 1}) == {"value": 1}


def test_one_run_has_no_spread() -> None:
    assert deviation([3.0]) is None
    assert deviation([1.0, 2.0, 3.0]) == 1.0
    assert deviation([1.0, 1.001], 4) == 0.0007


def test_only_takes_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argument_parser("Measure.", ("birds", "cub50"), "3")
    assert parser.parse_args(["--only", "birds", "--seeds", "2"]).seeds == 2
    with pytest.raises(SystemExit):
        parser.parse_args(["--only", "brids"])
    assert "birds" in capsys.readouterr().err
