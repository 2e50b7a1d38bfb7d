"""`fieldmark export` of recognisers, and `fieldmark predict` with what it wrote."""

import csv
import io
import sys
from pathlib import Path

import pyarrow.parquet as pq
from typer.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from export_examples import write_run
from fieldmark.cli.main import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_export_then_predict_with_either_engine(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    done = run("export", folder, "--format", "onnx")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{folder / 'export' / 'model.onnx'}\n"
    assert "The same decision as torch on 12 of 12 pictures" in done.stderr
    assert "--engine onnx" in done.stderr

    plain = run("predict", folder, folder / "pictures", "--format", "csv")
    exported = run("predict", folder, folder / "pictures", "--format", "csv", "--engine", "onnx")
    assert (plain.exit_code, exported.exit_code) == (0, 0), exported.stderr
    rows, others = (list(csv.DictReader(io.StringIO(text))) for text in (plain.stdout, exported.stdout))
    assert len(rows) == 12
    assert [(row["source"], row["label"]) for row in rows] == [(row["source"], row["label"]) for row in others]

    names = tmp_path / "names.parquet"
    written = run(
        "predict", folder, folder / "pictures", "--engine", "onnx", "--format", "parquet", "--out", names, "--resume"
    )
    assert (written.exit_code, written.stdout) == (0, ""), written.stderr
    assert pq.read_table(names)["label"].to_pylist() == [row["label"] for row in rows]


def test_what_does_not_go_together_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    piped = run("predict", tmp_path, tmp_path / "a.png", "--format", "parquet")
    assert piped.exit_code == 2
    assert "--out" in piped.stderr
    for arguments in (["--resume"], ["--resume", "--format", "json", "--out", tmp_path / "a.json"]):
        done = run("predict", tmp_path, tmp_path / "a.png", *arguments)
        assert done.exit_code == 2
        assert "--format csv or parquet" in done.stderr
