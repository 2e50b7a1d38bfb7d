"""The terms of part discovery against slow literal versions and known limits."""

import math

import pytest
import torch
from torch.nn import functional

from fieldmark.models.parts import discovery_terms
from fieldmark.models.parts.discovery_terms import (
    DiscoveryWeights,
    absence,
    colour_error,
    discovery_loss,
    entropy,
    equivariance_error,
    feature_error,
    framed,
    hidden_share,
    hollow,
    imbalance,
    photo_places,
    seen_through,
    total_variation,
)
from fieldmark.models.parts.motion import draw_motion

B, K, H, W = 2, 3, 6, 8


def random_maps(seed: int = 0, size: tuple[int, int] = (H, W)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, K + 1, *size, generator=generator).mul(2).softmax(1)


def test_feature_error_is_the_weighted_distance_to_each_parts_mean_of_unit_features() -> None:
    maps = random_maps()
    features = torch.randn(B, 5, H, W, generator=torch.Generator().manual_seed(1))
    total = 0.0
    for b in range(B):
        unit = {(y, x): features[b, :, y, x] / features[b, :, y, x].norm() for y in range(H) for x in range(W)}
        for k in range(K + 1):
            share = {place: float(maps[b, k][place]) for place in unit}
            mean = sum(share[p] * unit[p] for p in unit) / sum(share.values())
            total += sum(share[p] * float((unit[p] - mean).square().sum()) for p in unit)
    assert float(feature_error(features, maps)) == pytest.approx(total / (B * H * W), rel=1e-3)


def test_feature_error_leaves_the_features_alone() -> None:
    features = torch.randn(B, 5, H, W, requires_grad=True)
    maps = random_maps().requires_grad_()
    feature_error(features, maps).backward()
    assert features.grad is None
    assert maps.grad is not None
    assert maps.grad.abs().sum() > 0


def test_the_ring_is_the_wide_gaussian_times_one_minus_the_narrow_one() -> None:
    side = 20
    values = torch.rand(1, 2, side, side, generator=torch.Generator().manual_seed(0))
    far, near = discovery_terms._RING_REACH * side, discovery_terms._RING_HOLE * side
    reach = round(2 * far)
    padded = functional.pad(values, (reach,) * 4, mode="reflect")
    y, x = 9, 11
    expected = torch.zeros(2)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            square = dy * dy + dx * dx
            weight = math.exp(-square / (2 * far**2)) * (1 - math.exp(-square / (2 * near**2)))
            expected += weight * padded[0, :, y + reach + dy, x + reach + dx]
    # The narrow Gaussian is cut off at two deviations: at its edge it has fallen to 2 %.
    assert torch.allclose(discovery_terms._around(values)[0, :, y, x], expected, rtol=0.03)


