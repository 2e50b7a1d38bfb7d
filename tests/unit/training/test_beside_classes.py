"""Ranks and attributes as tasks beside the classes: their losses, what they are learned from, and what is refused."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from lightning.fabric import Fabric

import fieldmark
from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.reading import read_table
from fieldmark.errors import ConfigError, DataError
from fieldmark.models.bundle import load_bundle
from fieldmark.models.heads import HEADS
from fieldmark.records import Preprocessing
from fieldmark.training.assembly import build_model, make_task
from fieldmark.training.attribute_targets import (
    AttributeHead,
    AttributeTargets,
    attribute_loss,
    attribute_source,
    check_attributes,
)
from fieldmark.training.config import TrainConfig
from fieldmark.training.observer import SilentObserver
from fieldmark.training.rank_targets import check_lineage, coarser_ranks, rank_loss
from fieldmark.training.samples import split_samples
from fieldmark.training.supervised import SupervisedTask, mixed
from fieldmark.training.train import train

SIDE = 48
CONFIG = TrainConfig(
    backbone="resnet10t",
    backbone_options={"channels": (8, 8, 16, 16)},
    resolution=SIDE,
    epochs=1,
    batch_size=6,
    precision="32",
    rank_weight=0.5,
    attribute_weight=0.25,
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


def with_attributes(images: CachedImages, rows: list[list[float | None] | None], *names: str) -> CachedImages:
    values = pl.Series("attributes", rows, dtype=pl.List(pl.Float64))
    table = replace(images.table, frame=images.table.frame.with_columns(values), attribute_names=names)
    return replace(images, table=table)


def test_the_losses_are_weighed_and_logged(images: CachedImages, tmp_path: Path) -> None:
    config = replace(CONFIG, dropout=0.0)
    task = task_of(config, images, tmp_path)
    task.begin_epoch()
    batch = next(iter(task.batches(0, SIDE)))
    features = task.recognizer.backbone.forward_features(batch.x)
    maps = task.recognizer.parts(features)
    logits = task.recognizer.logits_of(task.recognizer.evidence_of(features, maps).evidence)
    told = task.model.attributes(*task.recognizer.pooled(features, maps))  # type: ignore[misc]
    expected = {
        "ranks": rank_loss(logits, batch.targets, coarser_ranks(images.table), label_smoothing=config.label_smoothing),
        "attributes": attribute_loss(told, batch.attributes),  # type: ignore[arg-type]
    }
    terms = task.update(batch)
    for name, loss in expected.items():
        torch.testing.assert_close(terms[name], loss.detach(), rtol=1e-4, atol=1e-5)
    whole = terms["classification"] + 0.5 * terms["ranks"] + 0.25 * terms["attributes"]
    torch.testing.assert_close(terms["loss"], whole)
    plain = task_of(replace(config, rank_weight=0.0, attribute_weight=0.0), images, tmp_path)
    assert task.guessing_loss == pytest.approx(plain.guessing_loss + 0.5 * math.log(4) + 0.25 * math.log(2))
    assert set(plain.update(next(iter(plain.batches(0, SIDE))))) == {"loss"}


def test_every_batch_has_the_attributes_of_its_pictures(images: CachedImages, tmp_path: Path) -> None:
    task = task_of(CONFIG, images, tmp_path)
    of_class = {row["label"]: row["attributes"] for row in images.table.frame.select("label", "attributes").to_dicts()}
    for batch in task.batches(0, SIDE):
        assert batch.attributes is not None
        for target, shares in zip(batch.targets, batch.attributes.shares, strict=True):
            label = images.table.classes[int(target.argmax())]
            assert (100 * shares).tolist() == pytest.approx(of_class[label])


def test_the_second_head_learns_at_the_head_s_rate_and_is_not_kept(images: CachedImages, tmp_path: Path) -> None:
    task = task_of(CONFIG, images, tmp_path / "task")
    rates = {id(p): group["peak"] for group in task.optimizer.param_groups for p in group["params"]}
    assert task.model.attributes is not None
    assert {rates[id(p)] for p in task.model.attributes.parameters()} == {CONFIG.head_learning_rate}
    before = [parameter.clone() for parameter in task.model.attributes.parameters()]
    for batch in task.batches(0, SIDE):
        task.update(batch)
    assert all(not torch.equal(a, b) for a, b in zip(before, task.model.attributes.parameters(), strict=True))
    train(images.table, tmp_path / "run", CONFIG, cache=tmp_path / "cache")
    recognizer, info = load_bundle(tmp_path / "run")
    assert not [name for name in recognizer.state_dict() if "attribute" in name]
    assert info.training["attribute_weight"] == 0.25


@pytest.mark.parametrize("name", HEADS)
def test_attributes_are_told_by_a_head_of_the_same_kind(images: CachedImages, tmp_path: Path, name: str) -> None:
    parts = 2 if name == "additive" else 0
    task = task_of(replace(CONFIG, head=name, parts=parts), images, tmp_path)
    batch = next(iter(task.batches(0, SIDE)))
    assert torch.isfinite(task.update(batch)["attributes"])
    assert isinstance(task.model.attributes.head, type(task.recognizer.head))  # type: ignore[union-attr]


def test_the_loss_of_attributes_leaves_out_what_is_not_known() -> None:
    logits = torch.tensor([[0.3, -1.0, 2.0], [0.5, 0.1, -0.7]])
    shares = [[0.8, None, 0.0], [None, None, 1.0]]
    each = []
    for row, wanted in zip(logits.tolist(), shares, strict=True):
        for logit, share in zip(row, wanted, strict=True):
            if share is not None:
                p = 1 / (1 + math.exp(-logit))
                each.append(-share * math.log(p) - (1 - share) * math.log(1 - p))
    known = torch.tensor([[float(share is not None) for share in row] for row in shares])
    filled = torch.tensor([[share or 0.0 for share in row] for row in shares])
    assert attribute_loss(logits, AttributeTargets(filled, known)).item() == pytest.approx(sum(each) / len(each))
    assert attribute_loss(logits, AttributeTargets(filled * 0, known * 0)).item() == 0


def test_a_blended_picture_has_a_blend_of_what_is_known() -> None:
    """Its loss is the blend of both pictures' losses, each over what is known of it."""
    x, targets = torch.zeros(4, 3, 2, 2), torch.eye(4)
    shares = torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.0, 0.2], [0.0, 0.0]])
    known = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    _, blended, found = mixed(x, targets, AttributeTargets(shares, known), 0.7, torch.Generator().manual_seed(0))
    assert found is not None
    torch.testing.assert_close(found.shares, blended @ shares)
    torch.testing.assert_close(found.known, blended @ known)
    assert not torch.equal(blended, targets)
    logits = torch.tensor([[0.4, -0.2]]).expand(4, -1)
    sums = [attribute_loss(logits[:1], AttributeTargets(shares[i : i + 1], known[i : i + 1])) for i in range(4)]
    weight = known.sum(1).clamp_min(1)
    expected = blended @ (torch.stack(sums) * weight)
    assert attribute_loss(logits, found).item() == pytest.approx((expected.sum() / found.known.sum()).item())


