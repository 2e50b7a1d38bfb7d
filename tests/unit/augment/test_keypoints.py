"""Keypoints move with their pictures: a dot is painted, the picture augmented, and the dot looked for."""

import pytest
import torch
from torch.nn import functional

from fieldmark.augment import BatchAugment, move_keypoints, side_partners, uncovered

SIDE, BATCH = 64, 16
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def dots(places: torch.Tensor) -> torch.Tensor:
    """Paint one smooth white dot for each place (B, 2) in 0..1, on black pictures (B, SIDE, SIDE, 3)."""
    middles = (torch.arange(SIDE) + 0.5) / SIDE
    across = (middles - places[:, :1]) ** 2
    down = (middles - places[:, 1:]) ** 2
    light = torch.exp(-(down.unsqueeze(2) + across.unsqueeze(1)) * SIDE**2 / 2)
    return (255 * light).round().to(torch.uint8).unsqueeze(3).expand(-1, -1, -1, 3).contiguous()


@pytest.mark.parametrize("resolution", [48, 24])
def test_the_dot_is_where_the_keypoint_went(resolution: int) -> None:
    augment = BatchAugment(resolution, **PLAIN, crop_scale=0.2, rotation=30)
    middles = torch.arange(resolution) + 0.5
    found = lost = 0
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        # Far enough from the edge that no reflected dot is seen.
        places = 0.3 + 0.4 * torch.rand(BATCH, 2, generator=generator)
        x, theta, _ = augment.drawn(dots(places), generator)
        moved, seen = move_keypoints(places.unsqueeze(1), torch.ones(BATCH, 1, dtype=torch.bool), theta, (0,))
        light = x[:, 0]
        amount = light.sum((1, 2)).clamp_min(1e-6)
        centre = torch.stack([light.sum(1) @ middles, light.sum(2) @ middles], 1) / amount.unsqueeze(1)
        edge = torch.minimum(moved[:, 0], 1 - moved[:, 0]).amin(1)  # negative: outside
        whole, gone = edge > 0.1, edge < -0.1
        assert (centre - moved[:, 0] * resolution)[whole].abs().max() < 1
        assert seen[whole].all()
        assert not seen[gone].any()
        assert light[gone].sum() < 0.1
        found, lost = found + int(whole.sum()), lost + int(gone.sum())
    assert found > 100
    assert lost > 3


def test_drawing_gives_the_same_pictures_as_calling() -> None:
    pixels = torch.randint(0, 256, (4, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    augment = BatchAugment(32, (0.5,) * 3, (0.2,) * 3, crop_scale=0.5, rotation=20, color=0.4)
    states = [torch.Generator().manual_seed(3) for _ in range(2)]
    called = augment(pixels, states[0])
    drawn = augment.drawn(pixels, states[1]).pictures
    assert torch.equal(called, drawn)
    assert torch.equal(states[0].get_state(), states[1].get_state())


def test_the_geometry_told_is_the_one_applied() -> None:
    pixels = torch.randint(0, 256, (4, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    x, theta, covered = BatchAugment(48, **PLAIN, crop_scale=0.5, rotation=20).drawn(
        pixels, torch.Generator().manual_seed(0)
    )
    grid = functional.affine_grid(theta, [4, 3, 48, 48], align_corners=False)
    again = functional.grid_sample(
        pixels.permute(0, 3, 1, 2).float() / 255, grid, padding_mode="reflection", align_corners=False
    )
    assert torch.allclose(x, again, atol=1e-6)
    assert covered is None


def test_a_keypoint_behind_something_is_not_seen() -> None:
    covered = torch.zeros(2, 10, 10, dtype=torch.bool)
    covered[0, 3, 7] = True  # row 3, column 7
    positions = torch.tensor([[0.75, 0.35], [0.35, 0.75], [1.0, 1.0]]).expand(2, 3, 2)
    visible = torch.tensor([[True, True, False], [True, True, True]])
    assert uncovered(positions, visible, covered).tolist() == [[False, True, False], [True, True, True]]


def test_mirrored_pictures_swap_left_and_right() -> None:
    names = ("left eye", "tail", "right eye")
    positions = torch.tensor([[[0.2, 0.3], [0.9, 0.5], [0.4, 0.3]]]).expand(2, 3, 2)
    visible = torch.tensor([[True, True, False]]).expand(2, 3)
    same, mirror = torch.tensor([[1.0, 0, 0], [0, 1, 0]]), torch.tensor([[-1.0, 0, 0], [0, 1, 0]])
    moved, seen = move_keypoints(positions, visible, torch.stack([same, mirror]), side_partners(names))
    assert torch.allclose(moved[0], positions[0])
    assert torch.allclose(moved[1], torch.tensor([[0.6, 0.3], [0.1, 0.5], [0.8, 0.3]]))
    assert seen.tolist() == [[True, True, False], [False, True, True]]


@pytest.mark.parametrize(
    ("names", "partners"),
    [
        (("left eye", "right eye", "tail"), (1, 0, 2)),
        (("Right_Wing", "beak", "left_wing"), (2, 1, 0)),
        (("eye (left)", "eye (right)"), (1, 0)),
        (("left leg", "right wing"), (0, 1)),  # whose partners have no name
        (("bright spot", "cleft"), (0, 1)),  # words that only contain a side
        ((), ()),
    ],
)
def test_partners_differ_only_in_the_side(names: tuple[str, ...], partners: tuple[int, ...]) -> None:
    assert side_partners(names) == partners
