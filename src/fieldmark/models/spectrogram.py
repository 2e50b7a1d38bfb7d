"""Log-mel spectrograms: sound as a sequence of frames.

Sources: the HTK scale, S. Young et al., *The HTK Book* 3.4 (2006), section 5.4; the other scale, M. Slaney, *Auditory
Toolbox*, version 2 (Interval Research, 1998). Filters are triangles over frequencies in Hz, as librosa's are.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fieldmark.errors import ConfigError, unknown_name

#: Slaney's scale: this many Hz a mel, up to where it turns from linear to logarithmic; from there a factor of 6.4 in
#: frequency is 27 mels.
_LINEAR_HZ = 200 / 3
_TURN_HZ = 1000.0
_TURN_MEL = _TURN_HZ / _LINEAR_HZ
_LOG_STEP = math.log(6.4) / 27


@dataclass(frozen=True, slots=True)
class LogMelSpec:
    """How a waveform becomes frames.

    Attributes:
        sample_rate: samples a second.
        window: samples of a frame's Hann window; the default is 25 ms.
        hop: samples from one frame to the next; the default is 10 ms.
        n_fft: samples of the Fourier transform, the window in their middle.
        n_mels: filters F.
        low: where the first filter begins, in Hz.
        high: where the last filter ends, in Hz; ``None`` for half of the sampling rate.
        scale: a name in ``MEL_SCALES``: ``"slaney"``, whose filters have equal areas (librosa's default), or
            ``"htk"``, whose filters have equal heights (torchaudio's default).
        floor: power below which all is silence; with samples in -1..1 the default lies some 60 dB below loud speech.
    """

    sample_rate: int = 8000
    window: int = 200
    hop: int = 80
    n_fft: int = 256
    n_mels: int = 40
    low: float = 0.0
    high: float | None = None
    scale: str = "slaney"
    floor: float = 1e-6


class LogMel(nn.Module):
    """Natural logarithm of the power in mel bands; nothing in it is trained.

    Frame t is centred on sample t · hop; before and after the sound is silence. So the frames of a sound are the same
    in a batch that is padded with zeros, up to ``frame_counts``.

    Args:
        spec: how; the default suits speech at 8 kHz.

    Raises:
        ConfigError: sizes that aren't possible, an unknown scale, or filters so narrow that some hold no frequency.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, spec: LogMelSpec | None = None) -> None:
        super().__init__()
        self.spec = spec or LogMelSpec()
        filters = mel_filters(self.spec)
        if not 0 < self.spec.window <= self.spec.n_fft or self.spec.hop < 1 or self.spec.floor <= 0:
            raise ConfigError(
                f"No frames can be made by {self.spec}.", "Give 0 < window <= n_fft, hop >= 1, floor > 0."
            )
        self.register_buffer("window", torch.hann_window(self.spec.window), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Turn waveforms (B, T) into frames (B, 1 + T // hop, n_mels), float32."""
        with torch.autocast(x.device.type, enabled=False):
            spectrum = torch.stft(
                x.float(),
                self.spec.n_fft,
                self.spec.hop,
                self.spec.window,
                self.window,
                center=True,
                pad_mode="constant",
                return_complex=True,
            )  # (B, n_fft // 2 + 1, frames)
            power = spectrum.real.square() + spectrum.imag.square()
            return (power.transpose(1, 2) @ self.filters).clamp_min(self.spec.floor).log()

    def frame_counts(self, lengths: Tensor) -> Tensor:
        """Return how many frames belong to waveforms of these lengths in samples."""
        return 1 + lengths // self.spec.hop


def mel_filters(spec: LogMelSpec) -> Tensor:
    """Build the filters (n_fft // 2 + 1, n_mels): weights of the power at each frequency.

    Raises:
        ConfigError: an unknown scale, or numbers that make no filters.
    """
    if spec.scale not in MEL_SCALES:
        raise unknown_name("mel scale", spec.scale, MEL_SCALES)
    scale = MEL_SCALES[spec.scale]
    high = spec.sample_rate / 2 if spec.high is None else spec.high
    if not (0 <= spec.low < high <= spec.sample_rate / 2) or spec.n_mels < 1 or spec.n_fft < 2:
        raise ConfigError(
            f"No filters can be made by {spec}.",
            "Give 0 <= low < high <= sample_rate / 2, one filter or more, and a transform of 2 samples or more.",
        )
    bounds = torch.tensor([scale.to_mel(spec.low), scale.to_mel(high)], dtype=torch.float64)
    mels = torch.linspace(float(bounds[0]), float(bounds[1]), spec.n_mels + 2, dtype=torch.float64)
    corners = torch.tensor([scale.to_hz(float(mel)) for mel in mels], dtype=torch.float64)
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    bins = torch.arange(spec.n_fft // 2 + 1, dtype=torch.float64).unsqueeze(1) * spec.sample_rate / spec.n_fft
    filters = torch.minimum((bins - left) / (middle - left), (right - bins) / (right - middle)).clamp_min(0)
    if scale.equal_areas:
        filters = filters * 2 / (right - left)
    empty = int((filters.sum(0) == 0).sum())
    if empty:
        raise ConfigError(
            f"{empty} of {spec.n_mels} mel filters hold no frequency of a transform of {spec.n_fft} samples.",
            "Use fewer filters, a longer transform, or begin at a higher frequency.",
        )
    return filters.float()


def _slaney_mel(hz: float) -> float:
    return hz / _LINEAR_HZ if hz < _TURN_HZ else _TURN_MEL + math.log(hz / _TURN_HZ) / _LOG_STEP


def _slaney_hz(mel: float) -> float:
    return mel * _LINEAR_HZ if mel < _TURN_MEL else _TURN_HZ * math.exp((mel - _TURN_MEL) * _LOG_STEP)


def _htk_mel(hz: float) -> float:
    return 2595 * math.log10(1 + hz / 700)


def _htk_hz(mel: float) -> float:
    return 700 * (10 ** (mel / 2595) - 1)


@dataclass(frozen=True, slots=True)
class MelScale:
    """A scale of pitch.

    Attributes:
        to_mel: Hz to mel.
        to_hz: mel to Hz.
        equal_areas: filters on this scale have equal areas, else equal heights.
    """

    to_mel: Callable[[float], float]
    to_hz: Callable[[float], float]
    equal_areas: bool


#: Name → scale.
MEL_SCALES: dict[str, MelScale] = {
    "slaney": MelScale(_slaney_mel, _slaney_hz, equal_areas=True),
    "htk": MelScale(_htk_mel, _htk_hz, equal_areas=False),
}
