import io
import struct
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from fieldmark.data.audio import decode_sound, is_sound, load_sounds
from fieldmark.data.readers.wav import WavReader
from fieldmark.data.table import Table, make_table
from fieldmark.errors import BrokenSoundError, ConfigError, DataError
from format_examples import make_wav, wav

LAYOUT = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


def whole(values: list[int], channels: int = 1, width: int = 2, rate: int = 8000) -> bytes:
    """Encode whole numbers as a WAV file."""
    layout = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * width, channels * width, width * 8)
    return riff((b"fmt ", layout), (b"data", b"".join(v.to_bytes(width, "little", signed=width > 1) for v in values)))


def as_format(values: np.ndarray, kind: str, subtype: str | None = None, rate: int = 8000) -> bytes:
    soundfile = pytest.importorskip("soundfile", reason="needs the extra audio")
    file = io.BytesIO()
    soundfile.write(file, values, rate, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(
    ("width", "values", "expected"),
    [
        (1, [0, 128, 255], [-1, 0, 127 / 128]),
        (2, [-(2**15), 0, 2**14], [-1, 0, 0.5]),
        (3, [-(2**23), 0, 2**22], [-1, 0, 0.5]),
        (4, [-(2**31), 0, 2**30], [-1, 0, 0.5]),
    ],
)
def test_whole_numbers_of_every_width(width: int, values: list[int], expected: list[float]) -> None:
    decoded = decode_sound(whole(values, width=width))
    assert decoded.dtype == np.float32
    assert decoded.tolist() == expected


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_floating_point(kind: str) -> None:
    width = int(kind[1])
    layout = struct.pack("<HHIIHH", 3, 1, 8000, 8000 * width, width, 8 * width)
    assert decode_sound(riff((b"fmt ", layout), (b"data", np.array([0.5, -1.5], f"<{kind}").tobytes()))).tolist() == [
        0.5,
        -1.5,
    ]


def test_the_extensible_layout_and_odd_chunks_before_the_sound() -> None:
    layout = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 4, 1) + bytes(14)
    file = riff((b"LIST", b"odd"), (b"fmt ", layout), (b"data", struct.pack("<h", 2**14)))
    assert decode_sound(file).tolist() == [0.5]


def test_a_size_that_was_never_filled_in_means_up_to_the_end() -> None:
    file = riff((b"fmt ", LAYOUT), (b"data", struct.pack("<2h", 2**14, -(2**14))))
    assert decode_sound(file.replace(b"data\x04\0\0\0", b"data\xff\xff\xff\xff")).tolist() == [0.5, -0.5]


def test_channels_are_averaged() -> None:
    assert decode_sound(whole([2**14, 0, -(2**14), 2**14], channels=2)).tolist() == [0.25, 0]


@pytest.mark.parametrize(("own", "wanted"), [(44100, 8000), (8000, 16000), (11025, 8000)])
def test_resampling_keeps_a_tone_and_drops_what_the_new_rate_cannot_hold(own: int, wanted: int) -> None:
    t = np.arange(own) / own
    tone, high = np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 0.48 * own * t)
    values = (0.5 * tone + (0.4 * high if wanted < own else 0)) * 2**15
    decoded = decode_sound(whole(values.astype(int).tolist(), rate=own), wanted)
    assert len(decoded) == wanted
    inner = slice(wanted // 10, -wanted // 10)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(wanted) / wanted)
    assert np.abs(decoded - expected)[inner].max() < 0.01


@pytest.mark.parametrize(
    ("kind", "subtype"), [("FLAC", None), ("AIFF", None), ("WAV", "ULAW"), ("OGG", None), ("MP3", None)]
)
def test_other_formats_by_the_library(kind: str, subtype: str | None) -> None:
    values = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    decoded = decode_sound(as_format(values, kind, subtype))
    assert decoded.dtype == np.float32
    assert np.abs(decoded[:8000] - values).max() < 0.1


def test_own_reading_agrees_with_the_library() -> None:
    soundfile = pytest.importorskip("soundfile", reason="needs the extra audio")
    values = np.random.default_rng(0).uniform(-1, 1, 500)
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        file = as_format(values, "WAV", subtype)
        assert np.array_equal(decode_sound(file), soundfile.read(io.BytesIO(file), dtype="float32")[0]), subtype


def test_a_missing_library_names_the_extra_and_plain_files_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    flac = as_format(np.zeros(100), "FLAC")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(DataError) as caught:
        decode_sound(flac)
    assert not isinstance(caught.value, BrokenSoundError)
    assert "pip install 'fieldmark[audio]'" in caught.value.cure
    assert len(decode_sound(wav(0))) == 200


BROKEN = {
    "empty": b"",
    "no sound at all": b"hello, this is no sound",
    "truncated": wav(0)[:-50],
    "only the name": b"RIFF\0\0\0\0WAVE",
    "header cut": wav(0)[:30],
    "no samples": whole([]),
    "half a sample": riff((b"fmt ", LAYOUT), (b"data", b"x")),
    "no channels": riff((b"fmt ", struct.pack("<HHIIHH", 1, 0, 8000, 0, 0, 16)), (b"data", b"xx")),
    "short layout": riff((b"fmt ", b"\1\0\1\0"), (b"data", b"xx")),
    "rate of 0": whole([1, 2], rate=0),
    "rate of 4 GHz": whole([1, 2], rate=2**32 - 1 >> 8),
    "not a number": riff((b"fmt ", struct.pack("<HHIIHH", 3, 1, 8000, 32000, 4, 32)), (b"data", b"\xff" * 4)),
    "infinite": riff((b"fmt ", struct.pack("<HHIIHH", 3, 1, 8000, 32000, 4, 32)), (b"data", struct.pack("<f", np.inf))),
    "unknown encoding": riff((b"fmt ", struct.pack("<HHIIHH", 999, 1, 8000, 16000, 2, 16)), (b"data", b"xx")),
    "flac cut": b"fLaC\0\0\0\x22" + bytes(34),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_sounds_are_told_with_a_reason(name: str) -> None:
    with pytest.raises(BrokenSoundError) as caught:
        decode_sound(BROKEN[name])
    assert caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "AIFF"])
