"""`fieldmark export`: what it asks of the library and what it prints."""

import sys
import zipfile
from pathlib import Path

from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from fieldmark.cli.main import app
from fieldmark.models.autoencoders import DenseSpec
from keras_examples import import_keras, save_random


def test_the_path_goes_to_stdout_and_the_note_to_stderr(tmp_path: Path) -> None:
    import_keras()
    save_random(tmp_path / "run" / "autoencoder", DenseSpec((16, 5)), resolution=4)
    result = CliRunner().invoke(app, ["export", str(tmp_path / "run"), "--format", "keras"])
    file = tmp_path / "run" / "autoencoder.keras"
    assert (result.exit_code, result.stdout) == (0, f"{file}\n")
    assert "0..1" in result.stderr
    assert zipfile.is_zipfile(file)

    again = CliRunner().invoke(app, ["export", str(tmp_path / "run"), "--format", "keras"])
    assert again.exit_code == 2
    assert "--force" in again.stderr
    other = tmp_path / "new" / "b.keras"
    quiet = CliRunner().invoke(app, ["export", str(tmp_path / "run"), "--format", "keras", "--out", str(other), "-q"])
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert other.is_file()
    forced = CliRunner().invoke(app, ["export", str(tmp_path / "run"), "--format", "keras", "--force"])
    assert forced.exit_code == 0


def test_unknown_formats_are_listed(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(tmp_path), "--format", "tflite"])
    assert result.exit_code == 2
    assert "Valid names: int8, keras, onnx, openvino" in result.stderr
