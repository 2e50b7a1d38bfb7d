"""`fieldmark explain`: what it prints, what it writes, and what it says of mistakes."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from fieldmark.cli.main import app
from fieldmark.explanations import Explanation
from part_stand_ins import CLASSES, QUADRANTS

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["explain", *(str(argument) for argument in arguments)])

    return invoke


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    noise = np.random.default_rng(2).integers(0, 256, (50, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "bird.png")
    return tmp_path / "bird.png"


def test_a_sentence_and_a_table(run: Run, quadrant_run: Path, picture: Path) -> None:
    done = run(quadrant_run, picture)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert " and not " in lines[0]
    assert lines[1].startswith("Beside pictures of ")
    assert lines[2].startswith("Probability ")
    table = " ".join(done.stdout.split())
    assert "difference when removed elsewhere" in table
    for name in (*QUADRANTS, "rest of the picture", "bias", "log-odds"):
        assert name in table


def test_fewer_parts_are_summed_up_and_nothing_is_removed_unless_asked(
    run: Run, quadrant_run: Path, picture: Path
) -> None:
    done = run(quadrant_run, picture, "--top", 2, "--no-verify")
    assert "3 others" in done.stdout
    assert "when removed" not in done.stdout


def test_json_holds_figures_and_no_pictures(run: Run, quadrant_run: Path, picture: Path) -> None:
    done = run(quadrant_run, picture, "--format", "json", "--no-verify")
    found = Explanation.from_json(done.stdout)
    assert found.source == str(picture)
    assert found.picture == ""
    assert len(found.marks[0].examples) == 3
    other = run(quadrant_run, picture, "--format", "json", "--versus", next(iter(set(CLASSES) - {found.label})))
    assert json.loads(other.stdout)["label"] == found.label


@pytest.mark.parametrize("ending", ["html", "png", "json"])
def test_files_are_written_whole_by_their_ending(
    run: Run, quadrant_run: Path, picture: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / "new" / f"why.{ending}"
    done = run(quadrant_run, picture, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert "Written: " in done.stderr
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    if ending == "html":
        assert "data:image/jpeg" in out.read_text(encoding="utf-8")
    elif ending == "png":
        with Image.open(out) as drawn:
            assert drawn.width > 600
    else:
        assert Explanation.load(out).picture.startswith("data:image/jpeg")


def test_a_run_that_sees_the_whole_picture_says_that_it_is_not_exact(run: Run, tiny_run: Path, picture: Path) -> None:
    done = run(tiny_run, picture)
    assert done.exit_code == 0, done.stderr
    assert "unexplained" in done.stdout
    assert "measured" in done.stdout
    assert "Note: Not exact" in done.stderr
    assert "Note: No training pictures" in done.stderr


def test_mistakes_end_with_the_cure(run: Run, quadrant_run: Path, picture: Path, tmp_path: Path) -> None:
    unknown = run(quadrant_run, picture, "--versus", "Rufous Thornfnch")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "Did you mean 'Rufous Thornfinch'?" in unknown.stderr
    lost = run(quadrant_run, tmp_path / "brid.png")
    assert lost.exit_code == 2
    assert str(picture) in lost.stderr
    (tmp_path / "cut.png").write_bytes(b"no picture")
    broken = run(quadrant_run, tmp_path / "cut.png")
    assert broken.exit_code == 2
    assert "cut.png can't be explained: not a picture in a known format" in broken.stderr
    several = run(quadrant_run, tmp_path / "*.png")
    assert several.exit_code == 2
    assert "stands for 2 pictures" in several.stderr
    ending = run(quadrant_run, picture, "--out", "why.gif")
    assert ending.exit_code == 2
    assert ".html, .png, .json" in ending.stderr
    assert "no bundle" in run(tmp_path, picture).stderr
    assert (
        "at least 1" in run(quadrant_run, picture, "--top", 0).stderr
        or run(quadrant_run, picture, "--top", 0).exit_code == 2
    )
