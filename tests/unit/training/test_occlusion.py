"""Occlusion and light in training: they reach the labelled pictures, and what is hidden is known to be."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric

import fieldmark
from fieldmark.augment.occluders import OCCLUDERS
from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.reading import read_table
from fieldmark.errors import ConfigError
from fieldmark.models.bundle import load_bundle, read_info
from fieldmark.models.layers import UsualLight
from fieldmark.records import OCCLUDER_NAMES, Preprocessing
from fieldmark.training.assembly import build_model, make_task
from fieldmark.training.config import TrainConfig
from fieldmark.training.observer import SilentObserver
from fieldmark.training.options import options_from_mapping
from fieldmark.training.supervised import SupervisedTask
from fieldmark.training.train import train

SIDE = 48
CONFIG = TrainConfig(
    backbone="resnet10t",
    backbone_options={"channels": (8, 8, 16, 16), "output_stride": 8},
    resolution=SIDE,
    epochs=1,
    batch_size=8,
    precision="32",
    keypoints=True,
    discovery_weight=0.0,
)


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fieldmark.generate_birds(tmp_path_factory.mktemp("data") / "birds", species=4, train=4, test=1, size=SIDE)


@pytest.fixture(scope="module")
def images(birds: Path, tmp_path_factory: pytest.TempPathFactory) -> CachedImages:
    return cache_images(read_table(birds), Preprocessing(SIDE), tmp_path_factory.mktemp("cache"), workers=1)


def task_of(config: TrainConfig, images: CachedImages, out: Path) -> SupervisedTask:
    fabric = Fabric(accelerator="cpu", devices=1)
    recognizer, preprocessing = build_model(config, len(images.table.classes), images.table.part_names)
    return make_task(fabric, config, recognizer, images, preprocessing, out, SilentObserver())


def test_without_the_options_training_draws_what_it_always_drew(images: CachedImages, tmp_path: Path) -> None:
    plain, other = (
        next(iter(task_of(config, images, tmp_path).batches(0, SIDE)))
        for config in (CONFIG, replace(CONFIG, occluders=("leaves",)))
    )
    assert torch.equal(plain.x, other.x)


def test_hidden_keypoints_are_not_seen(images: CachedImages, tmp_path: Path) -> None:
    plain, occluded = (
        next(iter(task_of(config, images, tmp_path).batches(0, SIDE)))
        for config in (CONFIG, replace(CONFIG, occlusion=1.0, occluders=("grey",)))
    )
    assert torch.equal(plain.keypoints.positions, occluded.keypoints.positions)
    hidden = plain.keypoints.visible & ~occluded.keypoints.visible
    assert hidden.any()
    assert not (occluded.keypoints.visible & ~plain.keypoints.visible).any()
    column, row = (plain.keypoints.positions * SIDE).long().clamp(0, SIDE - 1).unbind(2)
    changed = (plain.x != occluded.x).any(1)  # (B, R, R)
    at = changed.flatten(1).gather(1, row * SIDE + column)
    assert torch.equal(at & plain.keypoints.visible, hidden)


def test_light_reaches_the_labelled_pictures(images: CachedImages, tmp_path: Path) -> None:
    plain, lit = (
        next(iter(task_of(config, images, tmp_path).batches(0, SIDE)))
        for config in (CONFIG, replace(CONFIG, lighting=0.9))
    )
    assert ((plain.x - lit.x).abs().amax((1, 2, 3)) > 0.05).all()
    assert torch.equal(plain.keypoints.visible, lit.keypoints.visible)


def test_both_grow_over_the_first_half_of_the_epochs(images: CachedImages, tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=6, finish_epochs=2, finish_resolution=SIDE, occlusion=0.8, lighting=0.4)
    task = task_of(config, images, tmp_path)
    strengths = [task.augmentation(SIDE, epoch) for epoch in range(8)]
    assert [each.lighting for each in strengths] == pytest.approx([0.1, 0.2, 0.3] + [0.4] * 5)
    assert [each.occlusion.share for each in strengths] == pytest.approx([0.2, 0.4, 0.6] + [0.8] * 5)


def test_pictures_to_rebuild_are_never_occluded(images: CachedImages, tmp_path: Path) -> None:
    config = replace(CONFIG, keypoints=False, unlabelled_weight=0.5)
    plain, occluded = (
        next(iter(task_of(each, images, tmp_path).batches(0, SIDE)))
        for each in (config, replace(config, occlusion=1.0))
    )
    assert torch.equal(plain.to_rebuild.pictures, occluded.to_rebuild.pictures)
    assert not torch.equal(plain.x, occluded.x)


def test_the_occluder_left_out_is_never_trained_on(
    birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: set[str] = set()
    for name, draw in OCCLUDERS.items():
        monkeypatch.setitem(OCCLUDERS, name, lambda x, g, name=name, draw=draw: drawn.add(name) or draw(x, g))
    config = replace(CONFIG, keypoints=False, occlusion=1.0, epochs=3, occluders=("grey", "noise", "texture", "leaves"))
    train(birds, tmp_path / "run", config, cache=tmp_path / "cache")
    assert drawn == {"grey", "noise", "texture", "leaves"}
    assert read_info(tmp_path / "run").training["occluders"] == "grey, noise, texture, leaves"
    assert read_info(tmp_path / "run").training["occlusion"] == 1.0


def test_options_are_checked_when_they_are_made() -> None:
    with pytest.raises(ConfigError, match="occluder 'leafs'") as caught:
        TrainConfig(occluders=("leafs",))
    assert all(name in caught.value.cure for name in OCCLUDER_NAMES)
    with pytest.raises(ConfigError, match="needs occluders"):
        TrainConfig(occlusion=0.5, occluders=())
    for name in ("occlusion", "lighting"):
        with pytest.raises(ConfigError, match=name):
            options_from_mapping(TrainConfig, {name: 1.5})
    assert options_from_mapping(TrainConfig, {"occluders": ["grey"]}).occluders == ("grey",)
    with pytest.raises(ConfigError, match="occluders"):
        options_from_mapping(TrainConfig, {"occluders": "grey"})


def test_usual_light_is_that_of_the_training_pictures(birds: Path, images: CachedImages, tmp_path: Path) -> None:
    found = train(birds, tmp_path / "run", replace(CONFIG, usual_light=True), cache=tmp_path / "cache")
    kept = load_bundle(found.run)[0].light
    assert kept is not None
    rows = (images.table.frame["split"] == "train").to_numpy()
    seen = torch.from_numpy(images.pixels[rows]).permute(0, 3, 1, 2) / 255
    expected = UsualLight((0.5,) * 3, (0.2,) * 3)
    expected.fit(seen)
    torch.testing.assert_close(kept.usual, expected.usual)
    task = task_of(replace(CONFIG, usual_light=True), images, tmp_path / "other")
    assert task.average.module.light.usual.tolist() == kept.usual.tolist()
