"""Light: what its levels do, that padding is spared, and what training draws."""

import numpy as np
import pytest
import torch

from fieldmark.augment import LIGHTS, TRAINED_LIGHTS, BatchAugment, lighting_series
from fieldmark.augment.lighting import relight
from fieldmark.errors import ConfigError

SIDE = 24


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(params=LIGHTS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_protocol_s_levels_are_these() -> None:
    assert LIGHTS["brightness"].levels == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert LIGHTS["contrast"].levels == (0.4, 0.3, 0.2, 0.1, 0.05)
    assert LIGHTS["gamma"].levels == (0.4, 0.6, 1.5, 2.0, 3.0)
    assert list(LIGHTS) == ["brightness", "contrast", "gamma", "shadow", "temperature"]
    assert set(TRAINED_LIGHTS) < set(LIGHTS)


def test_padding_stays_as_it_is_and_the_picture_changes(kind: str) -> None:
    before = picture()
    window = (0.0, 4.0, 24.0, 16.0)
    levels = LIGHTS[kind].levels
    after = lighting_series(before, window, kind, levels, 0)
    assert after.shape == (len(levels), SIDE, SIDE, 3)
    assert after.dtype == np.uint8
    assert (after[:, :4] == before[:4]).all()
    assert (after[:, 20:] == before[20:]).all()
    assert all((each[4:20] != before[4:20]).any() for each in after)


def test_a_picture_that_was_cut_is_lit_whole(kind: str) -> None:
    whole = lighting_series(picture(), (0, 0, SIDE, SIDE), kind, LIGHTS[kind].levels, 0)
    cut = lighting_series(picture(), (-5.0, 0.0, 40.0, SIDE), kind, LIGHTS[kind].levels, 0)
    assert (whole == cut).all()


def test_the_levels_of_a_shadow_are_one_shadow_and_seeds_are_others() -> None:
    white = np.full((SIDE, SIDE, 3), 255, np.uint8)
    light, deep = (each[..., 0] / 255.0 for each in lighting_series(white, (0, 0, SIDE, SIDE), "shadow", (0.3, 0.9), 7))
    assert np.allclose((1 - light) / 0.3, (1 - deep) / 0.9, atol=0.02)
    other = lighting_series(white, (0, 0, SIDE, SIDE), "shadow", (0.9,), 8)[0]
    assert (other[..., 0] != np.round(255 * deep)).any()


def test_deeper_shadows_and_higher_gammas_are_darker_and_low_kelvins_redder() -> None:
    def means(kind: str) -> np.ndarray:
        return lighting_series(picture(), (0, 0, SIDE, SIDE), kind, LIGHTS[kind].levels, 0).mean((1, 2))  # (L, 3)

    assert (np.diff(means("shadow").mean(1)) < 0).all()
    assert (np.diff(means("gamma").mean(1)) < 0).all()
    assert (np.diff(means("brightness").mean(1)) > 0).all()
    redness = means("temperature")[:, 0] / means("temperature")[:, 2]
    assert (np.diff(redness) < 0).all()
    assert redness[2] > 1.05 > 0.98 > redness[3]


def test_an_unknown_light_lists_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="'gama'") as caught:
        lighting_series(picture(), (0, 0, SIDE, SIDE), "gama", (1.0,), 0)
    assert "'gamma'" in caught.value.cure


def test_training_draws_both_ways_within_its_strength() -> None:
    grey = torch.full((400, 3, 8, 8), 0.5)
    found = relight(grey, 0.5, torch.Generator().manual_seed(0))
    assert found.min() > 0
    assert found.max() <= 1
    green = found[:, 1].flatten(1).amax(1)  # of no colour temperature, and at most outside of the shadow
    low, high = 0.5 ** (3**0.5), 0.5 ** (3**-0.5)
    assert low - 0.3 < green.min() < 0.5 < green.max() <= high + 1e-3
    redder = found[:, 0].mean((1, 2)) / found[:, 2].mean((1, 2))
    assert redder.min() < 0.97
    assert redder.max() > 1.03
    shaded = found.flatten(2).std(2)[:, 1] > 1e-4
    assert 0.35 < shaded.float().mean() < 0.65
    assert torch.allclose(relight(grey, 0.0, torch.Generator()), grey, atol=1e-6)


def test_augmentation_relights_only_when_asked() -> None:
    pixels = torch.full((16, SIDE, SIDE, 3), 128, dtype=torch.uint8)
    plain = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    lit = BatchAugment(SIDE, **plain, lighting=0.8)(pixels, torch.Generator().manual_seed(0))
    assert torch.allclose(BatchAugment(SIDE, **plain)(pixels, torch.Generator()), torch.tensor(128 / 255), atol=1e-5)
    assert lit.mean((1, 2, 3)).std() > 0.05
