"""Every head meets the one contract; a new one is a line in its table."""

import functools
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fieldmark.errors import ConfigError
from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.heads import HEADS, Head, RowHead
from fieldmark.models.parts import EveryCell
from fieldmark.models.pooling import cell_weights, pool_parts
from fieldmark.models.recognizer import Recognizer

B, C, N = 4, 12, 5

ADDITIVE = [name for name, kind in HEADS.items() if kind.additive]
MIXING = [name for name, kind in HEADS.items() if not kind.additive]


def build(name: str, parts: int = 3, seed: int = 0, **options: float) -> nn.Module:
    torch.manual_seed(seed)
    head = HEADS[name](C, parts, N, **options)
    assert isinstance(head, nn.Module)
    return head


def inputs(parts: int = 3, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, parts, C, generator=generator), torch.rand(B, parts, generator=generator)


@pytest.fixture(params=HEADS, ids=list(HEADS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("parts", [1, 2, 7, 35])
def test_evidence_is_a_part_s_or_the_whole_picture_s(name: str, parts: int) -> None:
    head = build(name, parts).eval()
    evidence = head(*inputs(parts))
    assert evidence.shape == (B, parts if head.additive else 1, N)
    assert evidence.isfinite().all()
    if parts > 1:  # a single cell has no covariance
        assert evidence.std() > 0.01


def test_what_is_hidden_adds_nothing(name: str) -> None:
    head = build(name).eval()
    vectors, presence = inputs()
    presence[:, 1] = 0
    changed = vectors.clone()
    changed[:, 1] = 100 * torch.randn(B, C)
    evidence, same = head(vectors, presence), head(changed, presence)
    assert torch.equal(evidence, same)
    if head.additive:
        assert (evidence[:, 1] == 0).all()
    assert (evidence[:, 0] != 0).all()


def test_a_picture_without_any_part_is_finite_and_says_nothing(name: str) -> None:
    head = build(name)
    evidence = head(inputs()[0], torch.zeros(B, 3))
    evidence.sum().backward()
    assert evidence.isfinite().all()
    assert torch.equal(evidence, evidence[:1].expand_as(evidence))  # whatever the picture
    if head.additive:
        assert (evidence == 0).all()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in head.parameters())


@pytest.mark.parametrize("size", [0.0, 1e-12, 1e4])
def test_vectors_of_any_size_give_finite_evidence_and_gradients(name: str, size: float) -> None:
    head = build(name)
    vectors = (size * inputs()[0]).requires_grad_()
    evidence = head(vectors, inputs()[1])
    evidence.square().sum().backward()
    assert evidence.isfinite().all()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())


def test_gradients_reach_every_parameter(name: str) -> None:
    head = build(name, dropout=0.1)
    torch.nn.functional.cross_entropy(head(*inputs()).sum(1), torch.arange(B)).backward()
    silent = [key for key, parameter in head.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert not silent


def test_a_picture_alone_gives_what_it_gives_in_a_batch(name: str) -> None:
    head = build(name).eval()
    vectors, presence = inputs()
    alone = torch.cat([head(vectors[place : place + 1], presence[place : place + 1]) for place in range(B)])
    torch.testing.assert_close(alone, head(vectors, presence), atol=1e-5, rtol=1e-4)


def test_saved_weights_come_back(name: str, tmp_path: Path) -> None:
    head, other = build(name).train(), build(name, seed=5)
    head(*inputs())  # running statistics, where there are some, are no longer those of the beginning
    save_file(head.state_dict(), tmp_path / "head.safetensors")
    assert not torch.equal(head.eval()(*inputs()), other.eval()(*inputs()))
    other.load_state_dict(load_file(tmp_path / "head.safetensors"))
    assert torch.equal(head(*inputs()), other(*inputs()))


def test_bfloat16_gives_nearly_the_same(name: str) -> None:
    head = build(name, 7).eval()
    vectors, presence = inputs(7)
    exact = head(vectors, presence)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = head(vectors.bfloat16(), presence.bfloat16())
    rounded.float().square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())
    torch.testing.assert_close(rounded.float(), exact, atol=0.05, rtol=0.05)


def test_dropout_acts_in_training_only(name: str) -> None:
    head = build(name, dropout=0.5)
    torch.manual_seed(3)
    first, second = head(*inputs()), head(*inputs())
    assert not torch.equal(first, second)
    head.eval()
    assert torch.equal(head(*inputs()), head(*inputs()))


@pytest.mark.parametrize("name", ADDITIVE)
def test_hidden_parts_are_whole_ones_and_the_others_stay_as_they_are(name: str) -> None:
    head = build(name, parts=8, part_dropout=0.4)
    vectors, presence = torch.randn(500, 8, C), torch.rand(500, 8) + 0.1
    torch.manual_seed(0)
    shown = head(vectors, presence)
    whole = head.eval()(vectors, presence)
    hidden = (shown == 0).all(-1)  # (500, 8)
    assert torch.equal(shown[~hidden], whole[~hidden])  # not scaled up
    assert hidden.float().mean().item() == pytest.approx(0.4, abs=0.03)
    assert 0 < hidden[:, 0].float().mean() < 1
    assert not (whole == 0).any()


@pytest.mark.parametrize("name", ADDITIVE)
def test_one_part_always_stays(name: str) -> None:
    head = build(name, parts=2, part_dropout=0.9)
    evidence = head(torch.randn(500, 2, C), torch.ones(500, 2))
    kept = (evidence != 0).any(-1).sum(1)
    assert kept.min() == 1
    assert (kept == 1).float().mean() > 0.9