def two_coloured(side: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    """A square of two colours in the middle of a plain background, and the maps that say so (two parts)."""
    picture = torch.full((1, 3, side, side), -1.0)
    maps = torch.zeros(1, 3, side, side)
    maps[:, 2] = 1
    low, middle, high = side // 4, side // 2, 3 * side // 4
    for k, (left, right, colour) in enumerate(((low, middle, (2.0, 0.0, 0.0)), (middle, high, (0.0, 2.0, 0.0)))):
        picture[0, :, low:high, left:right] = torch.tensor(colour).view(3, 1, 1)
        maps[0, :, low:high, left:right] = 0
        maps[0, k, low:high, left:right] = 1
    return picture, maps


def test_colour_error_is_nothing_for_the_true_parts_and_grows_when_they_are_merged_or_missed() -> None:
    picture, maps = two_coloured()
    true = float(colour_error(picture, maps))
    merged = maps.clone()
    merged[:, 0] += merged[:, 1]
    merged[:, 1] = 0
    missed = torch.zeros_like(maps)
    missed[:, 2] = 1
    assert true == pytest.approx(0, abs=1e-4)
    assert float(colour_error(picture, merged)) > 0.1
    assert float(colour_error(picture, missed)) > 0.1


def test_maps_that_move_with_the_picture_have_no_equivariance_error() -> None:
    maps = random_maps(size=(16, 16))
    mirror = torch.tensor([[-1.0, 0, 0], [0, 1.0, 0]]).expand(B, 2, 3)
    assert float(equivariance_error(maps, maps.flip(-1), mirror)) == pytest.approx(0, abs=1e-10)
    assert float(equivariance_error(maps, maps, mirror)) > 0.01


def test_places_that_the_moved_picture_does_not_show_do_not_count() -> None:
    maps = random_maps(size=(16, 16))
    half_out = torch.tensor([[1.0, 0, 1.0], [0, 1.0, 0]]).expand(B, 2, 3)  # shows the right half on its left
    moved = torch.rand(B, K + 1, 16, 16)
    moved[..., :8] = maps[..., 8:]
    assert float(equivariance_error(maps, moved, half_out)) == pytest.approx(0, abs=1e-10)


def test_total_variation_is_the_mean_step_between_neighbours() -> None:
    maps = random_maps()
    down = sum(
        float((maps[b, k, y + 1, x] - maps[b, k, y, x]).abs())
        for b in range(B)
        for k in range(K + 1)
        for y in range(H - 1)
        for x in range(W)
    ) / (B * (H - 1) * W)
    right = sum(
        float((maps[b, k, y, x + 1] - maps[b, k, y, x]).abs())
        for b in range(B)
        for k in range(K + 1)
        for y in range(H)
        for x in range(W - 1)
    ) / (B * H * (W - 1))
    assert float(total_variation(maps)) == pytest.approx(down + right, rel=1e-5)


def test_entropy_runs_from_nothing_to_that_of_a_fair_draw() -> None:
    sure = torch.zeros(1, 4, 5, 5)
    sure[:, 1] = 1
    assert float(entropy(sure)) == pytest.approx(0, abs=1e-3)
    assert float(entropy(torch.full((1, 4, 5, 5), 0.25))) == pytest.approx(math.log(4), rel=1e-3)


def test_absence_asks_for_each_part_in_half_of_the_pictures() -> None:
    maps = torch.zeros(4, 3, 6, 6)
    maps[:, 2] = 1
    maps[:2, 0, 1:4, 1:4], maps[:2, 2, 1:4, 1:4] = 1, 0  # the first part in two of four pictures, the second nowhere
    assert float(absence(maps)) == pytest.approx(0.5)


def test_imbalance_is_nothing_for_equal_parts_and_log_k_for_one_alone() -> None:
    equal = torch.full((1, 4, 3, 3), 0.25)
    alone = torch.zeros(1, 4, 3, 3)
    alone[:, 0] = 1
    assert float(imbalance(equal)) == pytest.approx(0, abs=1e-3)
    assert float(imbalance(alone)) == pytest.approx(math.log(3), abs=1e-3)


def test_an_object_in_the_middle_of_a_background_pleases_frame_and_centre() -> None:
    maps = torch.zeros(1, 2, 16, 16)
    maps[:, 1] = 1
    maps[:, 0, 4:12, 4:12], maps[:, 1, 4:12, 4:12] = 1, 0
    inside_out = maps.flip(1)
    assert float(framed(maps, photo_places(maps))) == pytest.approx(0, abs=1e-3)
    assert float(hollow(maps, photo_places(maps))) == pytest.approx(0, abs=1e-3)
    assert float(framed(inside_out, photo_places(inside_out))) > 5
    assert float(hollow(inside_out, photo_places(inside_out))) > 5


def test_frame_and_centre_are_those_of_the_photo_not_of_the_cut() -> None:
    background = torch.zeros(1, 2, 16, 16)
    background[:, 1] = 1
    halves = {"inner": (0.5, 0.0), "upper left": (0.5, -0.5)}
    thetas = {name: torch.tensor([[[s, 0, at], [0, s, at]]]) for name, (s, at) in halves.items()}
    places = {name: photo_places(background, theta) for name, theta in thetas.items()}
    nothing = background.flip(1)
    assert float(framed(nothing, places["inner"])) == 0  # the cut shows nothing of the frame
    assert float(framed(nothing, places["upper left"])) > 5
    maps = background.clone()
    maps[:, :, 4:, 4:] = nothing[:, :, 4:, 4:]  # the object goes on beyond the cut
    assert float(framed(maps, places["upper left"])) == pytest.approx(0, abs=1e-3)
    assert float(hollow(background, places["inner"])) > 5
    assert float(hollow(maps, places["upper left"])) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("side", [3, 6, 16, 40])
def test_the_frame_of_a_whole_photo_is_a_ring_of_cells(side: int) -> None:
    maps = torch.zeros(1, 2, side, side)
    maps[:, 0] = 1
    wide = max(1, round(side / 16))
    maps[:, :, wide : side - wide, wide : side - wide] = maps[:, :, wide : side - wide, wide : side - wide].flip(1)
    assert float(framed(maps, photo_places(maps))) == pytest.approx(-math.log(1e-4), rel=1e-3)
    assert float(framed(maps.flip(1), photo_places(maps))) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (6, 6)])
