"""Pictures in their own terms, and recognisers that see them so."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.bundle import BundleInfo, load_bundle, save_bundle
from fieldmark.models.layers import standardised
from fieldmark.models.recognizer import Recognizer
from fieldmark.records import Preprocessing

STANDARD = ModelSpec(BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32)}), classes=2, standardise=True)


def built(spec: ModelSpec = STANDARD) -> Recognizer:
    torch.manual_seed(0)
    return build_recognizer(spec).eval()


def test_it_is_that_of_a_loop() -> None:
    x = torch.randn(3, 3, 9, 11) * 4 + 2
    expected = torch.empty_like(x)
    for number, picture in enumerate(x):
        centred = torch.stack([channel - channel.mean() for channel in picture])
        flat = centred / centred.square().mean().sqrt()
        for place, channel in enumerate(picture):
            expected[number, place] = flat[place] + channel.mean() - picture.mean()
    torch.testing.assert_close(standardised(x), expected)


def test_a_picture_of_the_usual_deviation_keeps_its_contrast() -> None:
    x = torch.randn(1, 3, 64, 64) * 0.45
    x -= x.mean((2, 3), keepdim=True)
    torch.testing.assert_close(standardised(x, 0.45), x, atol=0.02, rtol=0.02)
    torch.testing.assert_close(standardised(0.1 * x, 0.45), standardised(x, 0.45))


def test_weights_see_the_contrast_that_they_were_trained_with() -> None:
    half = replace(STANDARD.backbone, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    x = torch.randn(1, 3, 64, 64)
    deviation = built(replace(STANDARD, backbone=half)).seen(x).std()
    assert float(deviation) == pytest.approx(0.226 / 0.5, rel=0.02)
    assert float(built().seen(x).std()) == pytest.approx(1, rel=0.02)


def test_contrast_and_brightness_change_nothing() -> None:
    x = torch.randn(2, 3, 8, 8)
    mean = x.mean((2, 3), keepdim=True)
    flat = (x - mean) * 0.1 + mean + torch.tensor([0.5, -1.0]).view(2, 1, 1, 1)
    torch.testing.assert_close(standardised(flat), standardised(x))


def test_the_cast_of_colour_stays() -> None:
    x = torch.randn(1, 3, 8, 8)
    cast = torch.tensor([1.0, -0.5, -0.5]).view(1, 3, 1, 1)
    torch.testing.assert_close(standardised(x + cast), standardised(x) + cast)


def test_how_colourful_a_picture_is_stays() -> None:
    x = torch.randn(1, 3, 8, 8)
    x[:, 0] *= 5
    deviations = standardised(x).flatten(2).std(2)[0]
    assert float(deviations[0]) == pytest.approx(5 * float(deviations[1]), rel=0.5)


def test_a_picture_of_one_colour_keeps_its_colour_and_no_brightness() -> None:
    x = torch.tensor([0.7, 0.1, 0.1]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    expected = torch.tensor([0.4, -0.2, -0.2]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(standardised(x), expected, atol=1e-4, rtol=0)


def test_of_sixteen_bits_it_is_computed_in_more() -> None:
    x = torch.randn(1, 3, 32, 32) + 40
    with torch.autocast("cpu", torch.bfloat16):
        found = standardised(x)
    torch.testing.assert_close(found, standardised(x))


def test_a_recogniser_sees_pictures_standardised() -> None:
    x = torch.randn(2, 3, 64, 64)
    plain = built(replace(STANDARD, standardise=False))
    recognizer = built()
    recognizer.load_state_dict(plain.state_dict())
    torch.testing.assert_close(recognizer(x), plain(standardised(x)))
    mean = x.mean((2, 3), keepdim=True)
    flat = 0.3 * (x - mean) + mean + 1
    torch.testing.assert_close(recognizer.outputs(flat).logits, recognizer(x), atol=1e-4, rtol=1e-4)


def test_a_bundle_keeps_it(tmp_path: Path) -> None:
    recognizer = built()
    info = BundleInfo(("a", "b"), Preprocessing(64), model=asdict(STANDARD), part_names=recognizer.evidence_names)
    save_bundle(tmp_path / "b", recognizer, info)
    loaded, _ = load_bundle(tmp_path / "b")
    x = torch.randn(1, 3, 64, 64)
    assert loaded.standardise
    torch.testing.assert_close(loaded(x), recognizer(x))
