import dataclasses

import pytest
import torch

from fieldmark.errors import ConfigError
from fieldmark.models.spectrogram import LogMel, LogMelSpec


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, samples, generator=torch.Generator().manual_seed(seed)) - 0.5


def test_frames_of_a_sound_are_the_same_alone_and_in_a_padded_batch() -> None:
    mel = LogMel()
    lengths = torch.tensor([1, 79, 80, 777, 2000])
    batch = torch.zeros(5, 2000)
    for row, length in enumerate(lengths.tolist()):
        batch[row, :length] = noise(length, row)
    frames, counts = mel(batch), mel.frame_counts(lengths)
    assert frames.shape == (5, 26, 40)
    assert counts.tolist() == [1, 1, 2, 10, 26]
    for row, (length, count) in enumerate(zip(lengths.tolist(), counts.tolist(), strict=True)):
        alone = mel(batch[row : row + 1, :length])
        assert alone.shape == (1, count, 40)
        torch.testing.assert_close(alone[0], frames[row, :count], atol=1e-4, rtol=0)


def test_silence_is_the_floor() -> None:
    assert (LogMel()(torch.zeros(1, 800)) == torch.tensor(1e-6).log()).all()


def test_a_tone_is_loudest_in_the_filter_that_holds_it() -> None:
    mel = LogMel()
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 8000)[None]
    middle = mel(tone)[0, 50]
    filters = mel.filters[round(1000 / (8000 / 256))]
    assert middle.argmax() == filters.argmax()


def test_double_loudness_adds_the_logarithm_of_four() -> None:
    mel = LogMel(LogMelSpec(floor=1e-12))
    torch.testing.assert_close(mel(2 * noise(800)), mel(noise(800)) + torch.tensor(4.0).log(), atol=1e-4, rtol=0)


def test_autocast_leaves_it_in_full_precision() -> None:
    mel = LogMel()
    expected = mel(noise(800))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(mel(noise(800).bfloat16().float()), mel(noise(800).bfloat16()))
        assert torch.equal(mel(noise(800)), expected)


def test_it_has_nothing_to_train_and_nothing_to_save() -> None:
    assert list(LogMel().parameters()) == []
    assert LogMel().state_dict() == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"n_mels": 0}, {"n_mels": 200}, {"low": -1.0}, {"low": 4000.0}, {"high": 4001.0}, {"low": float("nan")},
        {"window": 257}, {"window": 0}, {"hop": 0}, {"floor": 0.0}, {"n_fft": 0}, {"scale": "bark"}, {"sample_rate": 0},
    ],
)  # fmt: skip
def test_what_makes_no_frames_is_an_error(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        LogMel(dataclasses.replace(LogMelSpec(), **changes))
    assert caught.value.cure