def test_equivariance_is_as_exact_under_autocast_as_without(size: tuple[int, int]) -> None:
    maps, moved = random_maps(size=size), random_maps(size=size).flip(0)
    theta = draw_motion(len(maps), torch.Generator().manual_seed(4))
    with torch.autocast("cpu", torch.bfloat16):
        found = equivariance_error(maps.bfloat16(), moved, theta.bfloat16())
        exact = equivariance_error(maps.bfloat16(), moved, theta.bfloat16().float())
    assert float(found) == float(exact)
    assert found.dtype == torch.float32


def test_what_is_covered_is_background_and_no_reproach_to_the_centre() -> None:
    maps = torch.zeros(1, 2, 16, 16)
    maps[:, 0] = 1  # all object
    covered = torch.zeros(1, 64, 64, dtype=torch.bool)
    covered[:, :, 32:] = True  # of which the right half is hidden
    hidden = hidden_share(covered, maps)
    assert torch.equal(hidden, torch.cat([torch.zeros(1, 16, 8), torch.ones(1, 16, 8)], 2))
    assert float(seen_through(maps, hidden)) == pytest.approx(-math.log(1e-4), rel=1e-3)
    maps[:, :, :, 8:] = maps[:, :, :, 8:].flip(1)  # now the hidden half is background
    assert float(seen_through(maps, hidden)) == pytest.approx(0, abs=1e-3)
    assert float(hollow(maps, photo_places(maps))) > 2  # half of the disc is background
    assert float(hollow(maps, photo_places(maps), hidden)) == pytest.approx(0, abs=1e-3)
    assert float(seen_through(maps, torch.zeros_like(hidden))) == 0  # nothing is covered


def test_the_term_of_what_is_hidden_is_there_only_with_an_occluder() -> None:
    maps, features = random_maps(size=(4, 4)), torch.randn(B, 5, 4, 4)
    pictures, covered = torch.randn(B, 3, 32, 32), torch.zeros(B, 32, 32, dtype=torch.bool)
    covered[0, :16] = True
    assert "hidden" not in discovery_loss(pictures, features, maps, DiscoveryWeights())[1]
    assert float(discovery_loss(pictures, features, maps, DiscoveryWeights(), covered)[1]["hidden"]) > 0


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 7)])
def test_the_sum_is_the_weighted_terms_at_any_size(size: tuple[int, int]) -> None:
    maps = random_maps(size=size)
    pictures = torch.randn(B, 3, 64, 80, generator=torch.Generator().manual_seed(2))
    features = torch.randn(B, 5, *size, generator=torch.Generator().manual_seed(3))
    weights = DiscoveryWeights(colours=0.5, presence=2.0)
    loss, terms = discovery_loss(pictures, features, maps, weights)
    expected = sum(getattr(weights, name) * float(term) for name, term in terms.items())
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert math.isfinite(float(loss))