def test_no_cut_or_garbled_file_ends_otherwise_than_as_broken(kind: str) -> None:
    file = as_format(np.random.default_rng(0).uniform(-0.5, 0.5, 4000), kind)
    rng = np.random.default_rng(1)
    for trial in range(40):
        garbled = bytearray(file[: int(rng.integers(1, len(file)))] if trial % 2 else file)
        for place in rng.integers(0, len(garbled), 5):
            garbled[place] = int(rng.integers(256))
        try:
            assert np.isfinite(decode_sound(bytes(garbled))).all()
        except BrokenSoundError as error:
            assert error.message


def test_no_garbled_wav_ends_otherwise_than_as_broken() -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        garbled = bytearray(wav(0, samples=20))
        for place in rng.integers(0, 48, 3):
            garbled[place] = int(rng.integers(256))
        try:
            assert np.isfinite(decode_sound(bytes(garbled), max_samples=10_000)).all()
        except BrokenSoundError as error:
            assert error.message


def test_too_many_samples_are_refused() -> None:
    with pytest.raises(BrokenSoundError, match="at most 100"):
        decode_sound(wav(0), max_samples=100)
    with pytest.raises(BrokenSoundError, match="at most 1,000"):
        decode_sound(wav(0), 64_000, max_samples=1_000)
    with pytest.raises(BrokenSoundError, match="at most 100"):
        decode_sound(as_format(np.zeros(200), "FLAC"), max_samples=100)


@pytest.mark.parametrize("rate", [0, -1, 999, 10**9])
def test_an_impossible_rate_is_an_error(rate: int) -> None:
    with pytest.raises(ConfigError, match=str(rate)):
        decode_sound(wav(0), rate)


def test_a_table_is_loaded_and_its_broken_rows_set_aside(tmp_path: Path) -> None:
    make_wav(tmp_path)
    (tmp_path / "bee_bob_6.wav").write_bytes(b"")
    (tmp_path / "bee_bob_7.wav").mkdir()
    table = make_table({"path": sorted(file.name for file in tmp_path.iterdir())}, tmp_path, reader="wav")
    seen: list[tuple[int, int]] = []
    sounds = load_sounds(table, 4000, max_broken=0.5, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 8) for n in range(1, 9)]
    assert len(sounds.samples) == len(sounds.table) == 6
    for path, samples in zip(sounds.table.frame["path"], sounds.samples, strict=True):
        assert np.array_equal(samples, decode_sound(tmp_path / path, 4000))
    assert {row.path: row.reason for row in sounds.broken} == {
        "bee_bob_6.wav": "the file is empty",
        "bee_bob_7.wav": "a folder, not a file",
    }


def test_many_broken_sounds_are_an_error_that_lists_them(tmp_path: Path) -> None:
    make_wav(tmp_path)
    (tmp_path / "ant_ann_1.wav").write_bytes(b"x")
    with pytest.raises(DataError, match=r"1 of 6 sounds are broken:\n  ant_ann_1\.wav: "):
        load_sounds(WavReader().read(tmp_path), 8000)


def test_a_table_without_sounds_is_an_error(tmp_path: Path) -> None:
    table: Table = make_table({"id": ["1"], "text": ["hello"]}, tmp_path, reader="text")
    with pytest.raises(DataError, match="no rows with sounds"):
        load_sounds(table, 8000)


def test_sounds_are_told_by_their_ending() -> None:
    frame = pl.DataFrame({"path": ["a.WAV", "b/c.flac", "d.png", "e.wav/f", "wav", None, "g.arrow#1"]})
    assert frame.select(is_sound())["path"].to_list() == [True, True, False, False, False, False, False]
