"""Decode sound files into one channel at one sampling rate."""

import io
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from fieldmark.data.broken import refuse_many_broken
from fieldmark.data.images import read_file
from fieldmark.data.riff import read_wav
from fieldmark.data.table import Table
from fieldmark.errors import BrokenImageError, BrokenSoundError, ConfigError, DataError
from fieldmark.records import BrokenRow, Progress

#: File name endings that are taken for sounds when a folder is listed.
SOUND_SUFFIXES = frozenset({".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"})

#: Sounds of more samples, all channels together, are refused before they are decoded.
MAX_SAMPLES = 100_000_000

#: Sampling rates in Hz that a sound may have or be brought to.
RATES = (1_000, 768_000)

#: Louder samples are no sound: whole numbers of 32 bits, taken for floating point, end here.
_LOUDEST = 2.0**31

#: Share of a table's rows whose sound may be broken.
_MAX_BROKEN = 0.01


@dataclass(frozen=True)
class LoadedSounds:
    """The sounds of a table, in memory.

    Attributes:
        table: the rows whose sound could be decoded, in their order.
        samples: for each row of ``table`` a float32 array (T,) in about -1..1.
        rate: samples a second.
        broken: the other rows, with the reason.
    """

    table: Table
    samples: tuple[npt.NDArray[np.float32], ...]
    rate: int
    broken: tuple[BrokenRow, ...]


def is_sound() -> pl.Expr:
    """Return the expression that says of a table's rows which are sounds, by the ending of their path."""
    return pl.col("path").str.extract(r"(\.[^./]+)$").str.to_lowercase().is_in(sorted(SOUND_SUFFIXES)).fill_null(False)


def load_sounds(
    table: Table, rate: int, *, max_broken: float = _MAX_BROKEN, progress: Progress | None = None
) -> LoadedSounds:
    """Decode the sounds of a table.

    Args:
        table: rows that are no sounds are passed over.
        rate: samples a second that every sound is brought to.
        max_broken: share of rows whose sound may be broken, in 0..1.
        progress: told how many sounds are done.

    Raises:
        DataError: no sounds, too many broken ones (the message lists them), or a library is missing.
        ConfigError: a rate that isn't possible.
    """
    rows = table.where(is_sound())
    if not len(rows):
        raise DataError(f"{table.root} has no rows with sounds.", "Give a data set of sounds.")
    samples: list[npt.NDArray[np.float32]] = []
    broken: list[BrokenRow] = []
    kept: list[bool] = []
    for identity, path in rows.frame.select("id", "path").iter_rows():
        try:
            samples.append(decode_sound(table.root / path, rate))
            kept.append(True)
        except BrokenSoundError as error:
            broken.append(BrokenRow(identity, path, error.message))
            kept.append(False)
        if progress:
            progress(len(kept), len(rows))
    refuse_many_broken(broken, len(rows), max_broken, "sounds")
    return LoadedSounds(replace(rows, frame=rows.frame.filter(kept)), tuple(samples), rate, tuple(broken))


def decode_sound(
    source: Path | bytes, rate: int | None = None, *, max_samples: int = MAX_SAMPLES
) -> npt.NDArray[np.float32]:
    """Decode one sound; channels are averaged.

    WAV files of plain samples need no library; others need ``soundfile``, which the extra ``audio`` installs.

    Args:
        source: a file, or a file's bytes; the content decides on the format, not the name.
        rate: samples a second that the sound is brought to, by a polyphase filter that leaves out what the new rate
            can't hold (``scipy.signal.resample_poly``); ``None`` keeps its own.
        max_samples: largest number of samples, all channels together, that is decoded.

    Returns:
        float32 (T,), T >= 1; full loudness of the format is ±1.

    Raises:
        BrokenSoundError: with the reason in words.
        DataError: the library that the format needs is missing.
        ConfigError: a rate that isn't possible.
    """
    if rate is not None and not RATES[0] <= rate <= RATES[1]:
        raise ConfigError(f"A rate of {rate} samples a second isn't possible.", f"Give {RATES[0]} to {RATES[1]}.")
    data = source if isinstance(source, bytes) else _file(source)
    if not data:
        raise BrokenSoundError("the file is empty")
    channels, own_rate = read_wav(data) or _by_library(data, max_samples)
    if not channels.size:
        raise BrokenSoundError("has no samples")
    if not RATES[0] <= own_rate <= RATES[1]:
        raise BrokenSoundError(f"claims {own_rate:,} samples a second")
    if max(channels.size, len(channels) * (rate or own_rate) // own_rate) > max_samples:
        raise BrokenSoundError(f"has {channels.size:,} samples; at most {max_samples:,} are decoded")
    if not np.abs(channels).max() <= _LOUDEST:  # not-a-number included
        raise BrokenSoundError("holds values that are no sound")
    return _resampled(channels.mean(1, dtype=np.float32), own_rate, rate or own_rate)


def _file(path: Path) -> bytes:
    try:
        return read_file(path)
    except BrokenImageError as error:
        raise BrokenSoundError(error.message) from error


def _by_library(data: bytes, max_samples: int) -> tuple[npt.NDArray[np.float32], int]:
    """Decode what ``soundfile`` knows: samples (T, channels) and how many there are a second."""
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the library that it wraps is missing
        raise DataError(
            "Sounds that are no plain WAV files need the library soundfile.", "Run: pip install 'fieldmark[audio]'"
        ) from error
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if file.frames * file.channels > max_samples:
                raise BrokenSoundError(f"claims {file.frames:,} samples; at most {max_samples:,} are decoded")
            samples: npt.NDArray[np.float32] = file.read(dtype="float32", always_2d=True)
            if len(samples) < file.frames:
                raise BrokenSoundError(f"ends too early: {len(samples):,} of {file.frames:,} samples are there")
            return samples, int(file.samplerate)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        raise BrokenSoundError(f"can't be decoded: {str(error).splitlines()[0]}") from error
    except MemoryError as error:
        raise BrokenSoundError("too large for the memory") from error


def _resampled(samples: npt.NDArray[np.float32], own: int, wanted: int) -> npt.NDArray[np.float32]:
    if own == wanted:
        return samples
    from scipy.signal import resample_poly

    factor = math.gcd(own, wanted)
    resampled: npt.NDArray[np.float32] = resample_poly(samples, wanted // factor, own // factor)
    return resampled.astype(np.float32, copy=False)
