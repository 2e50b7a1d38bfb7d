"""A head that teaches beside the recogniser's own."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric
from torch.nn import functional

import fieldmark
from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.reading import read_table
from fieldmark.errors import ConfigError
from fieldmark.models.bundle import load_bundle
from fieldmark.models.heads import HEADS, AdditiveHead
from fieldmark.records import Preprocessing
from fieldmark.training.assembly import build_model, make_task
from fieldmark.training.config import NO_TEACHER, TEACHERS, TrainConfig
from fieldmark.training.observer import SilentObserver
from fieldmark.training.run_folder import BUNDLE
from fieldmark.training.supervised import SupervisedTask
from fieldmark.training.teacher import AGREEMENT, Teacher, teacher_loss
from fieldmark.training.train import train

SIDE = 48
CONFIG = TrainConfig(
    backbone="resnet10t",
    backbone_options={"channels": (8, 8, 16, 16), "output_stride": 8},
    resolution=SIDE,
    epochs=1,
    batch_size=6,
    precision="32",
    parts=2,
    teacher="second_order",
)


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fieldmark.generate_birds(tmp_path_factory.mktemp("birds") / "birds", species=4, train=4, test=1, size=SIDE)


@pytest.fixture
def images(birds: Path, tmp_path: Path) -> CachedImages:
    return cache_images(read_table(birds), Preprocessing(SIDE), tmp_path / "cache", workers=1)


def task_of(config: TrainConfig, images: CachedImages, out: Path) -> SupervisedTask:
    recognizer, preprocessing = build_model(config, len(images.table.classes))
    fabric = Fabric(accelerator="cpu", devices=1)
    return make_task(fabric, config, recognizer, images, preprocessing, out, SilentObserver())


def test_teachers_are_the_heads_that_look_at_every_cell() -> None:
    assert set(TEACHERS) - {NO_TEACHER} == {name for name, head in HEADS.items() if head.parts == "cells"}
    with pytest.raises(ConfigError, match="additive"):
        TrainConfig(teacher="additive")


def test_the_loss_is_the_teacher_s_own_and_the_disagreement() -> None:
    taught, logits = torch.randn(3, 4), torch.randn(3, 4, requires_grad=True)
    taught.requires_grad_()
    targets = torch.eye(4)[:3]
    loss = teacher_loss(taught, logits, targets, label_smoothing=0.1)
    own = functional.cross_entropy(taught, targets, label_smoothing=0.1)
    said = -(taught.softmax(-1) * logits.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(loss, own + AGREEMENT * said)
    loss.backward()
    (alone,) = torch.autograd.grad(functional.cross_entropy(taught, targets, label_smoothing=0.1), taught)
    torch.testing.assert_close(taught.grad, alone)  # what the recogniser says teaches the teacher nothing


@pytest.mark.parametrize("name", [name for name in TEACHERS if name != NO_TEACHER])
def test_a_teacher_sees_the_cells(name: str) -> None:
    teacher = Teacher(name, 6, 5, dropout=0.0).eval()
    features = torch.randn(2, 6, 3, 4)
    assert teacher(features).shape == (2, 5)
    moved = features.roll(1, dims=3)  # which cells there are counts, not where they are
    torch.testing.assert_close(teacher(moved), teacher(features))


def test_it_learns_and_is_logged(images: CachedImages, tmp_path: Path) -> None:
    task = task_of(CONFIG, images, tmp_path)
    assert task.model.teacher is not None
    before = [parameter.detach().clone() for parameter in task.model.teacher.parameters()]
    task.begin_epoch()
    terms = task.update(next(iter(task.batches(0, SIDE))))
    assert torch.isfinite(terms["teacher"])
    assert all(not torch.equal(old, new) for old, new in zip(before, task.model.teacher.parameters(), strict=True))


def test_its_weights_have_the_heads_rate(images: CachedImages, tmp_path: Path) -> None:
    task = task_of(CONFIG, images, tmp_path)
    fresh = {id(p) for group in task.optimizer.param_groups if group["peak"] == 3e-3 for p in group["params"]}
    assert task.model.teacher is not None
    assert {id(parameter) for parameter in task.model.teacher.parameters()} <= fresh


def test_it_is_not_kept(birds: Path, tmp_path: Path) -> None:
    shapes = []
    for name, teacher in (("taught", "second_order"), ("alone", NO_TEACHER)):
        train(birds, tmp_path / name, replace(CONFIG, teacher=teacher), cache=tmp_path / "cache")
        recognizer, _ = load_bundle(tmp_path / name / BUNDLE)
        shapes.append({key: value.shape for key, value in recognizer.state_dict().items()})
    assert shapes[0] == shapes[1]


def test_rows_of_an_additive_head_move_less_the_more_of_them_add_up(images: CachedImages, tmp_path: Path) -> None:
    options = {**CONFIG.backbone_options, "channels": (8, 8, 16, 1000)}
    task = task_of(replace(CONFIG, backbone_options=options), images, tmp_path)
    head = task.recognizer.head
    assert isinstance(head, AdditiveHead)
    (group,) = (group for group in task.optimizer.param_groups if any(p is head.weight for p in group["params"]))
    assert group["peak"] == pytest.approx(CONFIG.head_learning_rate * 1000 / 2000)
    assert group["peak"] * group["weight_decay"] == pytest.approx(CONFIG.head_learning_rate * CONFIG.weight_decay)
    grouped = [id(parameter) for each in task.optimizer.param_groups for parameter in each["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(parameter) for parameter in task.model.parameters() if parameter.requires_grad}
