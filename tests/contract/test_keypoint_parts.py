"""Keypoint parts meet the contract of part learners on maps of any size and in any kind of batch."""

import pytest
import torch

from fieldmark.errors import ConfigError
from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.parts import KeypointParts, PartsSpec, build_parts

NAMES = ("beak", "left eye", "right eye", "tail")
K, C = len(NAMES), 6
SPEC = PartsSpec("keypoints", names=NAMES, width=8)


@pytest.fixture
def parts() -> KeypointParts:
    torch.manual_seed(0)
    built = build_parts(SPEC, C)
    assert isinstance(built, KeypointParts)
    return built


def test_the_names_are_those_of_the_keypoints(parts: KeypointParts) -> None:
    assert parts.names == NAMES


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (8, 3)])
def test_shares_are_positive_and_add_up_to_one(parts: KeypointParts, size: tuple[int, int]) -> None:
    maps = parts(torch.randn(3, C, *size))
    assert maps.shape == (3, K + 1, *size)
    assert (maps >= 0).all()
    assert torch.allclose(maps.sum(1), torch.ones(3, *size), atol=1e-5)


def test_shares_of_half_precision_features_add_up_to_one(parts: KeypointParts) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        maps = parts(torch.randn(3, C, 5, 5))
    assert torch.allclose(maps.sum(1).double(), torch.ones(3, 5, 5, dtype=torch.float64), atol=1e-5)


def test_gradients_reach_the_features_and_every_weight(parts: KeypointParts) -> None:
    features = torch.randn(3, C, 5, 5, requires_grad=True)
    loss, _ = parts.loss(
        parts(features), torch.rand(3, K, 2), torch.ones(3, K, dtype=torch.bool), torch.ones(3, dtype=torch.bool)
    )
    loss.backward()
    assert features.grad is not None
    assert features.grad.abs().sum() > 0
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in parts.parameters())


def test_a_picture_is_seen_the_same_in_any_batch(parts: KeypointParts) -> None:
    features = torch.randn(4, C, 5, 6)
    with torch.no_grad():
        parts(features)  # running statistics of their own
        parts.eval()
        assert torch.allclose(parts(features)[2:3], parts(features[2:3]), atol=1e-6)


def test_weights_come_back(parts: KeypointParts) -> None:
    features = torch.randn(2, C, 5, 5)
    again = build_parts(SPEC, C)
    assert isinstance(again, KeypointParts)
    again.load_state_dict(parts.state_dict())
    assert torch.equal(again.eval()(features), parts.eval()(features))


def test_the_recogniser_adds_up_the_keypoints_evidence() -> None:
    backbone = BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32), "output_stride": 8})
    recognizer = build_recognizer(ModelSpec(backbone, 5, parts=SPEC)).eval()
    x = torch.randn(2, 3, 64, 64)
    found = recognizer.parts_evidence(x)
    assert recognizer.evidence_names == NAMES
    assert found.maps.shape == (2, K + 1, 8, 8)
    assert found.evidence.shape == (2, K, 5)
    assert torch.allclose(recognizer(x), found.evidence.sum(1) + recognizer.bias, atol=1e-5)


def test_without_keypoints_the_error_names_the_cure() -> None:
    with pytest.raises(ConfigError, match="no keypoints") as caught:
        build_parts(PartsSpec("keypoints"), C)
    assert caught.value.cure
    with pytest.raises(ConfigError, match="0 channels"):
        build_parts(PartsSpec("keypoints", names=NAMES, width=0), C)
