"""Light and areas against literal versions of their definitions."""

import colorsys
import math

import numpy as np
import pytest
import torch

from fieldmark.augment import LIGHTS, lighting_series
from fieldmark.augment.lighting import colour_gains
from fieldmark.metrics import accuracy_interval, area_under_curve, mean_interval, relative_degradation

SIDE = 12
WINDOW = (0, 0, SIDE, SIDE)


def picture() -> np.ndarray:
    found = np.random.default_rng(4).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    found[0, 0], found[0, 1], found[0, 2] = 0, 255, (255, 0, 0)
    return found


def literal(kind: str, level: float) -> np.ndarray:
    x = picture() / 255.0
    if kind == "gamma":
        return x**level
    if kind == "contrast":
        means = x.mean((0, 1), keepdims=True)
        return np.clip((x - means) * level + means, 0, 1)
    assert kind == "brightness"
    out = np.empty_like(x)
    for row in range(SIDE):
        for column in range(SIDE):
            hue, saturation, value = colorsys.rgb_to_hsv(*x[row, column])
            out[row, column] = colorsys.hsv_to_rgb(hue, saturation, min(value + level, 1.0))
    return out


@pytest.mark.parametrize("kind", ["brightness", "contrast", "gamma"])
def test_light_is_that_of_the_literal_formula(kind: str) -> None:
    levels = LIGHTS[kind].levels
    found = lighting_series(picture(), WINDOW, kind, levels, 0)
    for level, pixels in zip(levels, found, strict=True):
        assert np.abs(pixels / 255.0 - literal(kind, level)).max() <= 0.5 / 255 + 1e-6, level


@pytest.mark.parametrize("kelvin", [2500.0, 4000.0, 6500.0, 12000.0])
def test_colour_gains_are_ratios_of_planck_s_law(kelvin: float) -> None:
    """Wien's approximation is Planck's law to a thousandth here."""

    def radiance(wave: float, temperature: float) -> float:
        return 1 / (wave**5 * (math.exp(0.014388 / (wave * temperature)) - 1))

    waves = (610e-9, 540e-9, 465e-9)
    gains = [radiance(wave, kelvin) / radiance(wave, 6500) for wave in waves]
    expected = [(gain / gains[1]) ** (1 / 2.2) for gain in gains]
    assert colour_gains(torch.tensor([kelvin]))[0].tolist() == pytest.approx(expected, rel=0.02)


def test_the_area_is_that_of_trapezoids_and_of_known_curves() -> None:
    fractions = [tenth / 10 for tenth in range(10)]
    scores = np.random.default_rng(0).uniform(size=(5, 10))
    slow = [
        sum((row[i] + row[i + 1]) / 2 * (fractions[i + 1] - fractions[i]) for i in range(9)) / 0.9 for row in scores
    ]
    assert area_under_curve(fractions, scores) == pytest.approx(slow)
    assert area_under_curve(fractions, np.full(10, 0.3)) == pytest.approx(0.3)
    assert area_under_curve(fractions, np.linspace(1, 0, 10)) == pytest.approx(0.5)
    assert area_under_curve([0, 1, 4], np.array([0.0, 1, 1])) == pytest.approx((0.5 + 3) / 4)
    assert area_under_curve(fractions, scores.mean(0)) == pytest.approx(area_under_curve(fractions, scores).mean())


@pytest.mark.parametrize("severities", [[0.0], [0.0, 0.0], [0.2, 0.1]])
def test_severities_must_rise(severities: list[float]) -> None:
    with pytest.raises(ValueError, match="rising"):
        area_under_curve(severities, np.zeros(len(severities)))


def test_degradation_is_relative_to_the_clean_score() -> None:
    assert relative_degradation(0.8, [0.6, 0.4, 0.2]) == pytest.approx(0.5)
    assert relative_degradation(0.5, [0.6]) == pytest.approx(-0.2)
    assert relative_degradation(0.0, [0.0]) is None


def test_the_interval_of_a_mean_is_that_of_accuracy_where_values_are_right_or_wrong() -> None:
    right = np.random.default_rng(1).uniform(size=80) < 0.7
    groups = [str(place // 2) for place in range(80)]
    assert mean_interval(right.astype(float), groups=groups) == accuracy_interval(right, groups=groups)
    found = mean_interval(np.array([1.0, 2.0, 9.0, 4.0]))
    assert found.value == 4.0
    assert found.low < 4.0 < found.high
