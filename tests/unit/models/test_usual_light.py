"""Pictures in usual light, and recognisers that see them so."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.bundle import BundleInfo, load_bundle, save_bundle
from fieldmark.models.layers import UsualLight
from fieldmark.models.recognizer import Recognizer
from fieldmark.records import Preprocessing

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LIT = ModelSpec(BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32)}), classes=2, usual_light=True)


def normalised(pictures: Tensor) -> Tensor:
    return (pictures - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def pictures(count: int = 40, seed: int = 0) -> Tensor:
    """Random pictures (count, 3, 12, 10) in 0..1, of all kinds of brightness and contrast."""
    random = torch.Generator().manual_seed(seed)
    brightness, contrast = torch.rand(2, count, 1, 1, 1, generator=random)
    noise = torch.rand(count, 3, 12, 10, generator=random) - 0.5
    return 0.3 + 0.4 * brightness + (0.1 + 0.3 * contrast) * noise


def fitted(seen: Tensor) -> UsualLight:
    light = UsualLight(MEAN, STD)
    light.fit(seen)
    return light


def light_of(picture: np.ndarray) -> tuple[float, float]:
    """Return brightness and contrast of a picture (3, H, W), literally."""
    means = [channel.mean() for channel in picture]
    squares = [((channel - mean) ** 2).mean() for channel, mean in zip(picture, means, strict=True)]
    return float(np.mean(means)), float(np.sqrt(np.mean(squares)))


def test_what_is_usual_are_quantiles_of_the_training_pictures() -> None:
    known = [light_of(picture.numpy()) for picture in pictures()]
    expected = np.quantile(np.array(known), [0.1, 0.9], axis=0).T
    np.testing.assert_allclose(fitted(pictures()).usual.numpy(), expected, rtol=1e-4)


def test_it_is_that_of_a_loop() -> None:
    light = fitted(pictures())
    (darkest, brightest), (flattest, harshest) = light.usual.tolist()
    seen = pictures(seed=1)
    found = light(normalised(seen))
    changed = 0
    for number, picture in enumerate(seen.numpy()):
        brightness, contrast = light_of(picture)
        scale = min(max(contrast, flattest), harshest) / contrast
        moved = min(max(brightness, darkest), brightest)
        wanted = [scale * (channel - channel.mean()) + channel.mean() - brightness + moved for channel in picture]
        changed += not np.allclose(np.stack(wanted), picture)
        expected = normalised(torch.from_numpy(np.stack(wanted)).unsqueeze(0))[0]
        torch.testing.assert_close(found[number], expected, atol=1e-4, rtol=1e-4)
    assert 5 < changed < 35


def test_usual_pictures_stay_as_they_are() -> None:
    seen = pictures()
    light = fitted(seen)
    usual = [
        all(
            low <= value <= high
            for value, (low, high) in zip(light_of(each.numpy()), light.usual.tolist(), strict=True)
        )
        for each in seen
    ]
    chosen = normalised(seen[usual])
    assert len(chosen) > 10
    torch.testing.assert_close(light(chosen), chosen, atol=1e-5, rtol=1e-5)


def test_before_it_was_fitted_all_light_is_usual() -> None:
    x = normalised(torch.cat([pictures(), torch.zeros(1, 3, 12, 10), torch.ones(1, 3, 12, 10)]))
    torch.testing.assert_close(UsualLight(MEAN, STD)(x), x, atol=1e-5, rtol=1e-5)


def test_flat_and_bright_pictures_become_alike() -> None:
    light, seen = fitted(pictures()), pictures(seed=2)
    mean = seen.mean((2, 3), keepdim=True)
    flat, flatter = ((seen - mean) * share + mean + 0.5 for share in (0.2, 0.15))
    torch.testing.assert_close(light(normalised(flat)), light(normalised(flatter)), atol=1e-3, rtol=1e-3)


def test_the_cast_of_colour_stays_and_a_picture_of_one_colour_stays_one() -> None:
    light = fitted(pictures())
    red = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    found = light(normalised(red)) * torch.tensor(STD).view(1, 3, 1, 1) + torch.tensor(MEAN).view(1, 3, 1, 1)
    means = found.mean((2, 3))[0]
    assert float(means[0] - means[1]) == pytest.approx(0.8, abs=1e-5)
    assert float(found.std((2, 3)).max()) < 1e-5
    assert float(light.usual[0, 0]) <= float(means.mean()) + 1e-5


def test_of_sixteen_bits_it_is_computed_in_more() -> None:
    light, x = fitted(pictures()), normalised(pictures(seed=3)) + 4
    with torch.autocast("cpu", torch.bfloat16):
        found = light(x)
    torch.testing.assert_close(found, light(x))


def built(spec: ModelSpec = LIT) -> Recognizer:
    torch.manual_seed(0)
    recognizer = build_recognizer(spec).eval()
    if recognizer.light is not None:
        recognizer.light.fit(pictures())
    return recognizer


def test_a_recogniser_sees_pictures_in_usual_light() -> None:
    x = normalised(torch.rand(3, 3, 64, 64) ** 4)
    plain, recognizer = built(replace(LIT, usual_light=False)), built()
    recognizer.load_state_dict(plain.state_dict(), strict=False)
    assert recognizer.light is not None
    assert not torch.allclose(recognizer.light(x), x, atol=0.01)
    torch.testing.assert_close(recognizer(x), plain(recognizer.light(x)))
    torch.testing.assert_close(recognizer.outputs(x).logits, recognizer(x), atol=1e-4, rtol=1e-4)


def test_a_bundle_keeps_what_is_usual(tmp_path: Path) -> None:
    recognizer = built()
    info = BundleInfo(("a", "b"), Preprocessing(64), model=asdict(LIT), part_names=recognizer.evidence_names)
    save_bundle(tmp_path / "b", recognizer, info)
    loaded, _ = load_bundle(tmp_path / "b")
    assert loaded.light is not None
    assert recognizer.light is not None
    torch.testing.assert_close(loaded.light.usual, recognizer.light.usual)
    x = normalised(torch.rand(2, 3, 64, 64) ** 4)
    torch.testing.assert_close(loaded(x), recognizer(x))
