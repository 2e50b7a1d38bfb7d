"""Occluders: what share of what place they cover, and that chance belongs to the picture."""

import itertools

import numpy as np
import pytest
import torch

from fieldmark.augment import FRACTIONS, OCCLUDERS, BatchAugment, Occlusion, occlusion_series, picture_seed
from fieldmark.augment.occlusion import lay, occlude
from fieldmark.errors import ConfigError
from fieldmark.records import OCCLUDER_NAMES

SIDE = 64
BOX = np.array([0.25, 0.125, 0.5, 0.75], np.float32)  # columns 16 to 47, rows 8 to 55
INSIDE = np.zeros((SIDE, SIDE), np.bool_)
INSIDE[8:56, 16:48] = True


def picture(seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return coarse.repeat(SIDE // 8, 0).repeat(SIDE // 8, 1)


def ranked(kind: str, box: np.ndarray = BOX, seed: int = 0) -> tuple[np.ndarray, ...]:
    """The masks at all fractions, as the protocol's own cover tells them."""
    x = torch.from_numpy(picture()).permute(2, 0, 1).unsqueeze(0) / 255
    cover = lay(x, torch.from_numpy(box).view(1, 4), kind, torch.Generator().manual_seed(seed))
    return tuple(cover.mask(torch.tensor([fraction]))[0].numpy() for fraction in FRACTIONS)


@pytest.fixture(params=OCCLUDERS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_table_draws_every_name_that_options_know() -> None:
    assert tuple(OCCLUDERS) == OCCLUDER_NAMES


def test_exactly_the_share_of_the_box_is_covered_and_nothing_beside_it(kind: str) -> None:
    masks = ranked(kind)
    assert [int(mask.sum()) for mask in masks] == [round(fraction * INSIDE.sum()) for fraction in FRACTIONS]
    assert not (masks[-1] & ~INSIDE).any()


def test_an_occluder_only_grows(kind: str) -> None:
    masks = ranked(kind)
    for smaller, larger in itertools.pairwise(masks):
        assert not (smaller & ~larger).any()


def test_what_is_not_covered_stays_byte_for_byte_and_what_is_covered_is_hidden(kind: str) -> None:
    before = picture()
    series = occlusion_series(before, BOX, kind, (0.0, 0.6), seed=3)
    assert series.dtype == np.uint8
    assert (series[0] == before).all()
    changed = (series[1] != before).any(-1)
    assert not (changed & ~INSIDE).any()
    assert changed.sum() > 0.5 * INSIDE.sum()  # of 60 %: a superpixel may look like what it hides


@pytest.mark.parametrize(
    "box", [(-0.2, -0.2, 0.5, 0.5), (0.8, 0.9, 0.5, 0.5), (0.5, 0.5, 0.0, 0.0), (0, 0, 1, 1), (0.999, 0.2, 0.5, 0.02)]
)
def test_boxes_are_cut_at_the_picture(kind: str, box: tuple[float, ...]) -> None:
    low = np.clip(np.round(np.array(box[:2]) * SIDE), 0, SIDE - 1)
    high = np.maximum(np.minimum(np.round((np.array(box[:2]) + box[2:]) * SIDE), SIDE), low + 1)
    area = int((high - low).prod())
    assert int(ranked(kind, np.array(box, np.float32))[-1].sum()) == round(0.9 * area)


def test_the_same_picture_gets_the_same_occluder_and_another_one_another(kind: str) -> None:
    def covered(identity: str) -> np.ndarray:
        return occlusion_series(picture(), BOX, kind, (0.5,), picture_seed(identity, kind))

    assert (covered("a/7.jpg") == covered("a/7.jpg")).all()
    assert (covered("a/7.jpg") != covered("a/8.jpg")).any()


def test_seeds_differ_by_picture_purpose_and_seed() -> None:
    seeds = {picture_seed(i, p, s) for i in ("1", "11") for p in ("1leaves", "leaves") for s in (0, 1)}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_an_occluder_is_as_coarse_on_a_near_object_as_on_a_far_one(kind: str) -> None:
    """Of twice the box, the mask is twice as large: its edges per area fall."""
    half = np.array([0.25, 0.25, 0.5, 0.5], np.float32)
    near, far = (ranked(kind, box)[5] for box in (np.array([0, 0, 1, 1], np.float32), half))

    def edges(mask: np.ndarray) -> int:
        return int((mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum())

    assert 1.3 < edges(near) / edges(far) < 3


def test_grey_is_grey_and_noise_is_not() -> None:
    grey, noise = (occlusion_series(picture(), BOX, kind, (0.9,), 0)[0][INSIDE] for kind in ("grey", "noise"))
    assert (grey == 128).all(1).mean() == pytest.approx(0.9, abs=0.01)
    assert noise.reshape(-1, 3).astype(float).std(0).min() > 60


def test_superpixels_show_the_picture_s_own_colours() -> None:
    before = np.zeros((SIDE, SIDE, 3), np.uint8)
    before[:, : SIDE // 2] = (200, 30, 30)
    before[:, SIDE // 2 :] = (30, 30, 200)
    after = occlusion_series(before, BOX, "superpixels", (0.9,), 1)[0].astype(int)
    assert (after[..., 1] == 30).all()
    assert (abs(after[..., 0] + after[..., 2] - 230) <= 1).all()  # mixed at most where the two meet
    assert (after != before).any(-1).sum() > 0.2 * INSIDE.sum()


def test_an_unknown_occluder_lists_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="occluder 'leafs'") as caught:
        occlusion_series(picture(), BOX, "leafs", (0.5,), 0)
    assert "'leaves'" in caught.value.cure
    with pytest.raises(ConfigError, match="'leafs'"):
        Occlusion(0.5, ("grey", "leafs"))
    with pytest.raises(ConfigError, match="needs an occluder"):
        Occlusion(0.5, ())


def test_a_batch_is_covered_by_its_own_shares() -> None:
    x = torch.rand(3, 3, SIDE, SIDE)
    boxes = torch.tensor([[0.0, 0, 1, 1], [0.25, 0.25, 0.5, 0.5], [0.5, 0.5, 0.25, 0.5]])
    found = occlude(x, boxes, torch.tensor([0.0, 0.5, 0.25]), "texture", torch.Generator().manual_seed(0))
    assert found.covered.flatten(1).sum(1).tolist() == [0, 512, 128]
    assert torch.equal(found.pictures[0], x[0])
    untouched = ~found.covered.unsqueeze(1).expand_as(x)
    assert torch.equal(found.pictures[untouched], x[untouched])


def trained(kinds: tuple[str, ...], share: float, batches: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    # a colour that no occluder paints
    pictures = [torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1, 1).repeat(16, 1, 32, 32) for _ in range(batches)]
    found = [Occlusion(share, kinds)(x, generator) for x in pictures]
    return torch.cat([each.pictures for each in found]), torch.cat([each.covered for each in found])


def test_training_covers_the_wanted_share_of_the_pictures() -> None:
    pictures, covered = trained(("grey", "noise"), 0.5)
    occluded = covered.flatten(1).any(1)
    assert 0.35 < occluded.float().mean() < 0.65
    areas = covered.flatten(1).float().mean(1)[occluded]
    assert areas.max() <= 0.6
    assert areas.std() > 0.05
    magenta = (pictures == torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1, 1)).all(1)
    assert torch.equal(~covered, magenta)


def test_the_held_out_kind_is_never_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    for name, draw in OCCLUDERS.items():
        monkeypatch.setitem(OCCLUDERS, name, lambda x, g, name=name, draw=draw: drawn.append(name) or draw(x, g))
    trained(tuple(name for name in OCCLUDERS if name != "leaves"), 0.9)
    assert set(drawn) == set(OCCLUDERS) - {"leaves"}


def test_no_picture_is_both_occluded_and_relit() -> None:
    pixels = torch.full((24, 32, 32, 3), 51, dtype=torch.uint8)
    augment = BatchAugment(32, (0.0,) * 3, (1.0,) * 3, occlusion=Occlusion(0.5, ("grey",)), lighting=0.8)
    found = augment.drawn(pixels, torch.Generator().manual_seed(2))
    occluded = found.covered.flatten(1).any(1)
    assert 4 < occluded.sum() < 20
    behind = found.pictures[occluded].amax(1), found.covered[occluded]
    assert torch.allclose(behind[0][~behind[1]], torch.tensor(0.2), atol=1e-5)
    relit = (found.pictures[~occluded] - 0.2).abs().amax((1, 2, 3)) > 1e-3
    assert relit.all()


def test_augmentation_tells_what_it_covered_and_draws_as_before_without() -> None:
    pixels = torch.randint(0, 256, (8, 48, 48, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    plain = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "crop_scale": 0.5, "color": 0.3}
    without = BatchAugment(32, **plain).drawn(pixels, torch.Generator().manual_seed(5))
    found = BatchAugment(32, **plain, occlusion=Occlusion(0.7, ("grey",))).drawn(
        pixels, torch.Generator().manual_seed(5)
    )
    assert without.covered is None
    assert torch.equal(found.theta, without.theta)
    hidden = found.covered.unsqueeze(1).expand_as(found.pictures)
    assert hidden.any()
    assert (found.pictures[hidden] == 0.5).all()
    assert torch.equal(found.pictures[~hidden], without.pictures[~hidden])
