"""`fieldmark data check`: what it prints and writes of folders with known faults."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from audit_stand_ins import picture, three_classes
from fieldmark import read_table
from fieldmark.audit_kinds import KINDS
from fieldmark.audit_results import AuditResult
from fieldmark.cli.main import app

Check = Callable[..., Result]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Check:
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["data", "check", *(str(argument) for argument in arguments)])

    return invoke


def write(folder: Path) -> Path:
    """Two classes in train and test folders, without faults."""
    for place, (name, (label, split, image)) in enumerate(three_classes(6).items()):
        path = folder / str(split) / str(label) / f"{place}-{Path(name).name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert isinstance(image, Image.Image)
        image.save(path)
    return folder


def leak(folder: Path) -> None:
    """Put a copy of a training picture into test."""
    source = sorted((folder / "train" / "ant").iterdir())[0]
    (folder / "test" / "ant" / "copy.png").write_bytes(source.read_bytes())


def lines_of(done: Result) -> list[str]:
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_every_kind_is_named_and_what_was_not_looked_for(check: Check, tmp_path: Path) -> None:
    done = check(write(tmp_path / "data"))
    assert done.exit_code == 0, done.stderr
    lines = lines_of(done)
    for kind in KINDS.values():
        assert any(line.startswith(kind.title) for line in lines), kind.title
    assert "Odd pictures - not looked for: no network was given: --weights FILE or --run RUN" in lines
    assert "Copies across splits 0" in lines
    assert "No faults found." in lines


def test_a_run_embeds_and_record_page_and_new_table_are_written(check: Check, tmp_path: Path, tiny_run: Path) -> None:
    folder = write(tmp_path / "data")
    leak(folder)
    done = check(folder, "--run", tiny_run, "--out", "audit", "--fix", "new/clean.parquet")
    assert done.exit_code == 1, done.stderr
    found = AuditResult.load(tmp_path / "audit")
    assert found.network == "resnet10t of run"
    assert len(found.leaking) == 1
    assert "Page: audit/audit.html" in done.stderr
    assert (tmp_path / "audit" / "audit.html").is_file()
    assert "shows the same picture" in done.stdout
    assert "18 rows; dropped: leak 1." in done.stdout
    new = read_table(tmp_path / "new" / "clean.parquet")
    assert len(new) == 18
    assert "test/ant/copy.png" in set(new.frame["id"])
    again = check("new/clean.parquet")
    assert again.exit_code == 0, again.stdout


def test_json_is_the_record(check: Check, tmp_path: Path) -> None:
    folder = write(tmp_path / "data")
    leak(folder)
    done = check(folder, "--format", "json", "--quiet")
    assert done.exit_code == 1
    assert done.stderr == ""
    found = AuditResult.from_json(done.stdout)
    assert found.counts()["leaks"] == 1
    assert json.loads(done.stdout)["not_looked_for"]["suspects"]


def test_suspects_are_dropped_where_that_is_asked_for(check: Check, tmp_path: Path, tiny_run: Path) -> None:
    folder = write(tmp_path / "data")
    picture(999, "cat").save(folder / "train" / "ant" / "wrong.png")
    plain = check(folder, "--run", tiny_run, "--fix", "plain.parquet", "--format", "json")
    confident = {suspect.row.id for suspect in AuditResult.from_json(plain.stdout).confident}
    assert "New table: plain.parquet, 19 rows; dropped: nothing." in plain.stderr
    assert "train/ant/wrong.png" in confident
    assert check(folder, "--run", tiny_run, "--fix", "strict.parquet", "--drop", "suspects").exit_code == 0
    left = set(read_table(tmp_path / "plain.parquet").frame["id"]) - set(
        read_table(tmp_path / "strict.parquet").frame["id"]
    )
    assert left == confident


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weights", "a.safetensors", "--run", "runs/a"], "two networks"),
        (["--backbone", "resnet10t"], "Give --weights FILE too"),
        (["--weights", "nonesuch.safetensors"], "--backbone"),
        (["--weights", "resnet10t.safetensors"], "There are no weights at"),
        (["--run", "nonesuch"], "Give the folder"),
        (["--fix", "clean.csv"], "clean.csv.parquet"),
        (["--weights", "resnet10t.safetensors", "--mean", "1,2"], "not three numbers"),
    ],
)
def test_what_cannot_be_used_is_refused(check: Check, tmp_path: Path, options: list[str], message: str) -> None:
    done = check(write(tmp_path / "data"), *options)
    assert done.exit_code == 2
    assert message in done.stderr
