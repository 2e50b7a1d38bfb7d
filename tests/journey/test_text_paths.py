"""Every step of the real run from Python, with paths given as text."""

from pathlib import Path

import pytest

import fieldmark
from fieldmark.errors import DataError
from fieldmark.training.config import TrainConfig
from fieldmark.training.pretrain_config import PretrainConfig
from journey.tiny_run import make_pictures

CONFIG = TrainConfig(
    backbone="resnet10t",
    backbone_options={"channels": (8, 16, 16, 16)},
    resolution=32,
    epochs=1,
    batch_size=8,
    precision="32",
)
PRETRAINING = PretrainConfig(autoencoder="dense", resolution=16, epochs=1, batch_size=8, precision="32")


def test_paths_may_be_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_pictures(tmp_path / "data")
    assert fieldmark.pretrain("data", "runs/pretrained", PRETRAINING, cache="cache").run == Path("runs/pretrained")
    runs = fieldmark.train_seeds("data", "runs/seeds", CONFIG, seeds=2, cache="cache")
    assert [each.run for each in runs] == [Path("runs/seeds/seed-0"), Path("runs/seeds/seed-1")]
    assert fieldmark.train("data", "runs/alone", CONFIG, cache="cache").run == Path("runs/alone")
    assert fieldmark.evaluate("runs/alone", "data", cache="cache").n == 24
    assert fieldmark.evaluate_seeds("runs/seeds", cache="cache").n == 24
    assert fieldmark.compare_runs("runs/alone", "runs/seeds/seed-1").n == 24
    assert fieldmark.write_report("runs/alone").is_file()
    assert fieldmark.export_onnx("runs/alone", "alone.onnx", data="data") == Path("alone.onnx")
    assert fieldmark.audit_table("data", cache="cache", out="audit").rows == 84
    assert fieldmark.generate_birds("birds", species=2, train=1, test=1, size=48) == Path("birds")
    with pytest.raises(DataError, match="held-out"):  # 12 rows are too few for a rule, but they were looked for
        fieldmark.fit_decisions("runs/alone", cache="cache")
