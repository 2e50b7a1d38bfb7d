"""Several trainings in one folder: what is made, left out and refused; training itself is stood in for."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import fieldmark.training.seeds as seeds_module
from fieldmark.data.table import Table, make_table
from fieldmark.errors import BundleError, ConfigError
from fieldmark.models.bundle import find_bundle
from fieldmark.training.config import TrainConfig
from fieldmark.training.observer import SilentObserver
from fieldmark.training.run_folder import check_run, make_run, seed_folders
from fieldmark.training.seeds import train_seeds
from fieldmark.training.train import TrainResult

CONFIG = TrainConfig(epochs=2, parts=0)


class Listener(SilentObserver):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def message(self, text: str) -> None:
        self.heard.append(text)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, TrainConfig, bool]]:
    """Stand in for training: a run with a bundle is left, as training leaves it."""
    calls: list[tuple[str, TrainConfig, bool]] = []

    def train(table: Table, run: Path, config: TrainConfig, *, resume: bool, **rest: object) -> TrainResult:
        check_run(run, config, table, resume=resume)
        make_run(run, config, table)
        (run / "bundle").mkdir()
        (run / "bundle" / "bundle.json").write_text("{}")
        calls.append((run.name, config, resume))
        return TrainResult(run, config.epochs, 1.0, None, ())

    monkeypatch.setattr(seeds_module, "train", train)
    return calls


@pytest.fixture
def table(tmp_path: Path) -> Table:
    rows = {"path": [f"{place}.png" for place in range(8)], "label": ["finch", "robin"] * 4, "split": ["train"] * 8}
    return make_table(rows, tmp_path, reader="test")


def test_each_seed_is_trained_into_its_own_folder(trained: list[object], table: Table, tmp_path: Path) -> None:
    runs = train_seeds(table, tmp_path / "out", CONFIG, seeds=3, cache=tmp_path)
    assert trained == [(f"seed-{seed}", replace(CONFIG, seed=seed), False) for seed in range(3)]
    assert [(run.seed, run.run) for run in runs] == [(seed, tmp_path / "out" / f"seed-{seed}") for seed in range(3)]
    assert all(run.result is not None for run in runs)
    assert seed_folders(tmp_path / "out") == tuple(run.run for run in runs)


def test_the_first_seed_is_that_of_the_options_and_ten_comes_after_nine(
    trained: list[object], table: Table, tmp_path: Path
) -> None:
    train_seeds(table, tmp_path / "out", replace(CONFIG, seed=8), seeds=3, cache=tmp_path)
    assert [run.name for run in seed_folders(tmp_path / "out")] == ["seed-8", "seed-9", "seed-10"]


def test_resuming_leaves_out_what_has_finished_and_goes_on_with_the_rest(
    trained: list[tuple[str, TrainConfig, bool]], table: Table, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    train_seeds(table, out, CONFIG, seeds=2, cache=tmp_path)
    (out / "seed-1" / "bundle" / "bundle.json").unlink()  # as if it had been stopped
    (out / "seed-1" / "bundle").rmdir()
    trained.clear()
    listener = Listener()
    runs = train_seeds(table, out, CONFIG, seeds=3, cache=tmp_path, resume=True, observer=listener)
    assert [(name, resume) for name, _, resume in trained] == [("seed-1", True), ("seed-2", True)]
    assert [run.result is None for run in runs] == [True, False, False]
    assert listener.heard[0] == "Seed 0 (1 of 3) has finished before."


def test_without_resume_or_with_other_options_what_is_there_is_refused_before_any_training(
    trained: list[object], table: Table, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    train_seeds(table, out, replace(CONFIG, seed=2), seeds=2, cache=tmp_path)
    trained.clear()
    with pytest.raises(ConfigError, match="--resume"):
        train_seeds(table, out, CONFIG, seeds=3, cache=tmp_path)
    with pytest.raises(ConfigError, match="epochs was 2, now 5"):
        train_seeds(table, out, replace(CONFIG, epochs=5), seeds=3, cache=tmp_path, resume=True)
    assert trained == []


def test_a_folder_with_a_single_run_or_anything_else_is_refused(
    trained: list[object], table: Table, tmp_path: Path
) -> None:
    single, other = tmp_path / "single", tmp_path / "other"
    make_run(single, CONFIG, table)
    other.mkdir()
    (other / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match="single run"):
        train_seeds(table, single, CONFIG, cache=tmp_path, resume=True)
    with pytest.raises(ConfigError, match="thesis"):
        train_seeds(table, other, CONFIG, cache=tmp_path)
    with pytest.raises(ConfigError, match="none"):
        train_seeds(table, tmp_path / "out", CONFIG, seeds=0, cache=tmp_path)
    assert (trained, seed_folders(single)) == ([], ())


def test_all_seeds_share_the_splits_of_the_first(
    trained: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Table
) -> None:
    given: list[int] = []
    monkeypatch.setattr(seeds_module, "read_table", lambda data, *, reader, seed: given.append(seed) or table)
    train_seeds(tmp_path, tmp_path / "out", replace(CONFIG, seed=4), seeds=2, cache=tmp_path)
    assert given == [4]
    frames = [Table.load(run / "table.parquet").frame for run in seed_folders(tmp_path / "out")]
    assert pl.DataFrame.equals(*frames)


def test_a_bundle_asked_of_several_seeds_names_one(trained: list[object], table: Table, tmp_path: Path) -> None:
    train_seeds(table, tmp_path / "out", CONFIG, seeds=2, cache=tmp_path)
    with pytest.raises(BundleError, match="several trainings") as caught:
        find_bundle(tmp_path / "out")
    assert str(tmp_path / "out" / "seed-0") in caught.value.cure
