"""Parts in training: discovered beside the classes, or taken from an earlier run."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file

import fieldmark
from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.reading import read_table
from fieldmark.errors import ConfigError
from fieldmark.models.bundle import load_bundle
from fieldmark.models.parts import DiscoveredParts, LinkedKeypoints
from fieldmark.records import Preprocessing
from fieldmark.training.assembly import build_model, make_task, model_spec
from fieldmark.training.config import TrainConfig
from fieldmark.training.initial_parts import with_initial_parts
from fieldmark.training.observer import SilentObserver
from fieldmark.training.pretrain import pretrain
from fieldmark.training.pretrain_config import PretrainConfig
from fieldmark.training.supervised import SupervisedTask
from fieldmark.training.task import LOSS
from fieldmark.training.train import train

SIDE = 48
NETWORK = {"backbone": "resnet10t", "backbone_options": {"channels": (8, 8, 16, 16), "output_stride": 8}}
CONFIG = TrainConfig(**NETWORK, resolution=SIDE, epochs=1, batch_size=6, precision="32", parts=3)


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("birds")
    return fieldmark.generate_birds(folder / "birds", species=4, train=4, test=1, size=SIDE)


@pytest.fixture(scope="module")
def images(birds: Path) -> CachedImages:
    return cache_images(read_table(birds), Preprocessing(SIDE), birds.parent / "cache", workers=1)


def pretrained(birds: Path, out: Path, autoencoder: str) -> Path:
    options = PretrainConfig(
        **NETWORK, autoencoder=autoencoder, parts=3, resolution=SIDE, epochs=1, batch_size=8, picture_every=0
    )
    pretrain(birds, out, options, cache=birds.parent / "cache")
    return out


def task_of(config: TrainConfig, images: CachedImages, out: Path) -> SupervisedTask:
    recognizer, preprocessing = build_model(config, len(images.table.classes))
    fabric = Fabric(accelerator="cpu", devices=1)
    return make_task(fabric, config, recognizer, images, preprocessing, out, SilentObserver())


def test_discovery_is_weighed_and_told_term_by_term(images: CachedImages, tmp_path: Path) -> None:
    losses = {}
    for weight in (0.0, 2.0):
        task = task_of(replace(CONFIG, discovery_weight=weight), images, tmp_path)
        task.begin_epoch()
        torch.manual_seed(0)  # dropout
        losses[weight] = task.update(next(iter(task.batches(0, SIDE)))._replace(trust=1.0))
    assert set(losses[0.0]) == {LOSS}
    terms = losses[2.0]
    assert {"equivariance", "presence", "colours", "features"} < set(terms)
    assert torch.allclose(terms["classification"], losses[0.0][LOSS])
    assert torch.allclose(terms[LOSS], terms["classification"] + 2 * terms["discovery"])


def test_the_moved_pictures_are_a_function_of_the_epoch(images: CachedImages, tmp_path: Path) -> None:
    task = task_of(CONFIG, images, tmp_path)
    first, again, later = (next(iter(task.batches(epoch, SIDE))).moved for epoch in (0, 0, 1))
    assert first is not None
    assert first.pictures.shape == (3, 3, SIDE, SIDE)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.theta, later.theta)


def test_the_classes_have_no_say_in_where_discovered_parts_are(images: CachedImages, tmp_path: Path) -> None:
    for weight in (0.0, 1.0):
        task = task_of(replace(CONFIG, discovery_weight=weight), images, tmp_path)
        found = task.model(next(iter(task.batches(0, SIDE)))._replace(trust=1.0))
        found.logits.sum().backward()
        taught = [parameter.grad is not None for parameter in task.recognizer.parts.parameters()]  # type: ignore[attr-defined]
        assert any(taught) == all(taught) == (weight == 0)  # who else would teach them?


def test_parts_come_to_count_in_the_first_half_of_training(images: CachedImages, tmp_path: Path) -> None:
    task = task_of(replace(CONFIG, epochs=4), images, tmp_path)
    assert task.steps == 2
    trust = [batch.trust for epoch in range(4) for batch in task.batches(epoch, SIDE)]
    assert trust == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1, 1, 1])


def test_a_bundle_keeps_its_parts(birds: Path, tmp_path: Path) -> None:
    train(birds, tmp_path / "run", CONFIG, cache=birds.parent / "cache")
    recognizer, info = load_bundle(tmp_path / "run")
    assert info.part_names == recognizer.evidence_names == ("part 1", "part 2", "part 3")
    assert info.model["head"] == "additive"
    x = torch.randn(2, 3, SIDE, SIDE)
    found = recognizer.parts_evidence(x)
    assert found.evidence.shape == (2, 3, 4)
    torch.testing.assert_close(found.evidence.sum(1) + recognizer.bias, recognizer(x))


@pytest.mark.parametrize(("name", "kind"), [("parts", DiscoveredParts), ("skeleton", LinkedKeypoints)])
def test_training_begins_with_the_parts_of_a_pretraining(birds: Path, tmp_path: Path, name: str, kind: type) -> None:
    run = pretrained(birds, tmp_path / "pretrained", name)
    config = with_initial_parts(replace(CONFIG, parts=None, init=str(run)))
    assert config.parts == 3
    recognizer, _ = build_model(config, 4)
    assert isinstance(recognizer.parts, kind)
    saved = load_file(run / "autoencoder" / "weights.safetensors")
    for part, tensor in recognizer.parts.state_dict().items():
        assert torch.equal(tensor, saved[f"parts.{part}"])
    train(birds, tmp_path / "run", replace(CONFIG, parts=None, init=str(run)), cache=birds.parent / "cache")
    assert len(load_bundle(tmp_path / "run")[1].part_names) == 3


def test_another_number_of_parts_begins_anew(birds: Path, tmp_path: Path) -> None:
    run = pretrained(birds, tmp_path / "pretrained", "skeleton")
    spec = model_spec(replace(CONFIG, parts=5, init=str(run)), 4)
    assert (spec.parts.name, len(spec.parts.names)) == ("discovered", 5)
    assert model_spec(replace(CONFIG, parts=0, init=str(run)), 4).parts.name == "whole"


def test_parts_and_mixup_don_t_go_together() -> None:
    with pytest.raises(ConfigError, match="Blended"):
        replace(CONFIG, mixup=0.2)


def test_the_head_follows_the_parts() -> None:
    assert CONFIG.head_name == "additive"
    assert replace(CONFIG, parts=0).head_name == "linear"
    assert replace(CONFIG, head="linear").head_name == "linear"
