"""Hostile files go through check, train and predict: no traceback, and every loss is named."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from fieldmark.cli.main import app
from fieldmark.cli.terminal import printable

sys.path.insert(0, str(Path(__file__).parent.parent))

from hostile_files import BROKEN, FINE, make_hostile_files

TINY = ["--backbone=resnet10t", "--backbone-option=channels=[8,8,8,8]", "--resolution=32", "--epochs=1"]

#: Good pictures of each class: so many that the broken ones are below one per cent.
MANY = 1700

Made = tuple[Path, dict[str, str]]


def invoke(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    assert "Traceback" not in done.stdout + done.stderr
    return done


def paint(folder: Path, count: int, seed: int) -> None:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    for index in range(count):
        pixels = generator.integers(0, 256, (10, 14, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"good{index}.png", compress_level=1)


def make(folder: Path) -> dict[str, str]:
    """Make the hostile files; folders named like pictures, and links to folders, hold no picture to lose."""
    made = make_hostile_files(folder)
    return {name: outcome for name, outcome in made.items() if not (folder / name).is_dir()}


def is_text(name: str) -> bool:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") == name


def broken(outcomes: dict[str, str]) -> list[str]:
    return [name for name, outcome in outcomes.items() if outcome == BROKEN]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("many")
    paint(folder / "ant", MANY, 1)
    paint(folder / "bee", MANY, 2)
    outcomes = make(folder / "ant")
    assert len(outcomes) >= 40
    return folder, outcomes


def test_check_names_every_loss(many: Made, cache: Path) -> None:
    folder, outcomes = many
    done = invoke("data", "check", folder, "--cache", cache, "--format", "json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert sorted(row["path"] for row in report["broken"]) == sorted(f"ant/{name}" for name in broken(outcomes))
    assert all(row["reason"] for row in report["broken"])
    assert report["rows"] == 2 * MANY + sum(is_text(name) for name in outcomes)
    skipped = {row["path"] for row in report["skipped"]}
    assert {f"ant/{printable(name)}" for name in outcomes if not is_text(name)} <= skipped
    shown = invoke("data", "check", folder, "--cache", cache).stdout
    for name in broken(outcomes):
        assert f"\n  ant/{printable(name)}: " in shown


def test_training_goes_on_without_them_and_names_them(many: Made, cache: Path, tmp_path: Path) -> None:
    folder, outcomes = many
    done = invoke("train", folder, "--out", tmp_path / "run", "--cache", cache, "--batch-size=128", *TINY)
    assert done.exit_code == 0, done.stderr
    for name in broken(outcomes):
        assert f"Left out: ant/{printable(name)}: " in done.stderr
    for name in outcomes:
        assert is_text(name) or f"Left out: ant/{printable(name)}: " in done.stderr
    assert "Accuracy on" in done.stdout


def test_training_stops_with_the_list_where_too_much_is_broken(tmp_path: Path, cache: Path) -> None:
    paint(tmp_path / "data" / "ant", 30, 3)
    paint(tmp_path / "data" / "bee", 30, 4)
    outcomes = make(tmp_path / "data" / "bee")
    done = invoke("train", tmp_path / "data", "--out", tmp_path / "run", "--cache", cache, *TINY)
    assert done.exit_code == 2
    assert f"{len(broken(outcomes))} of " in done.stderr
    assert "bee/archive.jpg: not a picture" in done.stderr
    assert "fieldmark data check" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_predict_gives_every_file_its_row(tmp_path: Path, tiny_run: Path, form: str) -> None:
    outcomes = make(tmp_path)
    done = invoke("predict", tiny_run, tmp_path, "--format", form)
    assert done.exit_code == 1
    assert f"{len(broken(outcomes))} of {len(outcomes)} pictures could not be read:" in done.stderr
    for name in broken(outcomes):
        assert f"/{printable(name)}: " in done.stderr
    if form == "table":
        assert len(done.stdout.splitlines()) == 1 + len(outcomes)
    if form != "json":
        return
    rows = {Path(row["source"]).name: row for row in json.loads(done.stdout)}
    assert len(rows) == len(outcomes)
    for name, outcome in outcomes.items():
        row = rows[name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")]
        assert (row["error"] is None) == (row["label"] is not None) == (outcome == FINE), (name, row["error"])
