"""Linked keypoints against literal geometry."""

import math

import pytest
import torch

from fieldmark.errors import ConfigError
from fieldmark.models.parts.linked_keypoints import LinkedKeypoints, draw_bumps, draw_links

SIDE = 16


def middle(index: int) -> float:
    return (index + 0.5) * 2 / SIDE - 1


def distance_to_segment(x: float, y: float, start: tuple[float, float], end: tuple[float, float]) -> float:
    """Search the segment in small steps."""
    steps = [step / 2000 for step in range(2001)]
    return min(
        math.hypot(x - start[0] - step * (end[0] - start[0]), y - start[1] - step * (end[1] - start[1]))
        for step in steps
    )


def test_every_place_shows_its_strongest_link() -> None:
    keypoints = torch.tensor([[[-0.6, -0.5], [0.7, -0.2], [0.1, 0.8]]])
    pairs, weights, thickness = torch.tensor([[0, 0, 1], [1, 2, 2]]), torch.tensor([1.0, 0.5, 0.0]), 0.15
    drawn = draw_links(keypoints, pairs, weights, SIDE, thickness)
    points = [tuple(point) for point in keypoints[0].tolist()]
    for row, column in ((0, 0), (3, 5), (8, 8), (12, 9), (15, 2), (6, 13)):
        expected = max(
            float(weight)
            * math.exp(-(distance_to_segment(middle(column), middle(row), points[a], points[b]) ** 2) / thickness**2)
            for a, b, weight in zip(*pairs.tolist(), weights, strict=True)
        )
        assert float(drawn[0, 0, row, column]) == pytest.approx(expected, abs=1e-3)


def test_a_link_between_keypoints_in_one_place_is_a_dot() -> None:
    keypoints = torch.zeros(1, 2, 2)
    drawn = draw_links(keypoints, torch.tensor([[0], [1]]), torch.ones(1), SIDE, 0.2)[0, 0]
    assert torch.isfinite(drawn).all()
    assert torch.allclose(drawn, drawn.flip(0))
    assert torch.allclose(drawn, drawn.T)


def test_a_bump_is_highest_at_its_keypoint() -> None:
    keypoints = torch.tensor([[[middle(3), middle(12)], [middle(9), middle(2)]]])
    bumps = draw_bumps(keypoints, (SIDE, SIDE))
    assert [divmod(int(bump.argmax()), SIDE) for bump in bumps[0]] == [(12, 3), (2, 9)]
    assert bumps.amax((2, 3)).tolist() == [[1.0, 1.0]]


def test_keypoints_are_the_means_of_their_heat_maps() -> None:
    torch.manual_seed(0)
    parts = LinkedKeypoints(4, ("a", "b"), width=8).eval()
    features = torch.randn(2, 4, 6, 9)
    with torch.no_grad():
        heat = parts.heat(parts.context(features))
        located = parts.locate(features)
    for b in range(2):
        for k in range(2):
            shares = heat[b, k].flatten().softmax(0).view(6, 9)
            x = sum(float(shares[i, j]) * ((j + 0.5) * 2 / 9 - 1) for i in range(6) for j in range(9))
            y = sum(float(shares[i, j]) * ((i + 0.5) * 2 / 6 - 1) for i in range(6) for j in range(9))
            assert located[b, k].tolist() == pytest.approx([x, y], abs=1e-5)


def test_one_keypoint_makes_no_skeleton() -> None:
    with pytest.raises(ConfigError, match="two keypoints"):
        LinkedKeypoints(4, ("a",))
