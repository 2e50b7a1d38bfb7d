"""Keypoints in training: which are used, that they move with the pictures, and that nothing else changes."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

import fieldmark
from fieldmark.augment import move_keypoints
from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.keypoints import keypoints_of
from fieldmark.data.reading import read_table
from fieldmark.errors import ConfigError
from fieldmark.records import Preprocessing
from fieldmark.training.assembly import build_model, make_task
from fieldmark.training.config import TrainConfig
from fieldmark.training.keypoint_targets import KeypointSource, check_keypoints, keypoint_source
from fieldmark.training.observer import SilentObserver
from fieldmark.training.samples import split_samples
from fieldmark.training.supervised import SupervisedTask
from fieldmark.training.task import LOSS

SIDE = 48
CONFIG = TrainConfig(
    backbone="resnet10t",
    backbone_options={"channels": (8, 8, 16, 16), "output_stride": 8},
    resolution=SIDE,
    epochs=1,
    batch_size=6,
    precision="32",
    keypoints=True,
    discovery_weight=0.0,
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> CachedImages:
    folder = tmp_path_factory.mktemp("birds")
    birds = fieldmark.generate_birds(folder / "birds", species=4, train=4, test=1, size=SIDE)
    return cache_images(read_table(birds), Preprocessing(SIDE), folder / "cache", workers=1)


def task_of(config: TrainConfig, images: CachedImages, out: Path) -> SupervisedTask:
    fabric = Fabric(accelerator="cpu", devices=1)
    recognizer, preprocessing = build_model(config, len(images.table.classes), images.table.part_names)
    return make_task(fabric, config, recognizer, images, preprocessing, out, SilentObserver())


def test_the_source_has_the_keypoints_of_the_samples_in_their_order(images: CachedImages) -> None:
    samples = split_samples(images, "train")
    source = keypoint_source(images, samples, None, seed=0)
    found = keypoints_of(images)
    assert len(source.keypoints.annotated) == len(samples) == 16
    assert source.keypoints.annotated.all()
    places = np.array([5, 0])
    theta = torch.tensor([[[1.0, 0, 0], [0, 1, 0]], [[-1.0, 0, 0], [0, 1, 0]]])
    batch = source.batch(places, theta)
    assert np.allclose(batch.positions[0], found.positions[samples.rows[5]], atol=1e-6)
    seen = batch.visible[1].numpy()
    assert seen.any()
    assert np.allclose(batch.positions[1, :, 0][seen], 1 - found.positions[samples.rows[0], :, 0][seen], atol=1e-6)


def test_part_labels_keep_so_many_of_each_class_by_the_seed(images: CachedImages) -> None:
    samples = split_samples(images, "train")
    kept = {
        (count, seed): keypoint_source(images, samples, count, seed).keypoints.annotated
        for count in (0, 2, 99)
        for seed in (0, 1)
    }
    assert np.bincount(samples.labels[kept[2, 0]]).tolist() == [2, 2, 2, 2]
    assert not kept[0, 0].any()
    assert kept[99, 0].all()
    assert (kept[2, 0] != kept[2, 1]).any()


def test_keypoints_move_with_the_pictures_and_the_pictures_stay_as_they_were(
    images: CachedImages, tmp_path: Path
) -> None:
    task = task_of(replace(CONFIG, part_labels=2), images, tmp_path)
    plain = task_of(replace(CONFIG, keypoints=False, parts=0), images, tmp_path)
    assert plain.keypoints is None
    batches, others = list(task.batches(1, SIDE)), list(plain.batches(1, SIDE))
    assert len(batches) == len(others) == 2
    assert all(torch.equal(mine.x, other.x) for mine, other in zip(batches, others, strict=True))
    assert all(other.keypoints is None for other in others)
    again = list(task.batches(1, SIDE))
    for mine, same in zip(batches, again, strict=True):
        assert mine.keypoints is not None
        assert same.keypoints is not None
        assert all(torch.equal(a, b) for a, b in zip(mine.keypoints, same.keypoints, strict=True))
        assert mine.keypoints.positions.shape == (6, len(images.table.part_names), 2)
    annotated = torch.cat([batch.keypoints.annotated for batch in batches if batch.keypoints is not None])
    assert 0 < int(annotated.sum()) <= 8 < len(annotated)


def test_the_loss_is_that_of_classes_and_weighted_keypoints(images: CachedImages, tmp_path: Path) -> None:
    losses: dict[float, Mapping[str, torch.Tensor]] = {}
    for weight in (0.0, 2.0):
        task = task_of(replace(CONFIG, keypoint_weight=weight), images, tmp_path)
        task.begin_epoch()
        torch.manual_seed(0)  # dropout
        losses[weight] = task.update(next(iter(task.batches(0, SIDE))))
    terms = losses[2.0]
    assert set(terms) == {LOSS, "classification", "keypoints", "keypoint_maps", "keypoint_presence"}
    assert torch.allclose(losses[0.0][LOSS], losses[0.0]["classification"])
    keypoints = terms["keypoint_maps"] + 0.5 * terms["keypoint_presence"]
    assert torch.allclose(terms[LOSS], terms["classification"] + 2 * keypoints)
    assert torch.allclose(terms["classification"], losses[0.0]["classification"])


def test_pictures_without_annotation_help_by_moving_along(images: CachedImages, tmp_path: Path) -> None:
    task = task_of(replace(CONFIG, part_labels=0, discovery_weight=1.0), images, tmp_path)
    task.begin_epoch()
    batch = next(iter(task.batches(0, SIDE)))
    terms = task.update(batch)
    assert float(terms["keypoints"]) == 0
    assert float(terms["equivariance"]) > 0
    assert torch.allclose(terms["discovery"], terms["equivariance"])
    assert torch.allclose(terms[LOSS], terms["classification"] + terms["discovery"])


def test_rebuilding_and_keypoints_are_learned_together(images: CachedImages, tmp_path: Path) -> None:
    config = replace(CONFIG, resolution=2 * SIDE, unlabelled_weight=0.5, keypoint_weight=2.0)
    task = task_of(config, images, tmp_path)
    task.begin_epoch()
    terms = task.update(next(iter(task.batches(0, 2 * SIDE))))
    expected = terms["classification"] + 0.5 * terms["reconstruction"] + 2 * terms["keypoints"]
    assert torch.allclose(terms[LOSS], expected)


def test_a_high_weight_of_the_keypoints_is_no_explosion(images: CachedImages, tmp_path: Path) -> None:
    task = task_of(replace(CONFIG, keypoint_weight=100.0), images, tmp_path)
    loss = task.update(next(iter(task.batches(0, SIDE))))[LOSS]
    assert loss < 2 * task.guessing_loss


def test_the_part_learner_is_trained_at_the_heads_learning_rate(images: CachedImages, tmp_path: Path) -> None:
    task = task_of(replace(CONFIG, head_learning_rate=0.5), images, tmp_path)
    rates = {id(parameter): group["peak"] for group in task.optimizer.param_groups for parameter in group["params"]}
    assert {rates[id(parameter)] for parameter in task.recognizer.parts.parameters()} == {0.5}
    assert {rates[id(parameter)] for parameter in task.recognizer.backbone.parameters()} == {CONFIG.learning_rate}


def test_a_source_never_mixes_up_rows(images: CachedImages) -> None:
    source = keypoint_source(images, split_samples(images, "train"), None, seed=0)
    assert isinstance(source, KeypointSource)
    theta = torch.tensor([[[0.5, 0.1, 0.2], [-0.1, 0.5, 0.1]]])
    for place in range(3):
        mine = source.batch(np.array([place]), theta)
        positions, visible, _ = (torch.from_numpy(values) for values in source.keypoints.of(np.array([place])))
        moved, seen = move_keypoints(positions, visible, theta, source.partners)
        assert torch.equal(mine.positions, moved)
        assert torch.equal(mine.visible, seen)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keypoints": False, "part_labels": 5}, "part_labels"),
        ({"mixup": 0.2}, "Blended"),
        ({"parts": 8}, "what the parts are"),
        ({"part_labels": -1}, "part_labels"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        replace(CONFIG, **options)
    assert caught.value.cure


def test_data_without_keypoints_are_refused(images: CachedImages) -> None:
    import polars as pl

    check_keypoints(images.table)
    bare = replace(
        images.table, frame=images.table.frame.with_columns(pl.lit(None).alias("parts").cast(pl.List(pl.Null)))
    )
    for table in (bare, replace(images.table, part_names=())):
        with pytest.raises(ConfigError, match="annotated keypoints") as caught:
            check_keypoints(table)
        assert "leave keypoints out" in caught.value.cure
