"""`fieldmark guide` and `fieldmark name-part`, on a run whose parts are the quadrants of the picture."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import fieldmark
from fieldmark.cli.main import app
from fieldmark.errors import BundleError, ModelError
from fieldmark.guide_results import Guide
from part_stand_ins import CLASSES

PARTS = ["part 1", "part 2", "part 3", "part 4", "rest of the picture"]

Run = Callable[..., Result]


@pytest.fixture
def run(quadrant_run: Path, tmp_path: Path) -> Path:
    """A copy of the run, its parts without names."""
    folder = tmp_path / "my run"
    shutil.copytree(quadrant_run, folder)
    change_bundle(folder, part_names=PARTS)
    return folder


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def change_bundle(run: Path, **values: object) -> None:
    file = run / "bundle" / "bundle.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def test_a_guide_is_written_and_its_first_page_printed(run: Path, invoke: Run) -> None:
    done = invoke("guide", run, "--tiles", 2)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{run / 'guide' / 'index.html'}\n"
    guide = Guide.load(run / "guide")
    assert [entry.name for entry in guide.classes] == list(CLASSES)
    assert [(entry.pictures, entry.held_out) for entry in guide.classes] == [(4, 1)] * 3
    assert (guide.mark_splits, guide.held_out_split) == (("train", "val"), "test")
    assert [part.name for part in guide.parts] == PARTS
    assert [part.named for part in guide.parts] == [False] * 4 + [True]
    assert guide.parts[-1].rest
    assert guide.key.total == 3
    assert guide.key.recognised in range(4)
    assert "my run" in (run / "guide" / "index.html").read_text(encoding="utf-8")
    tiles = [tile for part in guide.parts for tile in part.tiles]
    assert tiles
    assert all((run / "guide" / tile.file).is_file() for tile in tiles)
    assert not list(run.glob("guide.*"))


def test_options_choose_splits_pairs_and_folder_and_an_older_guide_is_replaced(run: Path, invoke: Run) -> None:
    out = run.parent / "site"
    for pairs in (2, 1):
        done = invoke("guide", run, "--out", out, "--pairs", pairs, "--split", "train", "--held-out", "val", "--quiet")
        assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    guide = Guide.load(out)
    assert (guide.mark_splits, guide.held_out_split, len(guide.pairs)) == (("train",), "val", 1)
    assert len(list(out.glob("pair-*.html"))) == 1
    assert not (run / "guide").exists()


def test_without_test_pictures_val_is_held_out(run: Path, tmp_path: Path) -> None:
    table = fieldmark.Table.load(run / "table.parquet")
    table.split("train", "val").save(run / "table.parquet")
    index = fieldmark.write_guide(run, cache=tmp_path / "cache", pairs=0)
    guide = Guide.load(index.parent)
    assert (guide.mark_splits, guide.held_out_split) == (("train",), "val")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "tests"], "Did you mean 'test'?"),
        (["--tiles", "0"], "greater than or equal to 1"),
        (["--device", "abacus"], "abacus"),
        (["--split", "test", "--held-out", "test"], "no labelled pictures"),
    ],
)
def test_mistakes_are_told_with_a_cure_and_leave_nothing(
    run: Path, invoke: Run, arguments: list[str], message: str
) -> None:
    done = invoke("guide", run, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (run / "guide").exists()


def test_another_folder_is_never_replaced(run: Path, invoke: Run) -> None:
    (run / "guide").mkdir()
    (run / "guide" / "notes.txt").write_text("mine")
    done = invoke("guide", run)
    assert done.exit_code == 2
    assert "holds something else than a guide" in done.stderr
    assert (run / "guide" / "notes.txt").read_text() == "mine"


def test_a_recogniser_without_parts_has_no_guide(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no marks"):
        fieldmark.write_guide(tiny_run, cache=tmp_path)


def test_a_bundle_with_too_few_names_is_damaged(run: Path, tmp_path: Path) -> None:
    change_bundle(run, part_names=PARTS[:2])
    with pytest.raises(BundleError, match="names 2 parts"):
        fieldmark.write_guide(run, cache=tmp_path)


def test_an_evaluation_tells_the_mistakes(run: Path, tmp_path: Path) -> None:
    result = fieldmark.evaluate(run, cache=tmp_path / "cache")
    guide = Guide.load(fieldmark.write_guide(run, cache=tmp_path / "cache").parent)
    assert sum(pair.mistakes or 0 for pair in guide.pairs) == sum(n for a, b, n in result.confusion if a != b)


def test_parts_are_listed_named_and_shown_by_their_names(run: Path, invoke: Run) -> None:
    assert re.findall(r"part \d", invoke("name-part", run).stdout) == PARTS[:4]
    invoke("guide", run)
    done = invoke("name-part", run, 3, "wing bar")
    assert done.exit_code == 0
    assert re.search(r"3\s+wing bar\s+yes", done.stdout)
    assert f"fieldmark guide {run}" in done.stderr
    invoke("guide", run)
    assert Guide.load(run / "guide").parts[2].name == "wing bar"
    assert "wing bar" in (run / "guide" / "index.html").read_text(encoding="utf-8")


def test_mistakes_in_naming_are_told_with_a_cure(run: Path, invoke: Run) -> None:
    for arguments, message in (((3,), "There is no name"), ((9, "wing"), "4 (part 4)"), ((3, "part 2"), "number")):
        done = invoke("name-part", run, *arguments)
        assert done.exit_code == 2
        assert message in done.stderr
    done = invoke("name-part", run, 1, "wing bar")
    assert done.stderr == ""  # there is no guide to write again
