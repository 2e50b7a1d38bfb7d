"""Moving pictures and their maps along."""

import torch

from fieldmark.models.parts import equivariance_error
from fieldmark.models.parts.motion import draw_motion, move, recolour


def test_a_generator_decides_the_motion() -> None:
    first, second = (draw_motion(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.shape == (5, 2, 3)
    assert torch.equal(first, second)
    assert not torch.equal(first, draw_motion(5, torch.Generator().manual_seed(4)))


def test_half_of_the_motions_mirror() -> None:
    determinants = torch.linalg.det(draw_motion(400, torch.Generator().manual_seed(0))[:, :, :2])
    assert 140 < int((determinants < 0).sum()) < 260


def test_maps_that_are_made_of_the_colours_move_with_the_pictures() -> None:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(3, 3, 6, 6, generator=generator)
    pictures = torch.nn.functional.interpolate(coarse, (64, 64), mode="bilinear")
    theta = draw_motion(3, generator)
    right = equivariance_error(pictures, move(pictures, theta), theta)
    wrong = equivariance_error(pictures, move(pictures, theta.roll(1, 0)), theta)
    assert float(right) < 1e-3
    assert float(wrong) > 20 * float(right)


def test_recolouring_changes_whole_channels() -> None:
    plain = torch.ones(2, 3, 4, 4)
    changed = recolour(plain, torch.Generator().manual_seed(0))
    assert torch.equal(changed, changed[..., :1, :1].expand_as(changed))
    assert len(changed[..., 0, 0].unique()) == 6
