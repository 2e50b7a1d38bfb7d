"""Pretraining in miniature, by the command line: learn without labels, then begin a training from it."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner, Result

from fieldmark.cli.main import app
from fieldmark.evaluation.probes import attention
from fieldmark.pretraining_results import PretrainingResult

sys.path.insert(0, str(Path(__file__).parent))

from tiny_run import make_pictures

NETWORK = ["--backbone", "resnet10t", "--backbone-option", "channels=[8,16,24,32]", "--precision", "32"]
PRETRAINING = [*NETWORK, "--resolution=64", "--epochs=2", "--batch-size=8", "--decoder-width=32", "--picture-every=1"]
TRAINING = ["--resolution=64", "--epochs=1", "--batch-size=8", "--precision=32", "--no-evaluate"]


def invoke(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, and eight pictures without a label."""
    folder = make_pictures(tmp_path_factory.mktemp("pictures"))
    (folder / "train" / "unlabelled").mkdir()
    for index in range(8):
        (folder / "train" / "dots" / f"{index}.png").rename(folder / "train" / "unlabelled" / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def pretrained(pictures: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    run = tmp_path_factory.mktemp("runs") / "pretrained"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "_STEPS", (40, 40))
        return run, invoke("pretrain", pictures, "--out", run, "--cache", cache, *PRETRAINING)


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_row_outside_the_test_split_is_learned_from(pretrained: tuple[Path, Result]) -> None:
    run, done = pretrained
    assert done.exit_code == 0, done.stderr
    # 3 x 16 training pictures, 3 x 4 validation pictures; 3 x 8 of the test stay out.
    assert "Learned from 60 rows, 8 of them without a label" in done.stderr
    info = json.loads((run / "autoencoder" / "autoencoder.json").read_text())
    assert (info["training"]["rows"], info["training"]["unlabelled"]) == (60, 8)


def test_the_run_holds_the_autoencoder_the_log_and_pictures(pretrained: tuple[Path, Result]) -> None:
    run, _ = pretrained
    assert {path.name for path in (run / "autoencoder").iterdir()} == {
        "README.md",
        "autoencoder.json",
        "weights.safetensors",
    }
    assert {path.name for path in (run / "progress").glob("epoch-*")} == {"epoch-0001.png", "epoch-0002.png"}
    assert [row["epoch"] for row in rows(run)] == ["1", "2"]
    assert float(rows(run)[1]["train_loss"]) < float(rows(run)[0]["train_loss"])


def test_probes_compare_the_features_and_the_report_shows_them(pretrained: tuple[Path, Result]) -> None:
    run, done = pretrained
    result = PretrainingResult.load(run)
    assert {(score.features, score.probe) for score in result.probes} == {
        (features, probe) for features in ("pretrained", "pca", "untrained") for probe in ("knn", "linear", "attention")
    }
    assert (result.rows, result.unlabelled, result.probe_rows) == (60, 8, 24)
    assert "attention" in done.stdout
    assert str(run / "report.html") in done.stdout
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "60" in page
    assert page.count("data:image/png") >= len(result.reconstructions) > 0
    again = invoke("report", run)
    assert (again.exit_code, again.stdout.strip()) == (0, str(run / "report.html"))


def test_training_begins_from_what_was_learned(
    pretrained: tuple[Path, Result], pictures: Path, cache: Path, tmp_path: Path
) -> None:
    start = ["--init", pretrained[0], "--learning-rate", "1e-9"]
    done = invoke("train", pictures, "--out", tmp_path / "run", "--cache", cache, *TRAINING, *start)
    assert done.exit_code == 0, done.stderr
    before = load_file(pretrained[0] / "autoencoder" / "weights.safetensors")
    after = load_file(tmp_path / "run" / "bundle" / "weights.safetensors")
    name = "backbone.network.layer2.0.conv1.weight"
    np.testing.assert_allclose(after[name], before[name], atol=1e-6)
    bundle = json.loads((tmp_path / "run" / "bundle" / "bundle.json").read_text())
    assert bundle["model"]["backbone"]["options"] == {"channels": [8, 16, 24, 32]}
    assert bundle["training"]["weights"] == "none"  # learned from these very pictures alone


def test_predicting_gradients_is_from_scratch(pictures: Path, cache: Path, tmp_path: Path) -> None:
    network = ["--backbone=resnet10t", "--backbone-option", "channels=[8,16,24,32]", "--resolution=64", "--epochs=1"]
    target = ["--feature-backbone=fieldmark:gradients", "--feature-weights=built-in"]
    done = invoke("pretrain", pictures, "--out", tmp_path / "run", "--cache", cache, *network, *target)
    assert done.exit_code == 0, done.stderr
    assert float(rows(tmp_path / "run")[0]["features"]) > 0
    assert "learned from nothing but the training data" in (tmp_path / "run" / "autoencoder" / "README.md").read_text()
    wrong = invoke(
        "pretrain", pictures, "--out", tmp_path / "b", "--cache", cache, *network, "--feature-weights=built-in"
    )
    assert wrong.exit_code == 2
    assert "fieldmark:gradients" in wrong.stderr


def test_parts_are_learned_on_a_frozen_backbone(
    pretrained: tuple[Path, Result], pictures: Path, cache: Path, tmp_path: Path
) -> None:
    run = tmp_path / "parts"
    options = ["--autoencoder=parts", "--parts=3", "--init", pretrained[0], "--freeze-backbone"]
    done = invoke("pretrain", pictures, "--out", run, "--cache", cache, "--resolution=64", "--epochs=2", *options)
    assert done.exit_code == 0, done.stderr
    assert {"equivariance", "presence", "features", "colours"} <= rows(run)[0].keys()
    before, after = (load_file(folder / "autoencoder" / "weights.safetensors") for folder in (pretrained[0], run))
    for name, tensor in after.items():
        if name.startswith("backbone."):
            np.testing.assert_array_equal(tensor, before[name])
    assert after["parts.descriptors"].shape == (4, 64)


def test_another_backbone_than_the_pretrained_one_is_refused(
    pretrained: tuple[Path, Result], pictures: Path, cache: Path, tmp_path: Path
) -> None:
    done = invoke(
        "train", pictures, "--out", tmp_path / "run", "--cache", cache, "--init", pretrained[0], "--backbone=resnet34"
    )
    assert done.exit_code == 2
    assert "resnet10t" in done.stderr
    assert not (tmp_path / "run").exists()


def test_rebuilding_goes_on_beside_the_labels(
    pretrained: tuple[Path, Result], pictures: Path, cache: Path, tmp_path: Path
) -> None:
    both = ["--init", pretrained[0], "--unlabelled-weight", "0.5"]
    done = invoke("train", pictures, "--out", tmp_path / "run", "--cache", cache, *TRAINING, *both)
    assert done.exit_code == 0, done.stderr
    row = rows(tmp_path / "run")[0]
    total = float(row["classification"]) + 0.5 * float(row["reconstruction"])
    assert float(row["train_loss"]) == pytest.approx(total, abs=1e-4)
    tensors = load_file(tmp_path / "run" / "bundle" / "weights.safetensors")
    assert not any("decoder" in name for name in tensors)


def test_mistakes_name_the_cure(pretrained: tuple[Path, Result], pictures: Path, cache: Path, tmp_path: Path) -> None:
    again = invoke("pretrain", pictures, "--out", pretrained[0], "--cache", cache, *PRETRAINING)
    assert (again.exit_code, "--resume" in again.stderr) == (2, True)
    unsuited = invoke("pretrain", pictures, "--out", tmp_path / "a", "--cache", cache, "--autoencoder=recurrent")
    assert (unsuited.exit_code, "masked_conv" in unsuited.stderr) == (2, True)
    block = invoke("pretrain", pictures, "--out", tmp_path / "b", "--cache", cache, *NETWORK, "--block=20")
    assert (block.exit_code, "Use 32 px" in block.stderr) == (2, True)
    nothing = invoke("train", pictures, "--out", tmp_path / "c", "--cache", cache, "--init", tmp_path / "nowhere")
    assert (nothing.exit_code, "fieldmark pretrain" in nothing.stderr) == (2, True)
    assert not any((tmp_path / name).exists() for name in "abc")


@pytest.mark.parametrize("through_keras", [False, True])
def test_training_begins_from_a_convolutional_autoencoder_and_from_its_keras_file(
    pictures: Path, cache: Path, tmp_path: Path, through_keras: bool
) -> None:
    small = ["--widths", "8,16", "--code-dim=4", "--resolution=32", "--epochs=1", "--batch-size=8", "--precision=32"]
    learned = invoke(
        "pretrain", pictures, "--out", tmp_path / "a", "--cache", cache, "--autoencoder=conv", *small, "--no-evaluate"
    )
    assert learned.exit_code == 0, learned.stderr
    start = tmp_path / "a"
    if through_keras:
        pytest.importorskip("keras", reason="Keras isn't installed: pip install 'fieldmark[keras]'")
        exported = invoke("export", tmp_path / "a", "--format", "keras")
        assert exported.exit_code == 0, exported.stderr
        start = Path(exported.stdout.strip())
    done = invoke(
        "train",
        pictures,
        *("--out", tmp_path / "b", "--cache", cache, "--init", start),
        *("--learning-rate=1e-9", "--resolution=32", "--epochs=1", "--batch-size=8", "--precision=32", "--no-evaluate"),
    )
    assert done.exit_code == 0, done.stderr
    before = load_file(tmp_path / "a" / "autoencoder" / "weights.safetensors")["encoder.0.0.weight"]
    after = load_file(tmp_path / "b" / "bundle" / "weights.safetensors")
    assert any(value.shape == before.shape and np.allclose(value, before, atol=1e-6) for value in after.values())
