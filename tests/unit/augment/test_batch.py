import pytest
import torch

from fieldmark.augment import BatchAugment, mix_batch, normalise

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def pictures(batch: int = 4, side: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (batch, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_normalise_is_the_literal_formula() -> None:
    pixels = pictures()
    literal = (pixels.double() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    assert torch.allclose(normalise(pixels, MEAN, STD).double(), literal.permute(0, 3, 1, 2), atol=1e-5)


def test_augmentation_turned_off_only_normalises() -> None:
    pixels = pictures()
    plain = BatchAugment(32, MEAN, STD, flip=False)(pixels, seeded())
    assert torch.allclose(plain, normalise(pixels, MEAN, STD), atol=1e-4)


def test_same_generator_state_gives_the_same_batch() -> None:
    augment = BatchAugment(24, MEAN, STD, crop_scale=0.5, rotation=20, color=0.4)
    first, again = augment(pictures(), seeded()), augment(pictures(), seeded())
    assert torch.equal(first, again)
    assert not torch.equal(first, augment(pictures(), torch.Generator().manual_seed(7)))
    assert first.shape == (4, 3, 24, 24)
    assert torch.isfinite(first).all()


def test_flip_mirrors_some_pictures_and_nothing_else() -> None:
    pixels = pictures(batch=16)
    result = BatchAugment(32, MEAN, STD, flip=True)(pixels, seeded())
    plain = normalise(pixels, MEAN, STD)
    same = [torch.allclose(a, b, atol=1e-4) for a, b in zip(result, plain, strict=True)]
    mirrored = [torch.allclose(a, b.flip(-1), atol=1e-4) for a, b in zip(result, plain, strict=True)]
    assert all(s or m for s, m in zip(same, mirrored, strict=True))
    assert 2 <= sum(mirrored) <= 14


def test_crops_stay_inside_the_picture() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).view(1, 1, 64, 1).expand(32, 64, 64, 3).contiguous()
    result = BatchAugment(64, (0.0,) * 3, (1 / 255,) * 3, flip=False, crop_scale=0.3)(ramp, seeded())
    columns = result[:, 0, 0]
    steps = columns.diff(dim=1)
    assert (steps >= -1e-3).all(), "a crop that left the picture would be reflected and run backwards"
    assert (columns[:, -1] - columns[:, 0] < 62).sum() > 20


def test_much_smaller_results_do_not_alias() -> None:
    checker = ((torch.arange(128).view(-1, 1) + torch.arange(128)) % 2 * 255).to(torch.uint8)
    pixels = checker.view(1, 128, 128, 1).expand(1, 128, 128, 3).contiguous()
    result = BatchAugment(32, (0.0,) * 3, (1.0,) * 3, flip=False)(pixels, seeded())
    assert result.std() < 0.05
    assert result.mean() == pytest.approx(0.5, abs=0.02)


def test_mixup_blends_pictures_and_targets_alike() -> None:
    x = torch.eye(4).view(4, 1, 2, 2).expand(4, 3, 2, 2)
    mixed, targets = mix_batch(x, torch.eye(4), 0.4, seeded())
    assert torch.allclose(targets.sum(1), torch.ones(4))
    assert torch.allclose(mixed[:, 0].flatten(1), targets, atol=1e-6)
