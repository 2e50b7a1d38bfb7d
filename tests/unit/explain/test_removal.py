import numpy as np
import pytest
import torch
from scipy import ndimage

from fieldmark.errors import ConfigError
from fieldmark.explain.removal import FILLS, inpaint, removal_effects, removed_mask
from part_stand_ins import SIDE, colour_reader


def noise(side: int = SIDE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def region(side: int = SIDE) -> np.ndarray:
    mask = np.zeros((side, side), np.bool_)
    mask[10:30, 20:35] = True
    mask[5:10, 25:28] = True
    return mask


EVERYWHERE = np.ones((SIDE, SIDE), np.bool_)


@pytest.fixture(params=FILLS)
def fill(request: pytest.FixtureRequest) -> str:
    return request.param


def test_only_the_region_changes(fill: str) -> None:
    before = noise()
    after = FILLS[fill](before, region(), EVERYWHERE)
    assert after.dtype == np.uint8
    assert (after[~region()] == before[~region()]).all()
    assert (after[region()] != before[region()]).any(1).mean() > 0.9


def test_what_was_removed_leaves_no_trace(fill: str) -> None:
    first, second = noise(), noise()
    second[region()] = 255 - second[region()]
    assert (FILLS[fill](first, region(), EVERYWHERE) == FILLS[fill](second, region(), EVERYWHERE)).all()


def test_padding_does_not_bleed_in(fill: str) -> None:
    inside = EVERYWHERE.copy()
    inside[:, :25] = False  # the region reaches into it
    first, second = noise(), noise()
    second[~inside] = 0
    fills = [FILLS[fill](picture, region(), inside)[region()] for picture in (first, second)]
    assert (fills[0] == fills[1]).all()


def test_one_colour_stays_that_colour(fill: str) -> None:
    plain = np.full((SIDE, SIDE, 3), (30, 120, 200), np.uint8)
    hole = plain.copy()
    hole[region()] = 255
    assert (FILLS[fill](hole, region(), EVERYWHERE) == plain).all()


def test_a_picture_that_goes_as_a_whole_becomes_neutral(fill: str) -> None:
    after = FILLS[fill](noise(), EVERYWHERE, EVERYWHERE)
    assert (after == after[0, 0]).all()


def test_a_region_far_from_anything_known_is_filled_too(fill: str) -> None:
    inside = np.zeros((SIDE, SIDE), np.bool_)
    inside[0, 0] = True
    mask = ~inside
    picture = noise()
    after = FILLS[fill](picture, mask, inside | mask)
    assert np.abs(after[mask].astype(int) - picture[0, 0].astype(int)).max() <= 1


def test_inpainting_solves_laplaces_equation() -> None:
    """Between a black and a white edge the solution is the straight line."""
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[40:] = 252
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[28:40] = True  # twelve rows, over the whole width: no other edge
    column = inpaint(picture, mask, EVERYWHERE)[28:40, 30, 0].astype(float)
    assert column == pytest.approx(252 * np.arange(1, 13) / 13, abs=3)


def test_what_is_removed_is_a_little_more_than_the_region_but_no_padding() -> None:
    inside = EVERYWHERE.copy()
    inside[:10] = False
    removed = removed_mask(region(), inside)
    assert (removed == (ndimage.binary_dilation(region()) & inside)).all()  # one pixel of 64
    assert not removed_mask(np.zeros_like(inside), inside).any()


def test_the_measured_change_is_that_of_the_recognisers_answer(fill: str) -> None:
    reader, picture = colour_reader(), noise()
    masks = np.stack([region(), region()[::-1, ::-1]])
    effects = removal_effects(reader, picture, masks, EVERYWHERE, (0, 2), fill=fill, places=0)
    for mask, measured in zip(masks, effects.measured, strict=True):
        before, after = reader.logits(np.stack([picture, FILLS[fill](picture, mask, EVERYWHERE)]))
        assert measured == pytest.approx((after[0] - after[2]) - (before[0] - before[2]), abs=1e-5)
    assert np.isnan(effects.elsewhere).all()


def test_removing_what_decides_costs_more_than_removing_as_much_elsewhere() -> None:
    """Only red in the top left speaks for the first class, and it sits in one spot."""
    weight = torch.zeros(4, 3, 3)
    weight[0, 0, 0] = 50.0
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[8:16, 8:16, 0] = 255
    spot = picture[:, :, 0] > 0
    effects = removal_effects(colour_reader(weight), picture, spot[None], EVERYWHERE, (0, 1))
    share = 0.9 * 64 / 1024  # presence times the spot's share of the quadrant
    assert effects.measured[0] == pytest.approx(-50 * share, rel=0.02)
    assert abs(effects.elsewhere[0]) < 0.1 * abs(effects.measured[0])


def test_an_unknown_fill_names_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="fill 'paint'") as caught:
        removal_effects(colour_reader(), noise(), region()[None], EVERYWHERE, (0, 1), fill="paint")
    assert "blur, inpaint" in caught.value.cure
