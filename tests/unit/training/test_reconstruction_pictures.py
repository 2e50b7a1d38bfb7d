"""The pictures of reconstructions."""

import numpy as np

from fieldmark.training.reconstruction_pictures import PANEL, picture_panels, spectrogram_panels, viridis


def test_pictures_lie_side_by_side_and_small_ones_are_enlarged() -> None:
    panels = np.zeros((3, 28, 28, 3), np.float32)
    panels[0, 0, 0], panels[1, 27, 27], panels[2] = (1, 0, 0), (0, 1, 0), 0.5
    drawn = picture_panels(panels)
    side = 28 * 5
    assert side >= PANEL
    assert drawn.shape == (side, 3 * side, 3)
    assert (drawn[:5, :5] == (255, 0, 0)).all()
    assert not drawn[5:, :side].any()
    assert (drawn[-5:, 2 * side - 5 : 2 * side] == (0, 255, 0)).all()
    assert (drawn[:, 2 * side :] == 128).all()


def test_large_pictures_keep_their_size_and_values_stay_in_range() -> None:
    panels = np.stack([np.full((PANEL, 100, 3), value, np.float32) for value in (-1, 0.2, 7)])
    drawn = picture_panels(panels)
    assert drawn.shape == (PANEL, 300, 3)
    assert drawn[0, [0, 100, 200], 0].tolist() == [0, 51, 255]


def test_spectrograms_lie_below_each_other_low_bands_at_the_bottom() -> None:
    panels = np.zeros((3, 64, 40), np.float32)
    panels[0, :, 0] = 2  # the lowest band of the first is loud: it gives the range
    panels[1] = 1
    panels[2] = -9
    drawn = spectrogram_panels(panels)
    high = 40 * 2
    assert drawn.shape == (3 * high + 8, 128, 3)
    assert (drawn[high - 2 : high] == viridis(np.array(1.0))).all()
    assert (drawn[: high - 2] == viridis(np.array(0.0))).all()
    assert (drawn[high : high + 4] == 255).all()
    assert (drawn[high + 4 : 2 * high + 4] == viridis(np.array(0.5))).all()
    assert (drawn[-high:] == viridis(np.array(0.0))).all()


def test_silence_has_a_colour() -> None:
    assert (spectrogram_panels(np.full((3, 5, 4), -2.0, np.float32))[: 4 * 26] == viridis(np.array(0.0))).all()


def test_colours_grow_evenly_lighter() -> None:
    colours = viridis(np.linspace(0, 1, 33)) / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = 116 * np.cbrt(luminance) - 16  # CIE 1976, good above 0.9 % luminance
    steps = np.diff(lightness)
    assert steps.min() > 0
    assert steps.max() < 2 * np.median(steps)
