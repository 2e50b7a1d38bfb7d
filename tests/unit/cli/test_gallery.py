"""`fieldmark neighbours`, `add-class` and `remove-class`: what they print, write, and say of mistakes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fieldmark.cli.main import app
from fieldmark.cli.terminal import printable
from fieldmark.models.bundle import read_info
from fieldmark.neighbour_results import NearestPictures
from fieldmark.predict import load_predictor
from gallery_stand_ins import COLOURS, NEW, picture, write_pictures
from hostile_files import BROKEN, make_hostile_files

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object) -> Result:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return done

    return invoke


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "new", 5)[0].parent


@pytest.fixture
def green(tmp_path: Path) -> Path:
    picture(COLOURS["green"], 77).save(tmp_path / "green.png")
    return tmp_path / "green.png"


def test_neighbours_are_a_table_with_what_was_compared(run: Run, colour_run: Path, green: Path) -> None:
    done = run("neighbours", colour_run, green, "--count", 3)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{green}: green, ")
    assert "compared by similarity class picture" in " ".join(done.stdout.split())
    assert sum(" green " in line and "green-train-" in line for line in lines) == 3
    assert "32 training pictures were compared." in done.stderr


def test_neighbours_as_json_and_as_a_page(run: Run, colour_run: Path, green: Path, tmp_path: Path) -> None:
    page = tmp_path / "deep" / "near.html"
    done = run("neighbours", colour_run, green, "--format", "json", "--html", page, "--quiet")
    found = NearestPictures.from_json(done.stdout)
    assert [one.label for one in found.compared[0].nearest] == ["green"] * 5
    assert "data:image" not in done.stdout
    assert done.stderr == ""
    assert page.read_text(encoding="utf-8").count("data:image/jpeg") == 6


def test_a_part_of_another_name_is_a_mistake_to_cure(run: Run, colour_run: Path, green: Path) -> None:
    done = run("neighbours", colour_run, green, "--part", "bill")
    assert done.exit_code == 2
    assert "There is no part 'bill'" in done.stderr
    assert "whole picture" in done.stderr


def test_a_class_is_added_predicted_and_removed(run: Run, colour_run: Path, new: Path, tmp_path: Path) -> None:
    out = tmp_path / "with violet"
    done = run("add-class", colour_run, NEW, new, "--lineage", "warm", "--out", out)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{out}\n"
    assert "learned from 5 pictures" in done.stderr
    assert "without them: " in done.stderr
    assert "held-out pictures that were recognised: 0.0 %" in done.stderr
    said = json.loads(run("predict", out, new, "--format", "json", "--quiet").stdout)
    assert [row["label"] for row in said] == [NEW] * 5
    gone = run("remove-class", out, NEW)
    assert gone.exit_code == 0, gone.stderr
    assert read_info(Path(gone.stdout.strip())).classes == tuple(COLOURS)
    also = run("add-class", out, NEW, "--remove", "--out", tmp_path / "again")
    assert also.exit_code == 0, also.stderr
    assert read_info(tmp_path / "again").classes == tuple(COLOURS)


def test_in_place_says_where_the_old_bundle_is(run: Run, colour_run: Path, new: Path) -> None:
    done = run("add-class", colour_run, NEW, new, "--in-place")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{colour_run / 'bundle'}\n"
    assert f"The bundle as it was: {colour_run / 'bundle-before-1'}" in done.stderr
    assert load_predictor(colour_run).info.classes[-1] == NEW


def test_broken_pictures_are_named_and_the_others_used(run: Run, colour_run: Path, new: Path) -> None:
    (new / "cut.png").write_bytes(b"\x89PNG")
    done = run("add-class", colour_run, NEW, new, "--quiet")
    assert done.exit_code == 0
    assert "Left out: " in done.stderr
    assert "cut.png: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said", "cure"),
    [
        (("red", "new"), "There is a class 'red' already", "remove-class"),
        ((NEW,), "There are no pictures of the class", "Name at least one"),
        ((NEW, "nowhere"), "Nothing is called nowhere", "the right name"),
        ((NEW, "new", "--lineage", "a/b/c"), "does not fit", "warmth"),
        ((NEW, "new", "--out", "new"), "is there already", "--out"),
        ((NEW, "new", "--out", "x", "--in-place"), "both say where", "one of them"),
    ],
)
def test_mistakes_are_told_with_their_cure(
    run: Run, colour_run: Path, new: Path, arguments: tuple[str, ...], said: str, cure: str
) -> None:
    done = run("add-class", colour_run, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert cure in done.stderr
    assert "Traceback" not in done.stderr


def test_removing_a_class_that_is_not_there_names_the_nearest(run: Run, colour_run: Path) -> None:
    done = run("remove-class", colour_run, "gren")
    assert done.exit_code == 2
    assert "Did you mean 'green'?" in done.stderr


def test_hostile_files_are_named_and_whatever_can_be_read_is_used(
    run: Run, colour_run: Path, new: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    outcomes = {name: said for name, said in make_hostile_files(folder).items() if not (folder / name).is_dir()}
    done = run("add-class", colour_run, NEW, folder)
    assert done.exit_code == 0, done.stderr
    broken = [name for name, said in outcomes.items() if said == BROKEN]
    assert len(broken) > 10
    for name in broken:
        assert f"/{printable(name)}: " in done.stderr
    assert "Traceback" not in done.stderr
    bundle = Path(done.stdout.strip())
    listed = run(
        "neighbours", bundle, new / "0.png", "--count", 200, "--format", "json", "--html", tmp_path / "near.html"
    )
    assert listed.exit_code == 0, listed.stderr
    paths = {Path(one["path"]).name for one in json.loads(listed.stdout)["compared"][0]["nearest"]}
    assert {"duck 🦆 é.jpg", "<b>&amp;'\".jpg", "not text \ufffd\ufffd.jpg"} <= paths
    assert "<b>&amp;'" not in (tmp_path / "near.html").read_text(encoding="utf-8")
    near = run("neighbours", colour_run, folder / broken[0])
    assert near.exit_code == 2
    assert "can't be compared" in near.stderr
