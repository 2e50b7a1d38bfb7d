"""Decisions fitted on a run whose network goes by the colour of a picture, with a validation split."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from fieldmark.data.cache import cache_images
from fieldmark.data.table import Table, make_table
from fieldmark.decide import RuleOptions
from fieldmark.decide.fitting import FEWEST_ROWS
from fieldmark.errors import ConfigError, DataError
from fieldmark.evaluation import evaluate, fit_decisions, has_held_out_rows
from fieldmark.evaluation.held_out import held_out_folds, held_out_split
from fieldmark.models.bundle import read_info
from fieldmark.models.reference import load_reference
from fieldmark.predict import load_predictor
from fieldmark.results import EvalResult

LABELS = ("ant", "bee", "cat", "dog", "élan")
COUNTS = {"train": 6, "val": 8, "test": 4}


def made_table(root: Path) -> Table:
    generator = np.random.default_rng(0)
    rows: dict[str, list[object]] = {"path": [], "label": [], "split": [], "group": []}
    for split, count in COUNTS.items():
        for number, label in enumerate(LABELS * count):
            path = f"{split}-{number}.png"
            noise = generator.integers(0, 256, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(noise).save(root / path)
            for name, value in zip(rows, (path, label, split, None), strict=True):
                rows[name].append(value)
    return make_table(rows, root, reader="test", classes=LABELS, rank_names=("kind", "species"))


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """A run of five classes with 30 training, 40 validation and 20 test pictures."""
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    (tmp_path / "pictures").mkdir()
    made_table(tmp_path / "pictures").save(run / "table.parquet")
    return run


def test_decisions_are_fitted_on_validation_rows_and_kept(run: Path, tmp_path: Path) -> None:
    assert has_held_out_rows(run)
    rule = fit_decisions(run, cache=tmp_path / "cache", options=RuleOptions(coverage=0.8))
    assert (rule.rows, rule.source, rule.coverage) == (40, "split val", 0.8)
    reference, info = load_reference(run), read_info(run)
    assert reference is not None
    table = Table.load(run / "table.parquet")
    train = table.split("train").frame
    assert set(reference.ids) == set(train["id"])
    labels = dict(zip(train["id"], train["label"], strict=True))
    assert [info.classes[label] for label in reference.labels] == [labels[name] for name in reference.ids]
    assert info.temperature != 2.0
    assert any("40 held-out pictures" in sentence for sentence in info.limits)
    assert any("80% of pictures" in sentence for sentence in info.limits)
    assert load_predictor(run).rule == rule


def test_the_test_split_has_no_say(run: Path, tmp_path: Path) -> None:
    first = fit_decisions(run, cache=tmp_path / "cache")
    table = Table.load(run / "table.parquet")
    shuffled = pl.when(pl.col("split") == "test").then(pl.lit("ant")).otherwise(pl.col("label")).alias("label")
    replace(table, frame=table.frame.with_columns(shuffled)).save(run / "table.parquet")
    assert fit_decisions(run, cache=tmp_path / "cache") == first


def test_leaking_validation_rows_are_left_out(run: Path, tmp_path: Path) -> None:
    table = Table.load(run / "table.parquet")
    shutil.copy(table.root / "train-0.png", table.root / "val-0.png")  # an exact copy
    group = pl.when(pl.col("path").is_in(["train-1.png", "val-1.png", "val-6.png"])).then(pl.lit("g")).alias("group")
    table = replace(table, frame=table.frame.with_columns(group))
    predictor = load_predictor(run)
    images = cache_images(table, predictor.info.preprocessing, tmp_path / "cache")
    held, _ = held_out_split(predictor, images, 5)
    assert len(held.truth) == 40 - 3


def test_an_evaluation_says_how_far_the_rule_held(run: Path, tmp_path: Path) -> None:
    assert evaluate(run, cache=tmp_path / "cache").decisions is None
    rule = fit_decisions(run, cache=tmp_path / "cache", options=RuleOptions(costs={"ant": 9.0}))
    found = evaluate(run, cache=tmp_path / "cache")
    told = found.decisions
    assert told is not None
    predictor, test = load_predictor(run), Table.load(run / "table.parquet").split("test")
    rows = predictor([test.root / path for path in test.frame["path"]])
    truth = test.frame["label"].to_list()
    decisions = [row.decision for row in rows if row.decision is not None]
    inside = [label in row.candidates for label, row in zip(truth, decisions, strict=True)]
    assert told.coverage == pytest.approx(np.mean(inside))
    by_class = {
        label: np.mean([one for one, own in zip(inside, truth, strict=True) if own == label]) for label in LABELS
    }
    assert told.class_gap == pytest.approx(np.mean([abs(value - 0.9) for value in by_class.values()]))
    assert told.worst_coverage == pytest.approx(min(by_class.values()))
    assert told.mean_size == pytest.approx(np.mean([len(row.candidates) for row in decisions]))
    assert told.rejected == pytest.approx(np.mean([not row.known for row in decisions]))
    assert told.unnamed == pytest.approx(np.mean([row.name is None for row in decisions]))
    assert sum(rank.named for rank in told.ranks) + told.unnamed == pytest.approx(1)
    assert [flag.name for flag in told.flags] == ["ant"]
    flagged = ["ant" in row.flagged for row, own in zip(decisions, truth, strict=True) if own == "ant"]
    assert told.flags[0].sensitivity == pytest.approx(np.mean(flagged))
    assert told.fitted_on == f"40 pictures of {rule.source}"
    assert EvalResult.load(run).decisions == told


def test_folds_hold_out_every_training_row_once(run: Path, tmp_path: Path) -> None:
    table, seen = Table.load(run / "table.parquet"), []

    def train(fold_table: Table, number: int):
        seen.append((number, set(fold_table.split("val").frame["id"]), set(fold_table.split("train").frame["id"])))
        return load_predictor(run)

    held = held_out_folds(train, table, tmp_path / "cache", 3, 4)
    train_ids = set(table.split("train").frame["id"])
    assert [number for number, _, _ in seen] == [1, 2, 3]
    assert sorted(name for _, out, _ in seen for name in out) == sorted(train_ids)
    assert all(out | inside == train_ids and not out & inside for _, out, inside in seen)
    assert (len(held.truth), held.source) == (30, "3 folds of split train")
    assert held.similarities.shape == (30, 4)


def test_too_few_rows_and_senseless_folds_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 folds"):
        fit_decisions(run, cache=tmp_path / "cache", folds=1)
    with pytest.raises(DataError, match="how it was trained"):
        fit_decisions(run, cache=tmp_path / "cache", folds=3)
    table = Table.load(run / "table.parquet")
    replace(table, frame=table.frame.filter(pl.col("split") != "val")).save(run / "table.parquet")
    assert not has_held_out_rows(run)
    with pytest.raises(DataError, match=f"it takes {FEWEST_ROWS}"):
        fit_decisions(run, cache=tmp_path / "cache")
    (run / "table.parquet").unlink()
    with pytest.raises(DataError, match="which data"):
        fit_decisions(run, cache=tmp_path / "cache")