def test_parts_that_can_t_be_hidden_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"part_dropout 0\.1") as caught:
        HEADS[name](C, 1, N, part_dropout=0.1)
    assert "part_dropout to 0" in caught.value.cure


@pytest.mark.parametrize("name", ADDITIVE)
def test_evidence_is_the_basis_times_the_rows(name: str) -> None:
    head = recognizer_of(name).head
    assert isinstance(head, RowHead)
    vectors, presence = inputs()
    literal = torch.einsum("bkd,knd->bkn", head.basis(vectors, presence), head.class_rows())
    torch.testing.assert_close(literal, head(vectors, presence), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ADDITIVE)
def test_a_class_more_leaves_the_others_as_they_are(name: str) -> None:
    head = recognizer_of(name).head
    assert isinstance(head, RowHead)
    vectors, presence = inputs()
    before, rows = head(vectors, presence), head.class_rows()
    new = torch.randn(len(rows), 1, rows.shape[-1], generator=torch.Generator().manual_seed(4))
    head.replace_rows(torch.cat([rows, new], 1))
    after = head(vectors, presence)
    torch.testing.assert_close(after[..., :-1], before, atol=1e-6, rtol=1e-6)
    added = torch.einsum("bkd,knd->bkn", head.basis(vectors, presence), new)
    torch.testing.assert_close(after[..., -1:], added, atol=1e-5, rtol=1e-5)
    head.replace_rows(rows)
    assert torch.equal(head(vectors, presence), before)


@pytest.mark.parametrize("name", MIXING)
def test_heads_that_mix_have_no_rows(name: str) -> None:
    assert not isinstance(build(name), RowHead)


class Stripes(nn.Module):
    """Three parts and a background, each where a channel of the features is large."""

    names = ("left", "middle", "right")
    background = True

    def forward(self, features: Tensor) -> Tensor:
        return (3 * features[:, :4]).softmax(1)


class Features(nn.Module):
    """A backbone of one layer."""

    feature_dim, stride = C, 8

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, C, 8, 8)

    def forward_features(self, x: Tensor) -> Tensor:
        return self.layer(x)


@functools.cache
def pictures() -> Tensor:
    return torch.randn(B, 3, 40, 24, generator=torch.Generator().manual_seed(2))


def recognizer_of(name: str, *, rest: bool = False) -> Recognizer:
    torch.manual_seed(0)
    kind = HEADS[name]
    head: Head = kind(C, 3 + rest, N)
    recognizer = Recognizer(Features(), Stripes() if kind.additive else EveryCell(), head, N, rest=rest)  # type: ignore[arg-type]
    nn.init.normal_(recognizer.bias)
    for parameter in recognizer.head.parameters():
        nn.init.normal_(parameter)
    return recognizer.eval()


def test_evidence_and_bias_add_up_to_the_logits(name: str) -> None:
    recognizer = recognizer_of(name)
    evidence = recognizer.evidence(pictures())
    torch.testing.assert_close(evidence.sum(1) + recognizer.bias, recognizer(pictures()), atol=1e-5, rtol=0)
    assert evidence.shape[1] == len(recognizer.evidence_names)
    assert recognizer.additive == HEADS[name].additive


@pytest.mark.parametrize("name", ADDITIVE)
@pytest.mark.parametrize("rest", [False, True])
def test_removing_a_part_takes_away_its_evidence_and_no_more(name: str, rest: bool) -> None:
    recognizer = recognizer_of(name, rest=rest)
    found = recognizer.parts_evidence(pictures())
    logits = recognizer.logits_of(found.evidence)
    for part in range(3):
        hidden = found.maps.clone()
        hidden[:, part] = 0
        without = recognizer.logits_of(
            recognizer.evidence_of(recognizer.backbone.forward_features(pictures()), hidden).evidence
        )
        torch.testing.assert_close(logits - without, found.evidence[:, part], atol=1e-5, rtol=1e-5)
        assert found.evidence[:, part].abs().min() > 0


@pytest.mark.parametrize("name", MIXING)
def test_heads_that_mix_say_so(name: str) -> None:
    recognizer = recognizer_of(name)
    assert not recognizer.additive
    assert recognizer.evidence_names == ("whole picture",)
    assert HEADS[name].parts == "cells"


def test_it_is_built_by_its_name_and_takes_odd_pictures(name: str) -> None:
    spec = ModelSpec(BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32)}), N, head=name)
    recognizer = build_recognizer(spec).eval()
    assert type(recognizer.head) is HEADS[name]
    with torch.inference_mode():
        assert recognizer(torch.randn(2, 3, 65, 97)).shape == (2, N)


@pytest.mark.parametrize("name", ADDITIVE)
@pytest.mark.parametrize("rest", [False, True])
def test_cells_add_up_to_the_evidence_of_their_part(name: str, rest: bool) -> None:
    torch.manual_seed(3)
    maps = torch.randn(B, 4, 5, 6).softmax(1)
    maps[0, 1] = 0  # a part that is nowhere
    features, direction = torch.randn(B, C, 5, 6), torch.randn(N)
    head = build(name, 4 if rest else 3).eval()
    for weights in head.parameters():
        torch.nn.init.normal_(weights)
    vectors, presence = pool_parts(features, maps, rest=rest)
    cells = head.cell_evidence(features, cell_weights(maps, rest=rest), presence, direction)
    assert cells.shape == (B, 4 if rest else 3, 5, 6)
    assert torch.allclose(cells.sum((2, 3)), head(vectors, presence) @ direction, atol=1e-4)
    assert (cells[0, 1] == 0).all()
