"""Supervised parts in miniature: draw birds with keypoints, train on a few of them, measure what was found."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fieldmark
from fieldmark.errors import ConfigError, DataError
from fieldmark.evaluation import located_keypoints, map_pictures, parts_and_keypoints, regressed_keypoints
from fieldmark.metrics import keypoint_error
from fieldmark.models.bundle import read_info
from fieldmark.synthetic import PARTS
from fieldmark.training.config import TrainConfig
from fieldmark.training.observer import SilentObserver
from fieldmark.training.train import train

#: How much nearer the keypoints must be found than by always looking at their mean place; about 0.35 when written.
MOST_OF_CONSTANT = 0.6

CONFIG = TrainConfig(
    backbone="resnet10t",
    backbone_options={"channels": (16, 24, 32, 32), "output_stride": 8},
    resolution=64,
    epochs=12,
    batch_size=8,
    learning_rate=3e-3,
    crop_scale=0.6,
    color=0.1,
    ema_decay=0.9,
    precision="32",
    keypoints=True,
    part_labels=16,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fieldmark.generate_birds(tmp_path_factory.mktemp("data") / "birds", species=4, train=24, test=8, size=64)


@pytest.fixture(scope="module")
def run(birds: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "keypoints"
    train(birds, out, CONFIG, cache=cache)
    return out


def test_the_log_and_the_bundle_tell_of_the_keypoints(run: Path) -> None:
    rows = list(csv.DictReader((run / "log.csv").open(encoding="utf-8")))
    for term in ("classification", "keypoint_maps", "keypoint_presence"):
        assert float(rows[-1][term]) < float(rows[0][term])
    info = read_info(run)
    assert info.part_names == PARTS
    assert info.training["part_labels"] == CONFIG.part_labels


def test_keypoints_are_found_in_pictures_never_seen(run: Path, cache: Path) -> None:
    seen, unseen = (map_pictures(run, split, cache=cache) for split in ("train", "test"))
    assert len(seen) == 96
    assert len(seen.few(2, 0)) == 8
    assert unseen.maps.shape == (32, len(PARTS) + 1, 8, 8)
    mean = (seen.positions * seen.visible[..., None]).sum(0) / seen.visible.sum(0)[:, None]
    constant = keypoint_error(
        np.broadcast_to(mean, unseen.positions.shape), unseen.positions, unseen.visible, unseen.boxes
    )
    for figures in (located_keypoints(unseen), regressed_keypoints(seen, unseen)):
        assert figures.error < MOST_OF_CONSTANT * constant
        assert figures.correct > 0.4
    assert parts_and_keypoints(unseen).nmi > 0.5


def test_a_split_without_annotation_is_an_error(run: Path, cache: Path) -> None:
    with pytest.raises(DataError, match="'val'"):
        map_pictures(run, "val", cache=cache)


def test_data_without_keypoints_leave_no_run_behind(birds: Path, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="annotated keypoints"):
        train(birds / "images", tmp_path / "run", CONFIG, cache=cache)
    assert not (tmp_path / "run").exists()


class Interruption(SilentObserver):
    """Stops the training after its first epoch."""

    def epoch(self, row: Mapping[str, float | int | str | None]) -> None:
        raise KeyboardInterrupt


def test_a_resumed_run_ends_with_the_same_weights(birds: Path, cache: Path, tmp_path: Path) -> None:
    short = replace(CONFIG, epochs=2, batch_size=32, part_labels=2)
    train(birds, tmp_path / "whole", short, cache=cache)
    with pytest.raises(KeyboardInterrupt):
        train(birds, tmp_path / "stopped", short, cache=cache, observer=Interruption())
    train(birds, tmp_path / "stopped", short, cache=cache, resume=True)
    weights = [(tmp_path / name / "bundle" / "weights.safetensors").read_bytes() for name in ("whole", "stopped")]
    assert weights[0] == weights[1]