def test_an_additive_head_of_attributes_adds_up_what_each_part_says() -> None:
    head = AttributeHead(HEADS["additive"], 6, 3, 4, dropout=0.0)
    vectors, presence = torch.randn(2, 3, 6), torch.ones(2, 3)
    hidden = presence.clone()
    hidden[:, 1] = 0
    evidence = head.head(vectors, presence)
    assert evidence.shape == (2, 3, 4)
    torch.testing.assert_close(head(vectors, presence) - head(vectors, hidden), evidence[:, 1])


def test_missing_attributes_are_not_known(images: CachedImages) -> None:
    count = len(images.table)
    rows: list[list[float | None] | None] = [[100.0, None], None, [float("nan"), 25.0], []]
    some = with_attributes(images, rows + [[0.0, 50.0]] * (count - 4), "red", "blue")
    everything = replace(split_samples(images, "train"), rows=np.arange(count), labels=np.zeros(count, np.int64))
    found = attribute_source(some, everything)
    assert found.known[:5].tolist() == [[1, 0], [0, 0], [0, 1], [0, 0], [1, 1]]
    assert found.shares[:5].tolist() == [[1, 0], [0, 0], [0, 0.25], [0, 0], [0, 0.5]]
    batch = found.batch(np.array([2, 0]), torch.device("cpu"))
    assert batch.shares.tolist() == [[0, 0.25], [1, 0]]


@pytest.mark.parametrize(("row", "message"), [([50.0], "1 attributes; the table names 2"), ([50.0, 101.0], "is 101")])
def test_attributes_that_can_t_be_are_refused(images: CachedImages, row: list[float], message: str) -> None:
    wrong = with_attributes(images, [row] * len(images.table), "red", "blue")
    with pytest.raises(DataError, match=message):
        attribute_source(wrong, split_samples(wrong, "train"))


def test_tasks_without_what_they_are_learned_from_are_refused(images: CachedImages, tmp_path: Path) -> None:
    nothing = with_attributes(images, [None] * len(images.table)).table
    flat = replace(nothing, rank_names=("class",))
    for check, table, name in ((check_attributes, nothing, "attribute_weight"), (check_lineage, flat, "rank_weight")):
        check(images.table)
        with pytest.raises(ConfigError, match=name):
            check(table)
        with pytest.raises(ConfigError, match=name):
            train(table, tmp_path / "run", replace(TrainConfig(), **{name: 1.0}), cache=tmp_path / "cache")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="rank_weight"):
        TrainConfig(rank_weight=-1)
    with pytest.raises(ConfigError, match="attribute_weight"):
        TrainConfig(attribute_weight=1e4)
