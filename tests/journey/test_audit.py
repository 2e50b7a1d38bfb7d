"""Faults in a folder of pictures, found by the command, dropped from a new table, and trained on without them."""

import json
from pathlib import Path

from PIL import Image
from typer.testing import CliRunner, Result

from audit_stand_ins import picture, recoded
from fieldmark import read_table
from fieldmark.audit_results import AuditResult
from fieldmark.cli.main import app

CLASSES = ("ant", "bee", "cat")
TINY = ("--backbone", "resnet10t", "--backbone-option", "channels=[8,16,24,32]", "--resolution", 32, "--epochs", 2)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def make(folder: Path) -> Path:
    """Write three classes in train, val and test folders, and one fault of each kind that ``--fix`` drops."""
    for place, label in enumerate(CLASSES):
        for split, count in (("train", 12), ("val", 3), ("test", 5)):
            (folder / split / label).mkdir(parents=True)
            for index in range(count):
                seed = 1000 * place + 100 * len(split) + index
                picture(seed, label, (64, 48)).save(folder / split / label / f"{index}.png")
    (folder / "train/ant/broken.jpg").write_bytes(b"\xff\xd8cut off")
    (folder / "train/bee/leak.png").write_bytes((folder / "test/bee/0.png").read_bytes())
    image = Image.open(folder / "train/cat/0.png")
    recoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 60).save(folder / "val/cat/mirrored.jpg")
    recoded(Image.open(folder / "train/cat/1.png"), 60).save(folder / "train/ant/conflict.jpg")
    return folder


def test_faults_are_found_dropped_and_stay_away(tmp_path: Path) -> None:
    folder, cache = make(tmp_path / "data"), tmp_path / "cache"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    clean, out = tmp_path / "clean.parquet", tmp_path / "audit"

    done = invoke("data", "check", folder, "--cache", cache, "--out", out, "--fix", clean)
    assert done.exit_code == 1, done.stderr
    assert AuditResult.load(out).counts() | {"imbalance": 0} == {
        "broken": 1,
        "leaks": 2,
        "groups": 0,
        "conflicts": 1,
        "suspects": 0,
        "odd": 0,
        "blurred": 0,
        "dark": 0,
        "bright": 0,
        "sources": 0,
        "imbalance": 0,
        "copies": 0,
    }
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in out.iterdir()) == ["audit.html", "audit.json", "pictures"]

    table = read_table(clean)
    gone = {
        "train/ant/broken.jpg",
        "train/bee/leak.png",
        "train/cat/0.png",
        "train/ant/conflict.jpg",
        "train/cat/1.png",
    }
    assert {path.relative_to(folder).as_posix() for path in before} - set(table.frame["id"]) == gone
    assert table.root == folder

    again = invoke("data", "check", clean, "--cache", cache, "--format", "json")
    assert again.exit_code == 0, again.stdout
    assert json.loads(again.stdout)["leaks"] == []

    run = tmp_path / "run"
    trained = invoke("train", clean, "--out", run, "--cache", cache, "--no-evaluate", *TINY)
    assert trained.exit_code == 0, trained.stderr
    assert "(0 leaks between splits)" in trained.stderr
    embedded = invoke("data", "check", clean, "--cache", cache, "--run", run, "--format", "json")
    found = AuditResult.from_json(embedded.stdout)
    assert found.network == "resnet10t of run"
    assert any("these very labels" in note for note in found.notes)


def test_hostile_folders_end_in_a_message(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = invoke("data", "check", tmp_path / "empty", "--cache", tmp_path / "cache", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "error:" in done.stderr
    assert not (tmp_path / "out").exists()

    for name, files in {
        "one": {"ant/a.png": picture(0)},
        "one-class": {f"ant/{index}.png": picture(index) for index in range(5)},
        "broken": {"ant/a.png": None, "bee/b.png": None},
    }.items():
        for path, image in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            if image is None:
                (tmp_path / name / path).write_bytes(b"")
            else:
                image.save(tmp_path / name / path)
        out = tmp_path / f"{name}-out"
        done = invoke("data", "check", tmp_path / name, "--cache", tmp_path / "cache", "--out", out)
        assert done.exit_code == (1 if name == "broken" else 0), (name, done.stdout, done.stderr)
        assert (out / "audit.html").is_file()
    emptied = invoke(
        "data", "check", tmp_path / "broken", "--cache", tmp_path / "cache", "--fix", tmp_path / "n.parquet"
    )
    assert emptied.exit_code == 2
    assert "Every row would be dropped" in emptied.stderr
    assert not (tmp_path / "n.parquet").exists()
