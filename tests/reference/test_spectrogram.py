"""Log-mel against published values, librosa's numbers and a literal version of the formulas."""

import numpy as np
import pytest
import torch

from fieldmark.models.spectrogram import MEL_SCALES, LogMel, LogMelSpec, mel_filters

#: What librosa's documentation prints of `mel_frequencies(n_mels=40)`, 0 to 11,025 Hz on Slaney's scale.
FREQUENCIES = """
    0. 85.317 170.635 255.952 341.269 426.586 511.904 597.221 682.538 767.855 853.173 938.49 1024.856 1119.114 1222.042
    1334.436 1457.167 1591.187 1737.532 1897.337 2071.84 2262.393 2470.47 2697.686 2945.799 3216.731 3512.582 3835.643
    4188.417 4573.636 4994.285 5453.621 5955.205 6502.92 7101.009 7754.107 8467.272 9246.028 10096.408 11025.
"""


@pytest.mark.parametrize(
    ("hz", "mel"), [(0, 0), (60, 0.9), (110, 1.65), (220, 3.3), (440, 6.6), (1000, 15), (6400, 42)]
)
def test_slaneys_scale_at_published_points(hz: float, mel: float) -> None:
    scale = MEL_SCALES["slaney"]
    assert scale.to_mel(hz) == pytest.approx(mel, abs=1e-12)
    assert scale.to_hz(mel) == pytest.approx(hz, abs=1e-9)


def test_slaneys_scale_as_librosa_documents_it() -> None:
    scale = MEL_SCALES["slaney"]
    found = [scale.to_hz(mel) for mel in np.linspace(0, scale.to_mel(11025), 40)]
    assert np.abs(np.array(found) - np.array(FREQUENCIES.split(), float)).max() < 6e-4


def test_htks_scale_gives_1000_hz_1000_mel() -> None:
    scale = MEL_SCALES["htk"]
    assert scale.to_mel(1000) == pytest.approx(1000, abs=0.02)
    assert scale.to_mel(0) == 0
    assert [scale.to_hz(scale.to_mel(hz)) for hz in (50, 4000)] == pytest.approx([50, 4000])


def test_filters_have_librosas_published_weights() -> None:
    """The doctest of the Rust crate mel_filter, a port of `librosa.filters.mel(sr=22050, n_fft=2048)`."""
    filters = mel_filters(LogMelSpec(sample_rate=22050, n_fft=2048, window=2048, n_mels=128)).numpy()
    assert filters.shape == (1025, 128)
    first = [0, 0.016182853208219942, 0.032365706416439884, 0.028990088037379964, 0.012807234829160026, 0]
    second = [0, 0, 0, 0.009779235793639925, 0.025962089001859864, 0.035393705451959974, 0.01921085224374004]
    assert filters[:6, 0] == pytest.approx(first, abs=1e-8)
    assert filters[:7, 1] == pytest.approx(second, abs=1e-8)


def chirp() -> np.ndarray:
    t = np.arange(2000) / 8000
    return (0.5 * np.sin(2 * np.pi * (200 + 1500 * t) * t) + 0.1 * np.cos(2 * np.pi * 3000 * t)).astype(np.float32)


def test_frames_are_those_of_librosa() -> None:
    """Every fifth band of three frames of `log(max(librosa.feature.melspectrogram(...), 1e-6))`, librosa 0.11.0."""
    expected = {
        0: [-0.81417, -2.29237, -5.69305, -7.68513, -9.28346, -9.44482, -8.15669, -2.30903],
        7: [-12.18357, 0.7187, -8.86247, -13.81551, -13.81551, -13.81551, -13.81551, -1.45901],
        25: [-6.61515, -5.51518, -3.80969, 1.30913, -2.91992, -4.45386, -5.18936, -2.17362],
    }
    frames = LogMel()(torch.from_numpy(chirp())[None])[0].numpy()
    assert frames.shape == (26, 40)
    for frame, bands in expected.items():
        assert np.abs(frames[frame, ::5] - bands).max() < 2e-4


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_frames_are_those_of_the_formulas(scale: str) -> None:
    spec = LogMelSpec(window=96, hop=50, n_fft=128, n_mels=12, low=60, high=3700, scale=scale)
    frames = LogMel(spec)(torch.from_numpy(chirp())[None])[0].numpy()
    expected = literal_log_mel(chirp().astype(np.float64), spec)
    assert frames.shape == expected.shape == (41, 12)
    assert np.abs(frames - expected).max() < 1e-3


def literal_log_mel(x: np.ndarray, spec: LogMelSpec) -> np.ndarray:
    def to_mel(hz: float) -> float:
        if spec.scale == "htk":
            return 2595 * np.log10(1 + hz / 700)
        return 3 * hz / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)

    grid = np.arange(0, 4000, 0.01)  # the scale is turned around by looking it up
    mels = np.array([to_mel(hz) for hz in grid]) if spec.scale == "slaney" else 2595 * np.log10(1 + grid / 700)
    corners = np.interp(np.linspace(to_mel(spec.low), to_mel(spec.high), spec.n_mels + 2), mels, grid)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(spec.window) / spec.window)
    side = (spec.n_fft - spec.window) // 2
    window = np.concatenate([np.zeros(side), hann, np.zeros(side)])
    padded = np.concatenate([np.zeros(spec.n_fft // 2), x, np.zeros(spec.n_fft // 2)])
    frames = []
    for start in range(0, len(x) + 1, spec.hop):
        piece = padded[start : start + spec.n_fft] * window
        turns = np.arange(spec.n_fft) / spec.n_fft
        powers = [abs(np.sum(piece * np.exp(-2j * np.pi * k * turns))) ** 2 for k in range(spec.n_fft // 2 + 1)]
        bands = []
        for left, middle, right in zip(corners[:-2], corners[1:-1], corners[2:], strict=True):
            total = 0.0
            for k, power in enumerate(powers):
                hz = k * spec.sample_rate / spec.n_fft
                height = (hz - left) / (middle - left) if hz <= middle else (right - hz) / (right - middle)
                total += max(height, 0) * power * (2 / (right - left) if spec.scale == "slaney" else 1)
            bands.append(np.log(max(total, spec.floor)))
        frames.append(bands)
    return np.array(frames)
