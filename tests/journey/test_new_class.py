"""The real run in miniature: train on birds, add a species that was left out, predict it, look at it, remove it."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import fieldmark
from fieldmark.cli.main import app
from fieldmark.data.table import Table

pytestmark = pytest.mark.slow

SPECIES, SHOTS = 8, 5

OPTIONS = """
    --backbone resnet10t --backbone-option channels=[16,32,48,64] --resolution 48 --epochs 12 --batch-size 8
    --learning-rate 0.003 --crop-scale 0.8 --color 0.1 --label-smoothing 0 --dropout 0 --ema-decay 0.9 --precision 32
    --parts 3 --part-dropout 0.1 --rest --holdout 0.2 --no-evaluate
"""


def invoke(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Table:
    folder = tmp_path_factory.mktemp("data") / "birds"
    return fieldmark.read_table(fieldmark.generate_birds(folder, species=SPECIES, train=24, test=8, size=48))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trained(birds: Table, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that knows all species but the last."""
    folder = tmp_path_factory.mktemp("runs")
    known = replace(birds.where(pl.col("label") != birds.classes[-1]), classes=birds.classes[:-1])
    known.save(folder / "known.parquet")
    invoke("train", folder / "known.parquet", "--out", folder / "first", "--cache", cache, *OPTIONS.split())
    return folder / "first"


def files_of(birds: Table, label: str, split: str) -> list[Path]:
    rows = birds.split(split).where(pl.col("label") == label)
    return [birds.root / path for path in rows.frame["path"]]


def test_a_species_is_added_predicted_looked_at_and_removed(
    trained: Path, birds: Table, cache: Path, tmp_path: Path
) -> None:
    name, before = birds.classes[-1], fieldmark.load_predictor(trained)
    assert before.rule is not None
    shots, unseen = files_of(birds, name, "train")[:SHOTS], files_of(birds, name, "test")
    ranks = "/".join(birds.lineage_of()[name][:-1])
    bundle = tmp_path / "more"
    done = invoke("add-class", trained, name, *shots, "--lineage", ranks, "--out", bundle, "--cache", cache)
    assert done.stdout == f"{bundle}\n"
    after = fieldmark.load_predictor(bundle)
    assert after.info.classes == birds.classes
    assert after.rule is not None
    assert len(after.rule.class_thresholds) == SPECIES

    everything = [*unseen, *shots, *(birds.root / path for path in birds.split("test").frame["path"])]
    old, new = before(everything), after(everything)
    for first, second in zip(old, new, strict=True):  # the old classes stay in their order, with the same evidence
        assert [label for label, _ in second.top if label != name][:3] == [label for label, _ in first.top][:3]
    assert sum(row.label == name for row in new[len(unseen) : len(unseen) + SHOTS]) >= 3

    said = json.loads(invoke("predict", bundle, *shots, "--format", "json", "--quiet").stdout)
    own = next(row for row in said if row["label"] == name)
    assert list(own["lineage"].values()) == list(birds.lineage_of()[name])
    assert [part.name for part in new[0].evidence] == ["part 1", "part 2", "part 3", "rest of the picture"]
    told = json.loads(invoke("explain", bundle, own["source"], "--no-verify", "--format", "json", "--quiet").stdout)
    assert told["label"] == name
    total = sum(mark["difference"] for mark in told["marks"]) + told["bias_difference"]
    assert total == pytest.approx(told["log_odds"], abs=1e-3)

    near = json.loads(invoke("neighbours", bundle, unseen[0], "--format", "json", "--count", 9, "--quiet").stdout)
    assert [each["part"] for each in near["compared"]] == ["whole picture", *after.info.part_names]
    assert all(len(each["nearest"]) == 9 for each in near["compared"] if each["presence"] > 0.5)
    itself = fieldmark.neighbours(bundle, shots[0].read_bytes(), count=1).compared[0].nearest[0]
    assert (itself.path, itself.label) == (str(shots[0]), name)
    assert itself.similarity == pytest.approx(1, abs=1e-3)

    invoke("remove-class", bundle, name, "--out", tmp_path / "less")
    assert fieldmark.load_predictor(tmp_path / "less")(everything) == old


def test_the_bundle_with_the_species_is_evaluated_on_all_of_them(
    trained: Path, birds: Table, cache: Path, tmp_path: Path
) -> None:
    name = birds.classes[-1]
    shots = files_of(birds, name, "train")[:SHOTS]
    added = fieldmark.add_class(trained, name, shots, out=tmp_path / "bundle", cache=cache)
    birds.save(tmp_path / "all.parquet")
    invoke("evaluate", tmp_path, tmp_path / "all.parquet", "--cache", cache, "--quiet")
    found = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert found["n"] == 8 * SPECIES
    assert found["classes"] == list(birds.classes)
    assert added.pictures == SHOTS
