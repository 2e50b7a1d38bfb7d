"""Samples of every modality as the batches that autoencoders take."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from fieldmark.augment import BatchAugment, normalise
from fieldmark.data.audio import is_sound, load_sounds
from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.table import Table
from fieldmark.data.tokens import Tokenizer
from fieldmark.models.autoencoders import pad_frames
from fieldmark.models.spectrogram import LogMel, LogMelSpec
from fieldmark.records import BrokenRow, Preprocessing, Progress

#: Pictures that take no more than this many bytes are kept in memory, converted once.
_IN_MEMORY = 2**30

#: A band whose values hardly differ is not blown up.
_SMALLEST_DEVIATION = 1e-3

_Places = npt.NDArray[np.int64]


class Inputs(Protocol):
    """Samples of one modality.

    Attributes:
        table: the rows whose sample could be read.
        broken: the others, with the reason.
    """

    @property
    def table(self) -> Table:
        """The rows whose sample could be read."""
        ...

    @property
    def broken(self) -> tuple[BrokenRow, ...]:
        """The other rows, with the reason."""
        ...

    @property
    def lengths(self) -> npt.NDArray[np.int64] | None:
        """Steps of each sequence (N,); ``None`` where all samples are of one size."""
        ...

    def batch(self, places: _Places, generator: torch.Generator | None = None) -> Tensor:
        """Return the samples at some places in ``table``; with a generator, augmented by chance."""
        ...


def modality_of(table: Table) -> str:
    """Return what most rows of a table hold: ``"pictures"``, ``"sounds"`` or ``"texts"``."""
    texts = int(table.frame["text"].is_not_null().sum())
    sounds = int(table.frame.select(is_sound()).to_series().sum())
    if 2 * texts > len(table):
        return "texts"
    return "sounds" if 2 * sounds > len(table) else "pictures"


@dataclass(frozen=True)
class PictureInputs:
    """Pictures of a cache.

    Attributes:
        images: decoded at the wanted resolution.
        preprocessing: what is taken out of the colours; mean 0 and deviation 1 leave values in 0..1.
        channels: 3, or 1 for the mean of the colours.
        augment: what chance may do; ``None`` for nothing.
    """

    images: CachedImages
    preprocessing: Preprocessing
    channels: int = 3
    augment: BatchAugment | None = None
    _ready: Tensor | None = field(default=None, repr=False)

    @property
    def table(self) -> Table:
        """The rows whose picture could be decoded."""
        return self.images.table

    @property
    def broken(self) -> tuple[BrokenRow, ...]:
        """The rows whose picture is broken."""
        return self.images.broken

    @property
    def lengths(self) -> None:
        """Pictures are of one size."""
        return None

    def batch(self, places: _Places, generator: torch.Generator | None = None) -> Tensor:
        """Return pictures (B, channels, R, R), float32."""
        if self._ready is not None and (generator is None or self.augment is None):
            # Several times faster than indexing, which copies value by value.
            return self._ready.index_select(0, torch.from_numpy(places)).to(torch.float32).div_(255)
        pixels = torch.from_numpy(np.ascontiguousarray(self.images.pixels[places]))
        if generator is not None and self.augment is not None:
            x = self.augment(pixels, generator)
        else:
            x = normalise(pixels, self.preprocessing.mean, self.preprocessing.std)
        if self.channels == 1:
            x = x.mean(1, keepdim=True)
        return x.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class SoundInputs:
    """Spectrograms of sounds, in memory.

    Attributes:
        table: the rows whose sound could be decoded.
        broken: the other rows.
        frames: for each row its frames (T, F), natural logarithms of power.
        mean: of each band, taken out (F,).
        std: standard deviation of each band, divided by (F,).
    """

    table: Table
    broken: tuple[BrokenRow, ...]
    frames: tuple[Tensor, ...]
    mean: Tensor
    std: Tensor

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Frames of each sound."""
        return np.array([len(entry) for entry in self.frames], np.int64)

    def batch(self, places: _Places, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        """Return frames (B, T, F), NaN after each sound's end."""
        return pad_frames([(self.frames[place] - self.mean) / self.std for place in places])


@dataclass(frozen=True)
class TextInputs:
    """Tokens of texts, in memory.

    Attributes:
        table: the rows that have a text.
        ids: (N, T) int64, the padding's after each text's end.
        lengths: tokens of each text (N,).
        broken: none; a text can't be broken.
    """

    table: Table
    ids: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    broken: tuple[BrokenRow, ...] = ()

    def batch(self, places: _Places, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        """Return tokens (B, T), T the longest text's."""
        return torch.from_numpy(self.ids[places, : self.lengths[places].max(initial=1)])


def picture_inputs(
    table: Table,
    preprocessing: Preprocessing,
    cache: Path,
    *,
    channels: int = 3,
    augment: BatchAugment | None = None,
    progress: Progress | None = None,
) -> PictureInputs:
    """Decode pictures, or open them where that has been done before.

    Args:
        table: the rows.
        preprocessing: resolution, fit, and what is taken out of the colours.
        cache: folder of decoded pictures.
        channels: 3, or 1 for the mean of the colours.
        augment: what chance may do in training; ``None`` for nothing.
        progress: told how many are done.
    """
    images = cache_images(table, preprocessing, cache, progress=progress)
    plain = preprocessing.mean == (0.0, 0.0, 0.0) and preprocessing.std == (1.0, 1.0, 1.0)
    ready = _in_memory(images, channels) if plain and augment is None else None
    return PictureInputs(images, preprocessing, channels, augment, ready)


def sound_inputs(
    table: Table,
    spec: LogMelSpec,
    statistics: tuple[Tensor, Tensor] | None = None,
    *,
    progress: Progress | None = None,
) -> SoundInputs:
    """Decode sounds and make their spectrograms.

    Args:
        table: the rows.
        spec: how a sound becomes frames.
        statistics: mean and standard deviation of each band (F,); ``None`` measures them on the rows that are in no
            test split.
        progress: told how many are done.
    """
    sounds = load_sounds(table, spec.sample_rate, progress=progress)
    log_mel = LogMel(spec)
    frames = tuple(log_mel(torch.from_numpy(samples).unsqueeze(0))[0] for samples in sounds.samples)
    if statistics is None:
        outside = (sounds.table.frame["split"] != "test").fill_null(True).to_numpy()
        seen = torch.cat([entry for entry, wanted in zip(frames, outside, strict=True) if wanted])
        statistics = seen.mean(0), seen.std(0).clamp_min(_SMALLEST_DEVIATION)
    return SoundInputs(sounds.table, sounds.broken, frames, *statistics)


def text_inputs(table: Table, tokenizer: Tokenizer, max_tokens: int) -> TextInputs:
    """Turn texts into tokens; longer texts are cut."""
    rows = table.where(pl.col("text").is_not_null())
    tokens = tokenizer.encode(rows.frame["text"].to_list(), max_tokens=max_tokens)
    return TextInputs(rows, tokens.ids, tokens.lengths)


def _in_memory(images: CachedImages, channels: int) -> Tensor | None:
    """Return small pictures as bytes (N, channels, R, R); ``None`` where they take too much memory."""
    if len(images.pixels) * images.pixels.shape[1] ** 2 * channels > _IN_MEMORY:
        return None
    if channels == 3:
        return torch.from_numpy(np.array(images.pixels)).permute(0, 3, 1, 2).contiguous()
    blocks = np.array_split(np.arange(len(images.pixels)), max(1, len(images.pixels) // 1000))
    grey = [images.pixels[block].mean(3, dtype=np.float32).round().astype(np.uint8) for block in blocks]
    return torch.from_numpy(np.concatenate(grey)).unsqueeze(1)
