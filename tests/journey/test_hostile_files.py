"""Forty hostile files go through check, train and predict: no traceback, and every loss is named."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from fieldmark.cli.main import app
from fieldmark.cli.terminal import printable

sys.path.insert(0, str(Path(__file__).parent))

from hostile_pictures import BROKEN, LOOP, READ, write_hostile_pictures

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of these files")

TINY = ["--backbone=resnet10t", "--backbone-option=channels=[8,8,8,8]", "--resolution=32", "--epochs=1"]


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


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Enough good pictures that the broken ones are below one per cent."""
    folder = tmp_path_factory.mktemp("many")
    paint(folder / "ant", 900, 1)
    paint(folder / "bee", 900, 2)
    outcomes = write_hostile_pictures(folder / "ant")
    assert len(outcomes) == 40
    return folder, outcomes


@pytest.fixture(scope="module")
def trained(many: tuple[Path, dict[str, str]], cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    run = tmp_path_factory.mktemp("runs") / "run"
    return invoke("train", many[0], "--out", run, "--cache", cache, *TINY)


def named(outcomes: dict[str, str], outcome: str) -> list[str]:
    return [name for name, found in outcomes.items() if found == outcome]


def test_check_names_every_loss(many: tuple[Path, dict[str, str]], cache: Path) -> None:
    folder, outcomes = many
    done = invoke("data", "check", folder, "--cache", cache, "--format", "json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert sorted(row["path"] for row in report["broken"]) == sorted(f"ant/{name}" for name in named(outcomes, BROKEN))
    assert all(row["reason"] for row in report["broken"])
    assert sorted(row["path"] for row in report["skipped"]) == ["ant/caf\\udce9.png", f"ant/{LOOP}"]
    assert report["rows"] == 1800 + len(named(outcomes, READ)) + len(named(outcomes, BROKEN))
    shown = invoke("data", "check", folder, "--cache", cache).stdout
    for name in named(outcomes, BROKEN):
        assert f"\n  ant/{printable(name)}: " in shown


def test_training_goes_on_without_them_and_names_them(
    many: tuple[Path, dict[str, str]], cache: Path, trained: Result
) -> None:
    _, outcomes = many
    assert trained.exit_code == 0, trained.stderr
    for name in named(outcomes, BROKEN):
        assert f"Left out: ant/{name}: " in trained.stderr
    assert "Left out: ant/caf\\udce9.png: " in trained.stderr
    assert "Accuracy on" in trained.stdout


def test_training_stops_with_the_list_where_too_much_is_broken(tmp_path: Path, cache: Path) -> None:
    paint(tmp_path / "data" / "ant", 30, 3)
    paint(tmp_path / "data" / "bee", 30, 4)
    outcomes = write_hostile_pictures(tmp_path / "data" / "bee")
    done = invoke("train", tmp_path / "data", "--out", tmp_path / "run", "--cache", cache, *TINY)
    assert done.exit_code == 2
    for name in named(outcomes, BROKEN):
        assert f"bee/{name}: " in done.stderr
    assert "data check" in done.stderr
    assert not (tmp_path / "run").exists()


def test_predict_gives_every_file_its_row(tmp_path: Path, tiny_run: Path) -> None:
    outcomes = write_hostile_pictures(tmp_path)
    done = invoke("predict", tiny_run, tmp_path, "--format", "json")
    assert done.exit_code == 1
    rows = {Path(row["source"]).name: row for row in json.loads(done.stdout)}
    assert len(rows) == 40
    for name, outcome in outcomes.items():
        row = rows[name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")]
        assert (row["error"] is None) == (outcome != BROKEN), (name, row["error"])
        assert (row["label"] is None) == (outcome == BROKEN)
    table = invoke("predict", tiny_run, tmp_path)
    assert len(table.stdout.splitlines()) == 1 + 40
