"""Every part learner meets the one contract; a new one is a line in its table."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fieldmark.errors import ConfigError
from fieldmark.models.parts import PARTS, PartsSpec, build_parts
from fieldmark.models.pooling import pool_parts

B, C = 3, 16
NAMES = ("head", "wing", "tail", "beak", "foot")


@pytest.fixture(params=PARTS, ids=list(PARTS))
def learner(request: pytest.FixtureRequest) -> nn.Module:
    return build(request.param)


def build(name: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    learner = build_parts(PartsSpec(name, NAMES), C)
    assert isinstance(learner, nn.Module)
    return learner


def features(height: int = 7, width: int = 5) -> Tensor:
    return torch.randn(B, C, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 5), (1, 9), (1, 1)])
def test_maps_are_shares_of_every_cell(learner: nn.Module, height: int, width: int) -> None:
    maps = learner.eval()(features(height, width))
    parts = len(learner.names) or height * width
    assert maps.shape == (B, parts + 1, height, width)
    assert maps.min() >= 0
    torch.testing.assert_close(maps.sum(1), torch.ones(B, height, width))


def test_only_a_learner_with_a_background_leaves_some(learner: nn.Module) -> None:
    background = learner.eval()(features())[:, -1]
    assert bool(background.any()) == learner.background


def test_a_picture_alone_gives_what_it_gives_in_a_batch(learner: nn.Module) -> None:
    learner.eval()
    x = features()
    alone = torch.cat([learner(one[None]) for one in x])
    torch.testing.assert_close(alone, learner(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 1), (2, 2), (5, 3)])
def test_gradients_are_numbers_in_bfloat16_at_any_size(learner: nn.Module, height: int, width: int) -> None:
    learner.to(memory_format=torch.channels_last)
    for _ in range(5):
        # Memory that is given back full of NaN shows whether anything is read that was never written.
        junk = [torch.full((64, 64, 3, 3), torch.nan) for _ in range(4)]
        del junk
        with torch.autocast("cpu", torch.bfloat16):
            maps = learner(features(height, width))
        if list(learner.parameters()):
            (maps.float() * torch.randn(maps.shape)).sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in learner.parameters())


def test_gradients_reach_every_parameter(learner: nn.Module) -> None:
    maps = learner(features())
    parameters = dict(learner.named_parameters())
    if parameters:
        (maps * torch.randn_like(maps)).sum().backward()
    silent = [name for name, parameter in parameters.items() if parameter.grad is None or not parameter.grad.any()]
    assert not silent


def test_saved_weights_come_back(learner: nn.Module, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    save_file(learner.state_dict(), tmp_path / "parts.safetensors")
    other = build(request.node.callspec.params["learner"], seed=5)
    other.load_state_dict(load_file(tmp_path / "parts.safetensors"))
    assert torch.equal(learner.eval()(features()), other.eval()(features()))


def test_bfloat16_gives_maps_too(learner: nn.Module) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = learner(features().bfloat16())
        vectors, presence = pool_parts(features().bfloat16(), maps)
    torch.testing.assert_close(maps.float().sum(1), torch.ones(B, 7, 5), atol=0.02, rtol=0)
    assert vectors.isfinite().all()
    assert ((presence >= 0) & (presence <= 1)).all()


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="part learner") as caught:
        build_parts(PartsSpec("hole"), C)
    assert all(name in caught.value.cure for name in PARTS)
