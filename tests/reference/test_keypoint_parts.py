"""Heat maps, their loss and the places read from them, against literal loops and known limits."""

import math

import pytest
import torch

from fieldmark.models.parts import KeypointParts, keypoint_maps, locate

K, H, W, SIGMA = 3, 5, 7, 0.7
NAMES = ("a", "b", "c")


def learner() -> KeypointParts:
    torch.manual_seed(0)
    return KeypointParts(4, NAMES, width=8)


def literal_maps(positions: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    maps = torch.zeros(len(positions), K + 1, H, W)
    for b in range(len(positions)):
        for row in range(H):
            for column in range(W):
                bumps = []
                for k in range(K):
                    x, y = (positions[b, k] * torch.tensor([W, H])).tolist()
                    squared = (column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2
                    bumps.append(math.exp(-squared / (2 * SIGMA**2)) if visible[b, k] else 0.0)
                total = max(1.0, sum(bumps))
                for k in range(K):
                    maps[b, k, row, column] = bumps[k] / total
                maps[b, K, row, column] = 1 - sum(bumps) / total
    return maps


def literal_loss(maps: torch.Tensor, positions: torch.Tensor, visible: torch.Tensor, annotated: torch.Tensor) -> float:
    area = K * 2 * math.pi * SIGMA**2
    weight = math.sqrt((H * W - area) / area)
    wanted = literal_maps(positions, visible)
    losses = []
    for b in range(len(maps)):
        if not annotated[b]:
            continue
        total = amount = 0.0
        for row in range(H):
            for column in range(W):
                for k in range(K + 1):
                    share = float(wanted[b, k, row, column]) * (weight if k < K else 1)
                    total -= share * math.log(maps[b, k, row, column])
                    amount += share
        presence = 0.0
        for k in range(K):
            largest = float(maps[b, k].max())
            presence -= math.log(largest if visible[b, k] else 1 - largest) / K
        losses.append(total / amount + 0.5 * presence)
    return sum(losses) / len(losses)


@pytest.fixture
def sample() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    maps = torch.randn(4, K + 1, H, W).softmax(1)
    visible = torch.tensor([[True, True, True], [True, False, True], [False, False, False], [True, True, False]])
    return maps, torch.rand(4, K, 2), visible


def test_the_maps_are_the_literal_bumps(sample: tuple[torch.Tensor, ...]) -> None:
    _, positions, visible = sample
    positions[3] = torch.tensor([0.4, 0.6])  # keypoints on one spot share it
    maps = keypoint_maps(positions, visible, (H, W), SIGMA)
    assert torch.allclose(maps, literal_maps(positions, visible), atol=1e-5)
    assert torch.allclose(maps.sum(1), torch.ones(4, H, W), atol=1e-6)
    assert maps.min() >= 0
    assert (maps[2, K] == 1).all()


def test_the_loss_is_the_literal_one(sample: tuple[torch.Tensor, ...]) -> None:
    maps, positions, visible = sample
    for annotated in ([True] * 4, [True, False, True, False]):
        mask = torch.tensor(annotated)
        loss, terms = learner().loss(maps, positions, visible, mask)
        assert float(loss) == pytest.approx(literal_loss(maps, positions, visible, mask), rel=1e-5)
        assert float(terms["keypoint_maps"] + 0.5 * terms["keypoint_presence"]) == pytest.approx(float(loss), rel=1e-5)


def test_the_loss_of_equal_shares_is_that_of_guessing() -> None:
    parts = learner()
    maps = torch.full((2, K + 1, H, W), 1 / (K + 1))
    visible = torch.tensor([[True] * K, [False] * K])
    loss, _ = parts.loss(maps, torch.rand(2, K, 2), visible, torch.tensor([True, True]))
    assert float(loss) == pytest.approx(parts.guessing_loss, rel=1e-5)


def test_pictures_without_annotation_contribute_nothing(sample: tuple[torch.Tensor, ...]) -> None:
    maps, positions, visible = sample
    annotated = torch.tensor([True, False, True, False])
    maps.requires_grad_()
    loss, _ = learner().loss(maps, positions, visible, annotated)
    loss.backward()
    alone, _ = learner().loss(maps[annotated], positions[annotated], visible[annotated], annotated[annotated])
    assert torch.allclose(loss, alone)
    assert (maps.grad[~annotated] == 0).all()
    assert (maps.grad[annotated] != 0).any()
    nothing, _ = learner().loss(maps, positions, visible, torch.zeros(4, dtype=torch.bool))
    assert nothing == 0


def test_the_loss_of_certain_mistakes_is_finite() -> None:
    maps = torch.zeros(1, K + 1, H, W)
    maps[:, 0] = 1  # all of it is part a, which isn't there
    maps.requires_grad_()
    loss, _ = learner().loss(maps, torch.rand(1, K, 2), torch.tensor([[False, True, True]]), torch.tensor([True]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(maps.grad).all()


def test_places_are_found_finer_than_a_cell() -> None:
    generator = torch.Generator().manual_seed(0)
    cells = 1.5 + torch.rand(64, 1, 2, generator=generator) * torch.tensor([9.0, 5.0])  # away from the edges
    positions = cells / torch.tensor([12.0, 8.0])
    maps = keypoint_maps(positions, torch.ones(64, 1, dtype=torch.bool), (8, 12), SIGMA)
    found = locate(maps)
    assert ((found[..., :2] - positions) * torch.tensor([12.0, 8.0])).abs().max() < 0.1
    assert torch.equal(found[..., 2], maps[:, :1].flatten(2).amax(-1))


def test_bumps_of_fine_maps_are_a_share_of_the_side() -> None:
    generator = torch.Generator().manual_seed(0)
    positions, seen = 0.2 + 0.6 * torch.rand(64, 1, 2, generator=generator), torch.ones(64, 1, dtype=torch.bool)
    maps = torch.randn(64, 2, 32, 32, generator=generator).softmax(1)
    wanted = 0.04 * 32

    def loss(sigma: float) -> torch.Tensor:
        parts = KeypointParts(4, ("a",), width=8, sigma=sigma)
        return parts.loss(maps, positions, seen, torch.ones(64, dtype=torch.bool))[0]

    assert torch.equal(loss(SIGMA), loss(wanted))
    assert not torch.isclose(loss(wanted), loss(2 * wanted))
    found = locate(keypoint_maps(positions, seen, (32, 32), wanted))
    assert ((found[..., :2] - positions) * 32).abs().max() < 0.1


def test_where_a_keypoint_is_may_hang_on_what_lies_far_away() -> None:
    torch.manual_seed(0)
    parts = KeypointParts(4, ("a",), width=8).eval()
    features = torch.zeros(1, 4, 16, 16)
    elsewhere = features.clone()
    elsewhere[:, :, 14:, 14:] = 3.0
    with torch.no_grad():
        assert not torch.allclose(parts(features)[..., 2, 2], parts(elsewhere)[..., 2, 2], atol=1e-4)


def test_a_second_bump_far_away_does_not_pull() -> None:
    maps = torch.zeros(1, 2, 9, 9)
    maps[0, 0, 1, 1], maps[0, 0, 7, 7] = 0.9, 0.8
    assert torch.allclose(locate(maps), torch.tensor([[[1.5 / 9, 1.5 / 9, 0.9]]]))


def test_keypoints_are_learned_from_features_that_show_them() -> None:
    torch.manual_seed(0)
    parts = KeypointParts(K, NAMES, width=16)
    optimizer = torch.optim.Adam(parts.parameters(), 0.02)

    def draw() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        positions, visible = 0.1 + 0.8 * torch.rand(16, K, 2), torch.rand(16, K) < 0.7
        return (
            keypoint_maps(positions, visible, (8, 8), 1.0)[:, :K] + 0.05 * torch.randn(16, K, 8, 8),
            positions,
            visible,
        )

    for _ in range(60):
        features, positions, visible = draw()
        loss, _ = parts.loss(parts(features), positions, visible, torch.ones(16, dtype=torch.bool))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    features, positions, visible = draw()
    with torch.no_grad():
        found = locate(parts.eval()(features))
    distance = ((found[..., :2] - positions) * 8).norm(dim=-1)[visible]
    assert distance.mean() < 0.75
    confidence = found[..., 2]
    assert confidence[visible].mean() > confidence[~visible].mean() + 0.3
