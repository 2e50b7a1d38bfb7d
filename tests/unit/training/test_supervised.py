"""The supervised loss: its terms, their weights, and what the rest of the picture may say."""

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.errors import ConfigError
from fieldmark.models.heads import AdditiveHead
from fieldmark.models.recognizer import Recognizer
from fieldmark.records import Preprocessing
from fieldmark.training.assembly import build_model, model_spec
from fieldmark.training.averaging import averaged_model
from fieldmark.training.config import TrainConfig
from fieldmark.training.samples import Samples
from fieldmark.training.supervised import SupervisedTask, rest_size
from fieldmark.training.supervised_model import SupervisedBatch, SupervisedModel, ToRebuild

B, C, N = 6, 8, 4


class Features(nn.Module):
    """A backbone of one layer."""

    feature_dim, stride = C, 4

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, C, 4, 4)

    def forward_features(self, x: Tensor) -> Tensor:
        return self.layer(x)


class RightHalf(nn.Module):
    """One part, the picture's right half, that shows what the rest, the left half, shows as well."""

    names = ("right",)
    background = True

    def forward(self, features: Tensor) -> Tensor:
        maps = torch.zeros(len(features), 2, *features.shape[2:])
        half = features.shape[3] // 2
        maps[:, 0, :, half:] = 1
        maps[:, 1, :, :half] = 1
        return maps


class Doubler(nn.Module):
    """Stands for an autoencoder: its loss is a parameter times the mean of the pictures' squares."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def loss(self, pictures: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(generator, torch.Generator)
        return self.factor * pictures.square().mean(), {}


def task_of(config: TrainConfig, *, autoencoder: nn.Module | None = None, precision: str = "32-true") -> SupervisedTask:
    torch.manual_seed(0)
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    recognizer = Recognizer(Features(), RightHalf(), AdditiveHead(C, 2, N), N, rest=True)
    model = SupervisedModel(recognizer, autoencoder)
    module, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    none = Samples(np.empty((0, 8, 8, 3), np.uint8), np.empty(0, np.int64), np.empty(0, np.int64))
    return SupervisedTask(
        fabric=fabric,
        config=config,
        recognizer=recognizer,
        model=model,
        module=module,
        optimizer=optimizer,
        average=averaged_model(recognizer, 0.0),
        frozen=[],
        train=none,
        validation=none,
        rebuilt=none,
        preprocessing=Preprocessing(8),
    )


def batch() -> SupervisedBatch:
    """Four classes, told by the colour of the whole picture."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(B) % N
    colours = torch.randn(N, 3, generator=generator)[labels]
    x = colours[:, :, None, None] + 0.1 * torch.randn(B, 3, 8, 8, generator=generator)
    return SupervisedBatch(x, functional.one_hot(labels, N).float())


def test_the_rest_s_size_is_that_of_a_loop_and_leaves_out_what_all_classes_get() -> None:
    evidence = torch.randn(3, 2, 5)
    expected = 0.0
    for said in evidence[:, 1].tolist():
        mean = sum(said) / 5
        expected += sum((one - mean) ** 2 for one in said) / 15
    assert rest_size(evidence).item() == pytest.approx(expected, rel=1e-5)
    shifted = evidence + torch.tensor([0.0, 7.0]).view(1, 2, 1)
    assert rest_size(shifted).item() == pytest.approx(expected, rel=1e-4)


def test_classification_alone_is_the_loss_and_has_no_term() -> None:
    task, given = task_of(TrainConfig(label_smoothing=0.1)), batch()
    expected = functional.cross_entropy(task.recognizer(given.x), given.targets, label_smoothing=0.1)
    terms = task.update(given)
    assert set(terms) == {"loss"}
    torch.testing.assert_close(terms["loss"], expected.detach())


def test_every_term_is_weighed_and_logged() -> None:
    config = TrainConfig(rest=True, rest_penalty=0.5, unlabelled_weight=0.25, label_smoothing=0.0)
    task, given = task_of(config, autoencoder=Doubler()), batch()
    found = task.recognizer.parts_evidence(given.x)
    expected = {
        "classification": functional.cross_entropy(task.recognizer(given.x), given.targets).detach(),
        "reconstruction": torch.tensor(2.0),
        "rest": rest_size(found.evidence).detach(),
    }
    rebuilt = ToRebuild(torch.ones(B, 3, 8, 8), torch.Generator())
    terms = task.update(SupervisedBatch(given.x, given.targets, rebuilt))
    loss = terms.pop("loss")
    assert terms.keys() == expected.keys()
    for name, term in terms.items():
        torch.testing.assert_close(term, expected[name])
    torch.testing.assert_close(loss, terms["classification"] + 0.25 * terms["reconstruction"] + 0.5 * terms["rest"])


def test_bfloat16_trains_with_all_terms() -> None:
    config = TrainConfig(rest=True, unlabelled_weight=0.25)
    task = task_of(config, autoencoder=Doubler(), precision="bf16-mixed")
    before = [parameter.clone() for parameter in task.model.parameters()]
    given = batch()
    terms = task.update(SupervisedBatch(given.x, given.targets, ToRebuild(given.x, torch.Generator())))
    assert all(term.dtype == torch.float32 and term.isfinite() for term in terms.values())
    assert all(not torch.equal(a, b) for a, b in zip(before, task.model.parameters(), strict=True))


def shares_of_the_rest(penalty: float) -> tuple[float, float]:
    """Train, and return the loss of telling apart and how large the rest's evidence is beside the part's."""
    task = task_of(TrainConfig(rest=True, rest_penalty=penalty, label_smoothing=0.0))
    for _ in range(150):
        terms = task.update(batch())
    evidence = task.recognizer.evidence(batch().x)
    return terms["classification"].item(), (rest_size(evidence) / rest_size(evidence[:, :1])).item()


def test_the_penalty_leaves_to_the_parts_what_they_can_say() -> None:
    free_loss, free = shares_of_the_rest(0.0)
    loss, held = shares_of_the_rest(TrainConfig().rest_penalty)
    assert free > 0.5
    assert held < 0.1
    assert max(loss, free_loss) < 0.2


def test_the_head_s_options_reach_the_network() -> None:
    spec = model_spec(TrainConfig(head="additive", rest=True, dropout=0.1, part_dropout=0.3), 5)
    assert (spec.classes, spec.head, spec.rest, spec.dropout, spec.part_dropout) == (5, "additive", True, 0.1, 0.3)
    network = {"backbone": "resnet10t", "backbone_options": {"channels": (8, 16, 24, 32)}}
    recognizer, _ = build_model(TrainConfig(**network, head="second_order"), 5)
    assert not recognizer.additive
    with pytest.raises(ConfigError, match="rest"):
        build_model(TrainConfig(**network, rest=True), 5)
    with pytest.raises(ConfigError, match="logistic") as caught:
        build_model(TrainConfig(**network, head="additive", initial_head="logistic"), 5)
    assert "initial_head 'random'" in caught.value.cure
