"""What an autoencoder is given of a table: one class per modality, without augmentation.

Everything else in evaluation sees ``Inputs`` alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from fieldmark.augment import normalise
from fieldmark.data.audio import load_sounds
from fieldmark.data.cache import cache_images
from fieldmark.data.table import Table
from fieldmark.data.tokens import PADDING, load_tokenizer
from fieldmark.errors import BundleError, DataError
from fieldmark.models.autoencoders import pad_frames
from fieldmark.models.autoencoders.contract import InputKind
from fieldmark.models.autoencoders.saved import TOKENIZER_FILE, AutoencoderInfo
from fieldmark.models.spectrogram import LogMel
from fieldmark.records import BrokenRow, Preprocessing, Progress


class Inputs(Protocol):
    """The usable rows of a table, as batches for an autoencoder.

    Attributes:
        table: the usable rows.
        broken: the rows that were left out.
    """

    @property
    def table(self) -> Table:
        """The usable rows."""
        ...

    @property
    def broken(self) -> tuple[BrokenRow, ...]:
        """The rows that were left out."""
        ...

    def batch(self, places: NDArray[np.int64]) -> Tensor:
        """Return the samples at some places of ``table``, as the autoencoder's ``input_kind`` says."""
        ...


@dataclass(frozen=True)
class PictureInputs:
    """Pictures, fitted and cached."""

    table: Table
    broken: tuple[BrokenRow, ...]
    pixels: NDArray[np.uint8]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    grey: bool

    def batch(self, places: NDArray[np.int64]) -> Tensor:
        """Return pictures (B, 3, R, R), or (B, 1, R, R) where they are grey."""
        pixels = torch.from_numpy(np.ascontiguousarray(self.pixels[places]))
        x = normalise(pixels, self.mean, self.std)
        return x.mean(1, keepdim=True) if self.grey else x.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class SoundInputs:
    """Sounds, in memory; frames are made batch by batch."""

    table: Table
    broken: tuple[BrokenRow, ...]
    samples: tuple[NDArray[np.float32], ...]
    log_mel: LogMel
    mean: Tensor
    std: Tensor

    def batch(self, places: NDArray[np.int64]) -> Tensor:
        """Return standardised frames (B, T, F), NaN after each sound's end."""
        waves = [torch.from_numpy(self.samples[place]) for place in places]
        return pad_frames([(self.log_mel(wave[None])[0] - self.mean) / self.std for wave in waves])


@dataclass(frozen=True)
class TextInputs:
    """Texts as token ids."""

    table: Table
    ids: NDArray[np.int64]
    broken: tuple[BrokenRow, ...] = ()

    def batch(self, places: NDArray[np.int64]) -> Tensor:
        """Return token ids (B, T), T being the longest text's, the padding id after each one's end."""
        ids = self.ids[places]
        longest = max(int((ids != PADDING).sum(1).max(initial=0)), 1)
        return torch.from_numpy(np.ascontiguousarray(ids[:, :longest]))


def build_inputs(
    table: Table,
    info: AutoencoderInfo,
    kind: InputKind,
    folder: Path,
    cache: Path,
    *,
    progress: Progress | None = None,
) -> Inputs:
    """Make the inputs that a saved autoencoder takes.

    Args:
        table: any rows; those of another modality are passed over.
        info: what the autoencoder takes.
        kind: the autoencoder's ``input_kind``.
        folder: the autoencoder's folder, which holds the tokenizer of texts.
        cache: folder of decoded pictures, shared by runs.
        progress: told how far decoding has come.

    Raises:
        BundleError: ``info`` lacks what its modality needs, or names an unknown one.
        DataError: no usable rows, or too many broken ones.
    """
    if info.modality == "pictures":
        return _pictures(table, info, kind, cache, progress)
    if info.modality == "sounds":
        return _sounds(table, info, progress)
    if info.modality == "texts":
        return _texts(table, info, folder)
    raise BundleError(f"There is no modality {info.modality!r}.", "Pretrain again with this version.")


def trained_rows(table: Table, held_out: Sequence[str]) -> Table:
    """Keep the rows that an autoencoder is trained on: of the training split or of none, but no held-out class."""
    kept = (pl.col("split") == "train").fill_null(True) & ~pl.col("label").is_in(list(held_out)).fill_null(False)
    return table.where(kept)


def pictures_in_unit(x: Tensor, info: AutoencoderInfo, kind: InputKind) -> Tensor:
    """Turn pictures (B, 3 or 1, H, W), as a network takes them, into RGB pictures (B, 3, H, W) in 0..1."""
    if kind == "normalised":
        preprocessing = _preprocessing(info)
        x = x * x.new_tensor(preprocessing.std).view(1, 3, 1, 1) + x.new_tensor(preprocessing.mean).view(1, 3, 1, 1)
    return x.clamp(0, 1).expand(-1, 3, -1, -1)


def _pictures(
    table: Table, info: AutoencoderInfo, kind: InputKind, cache: Path, progress: Progress | None
) -> PictureInputs:
    preprocessing = _preprocessing(info)
    images = cache_images(table, preprocessing, cache, progress=progress)
    mean, std = preprocessing.mean, preprocessing.std
    if kind == "unit":
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return PictureInputs(images.table, images.broken, images.pixels, mean, std, info.channels == 1)


def _sounds(table: Table, info: AutoencoderInfo, progress: Progress | None) -> SoundInputs:
    if info.log_mel is None or not info.frame_mean or not info.frame_std:
        raise BundleError("The autoencoder does not say how sounds become frames.", "Pretrain again.")
    sounds = load_sounds(table, info.log_mel.sample_rate, progress=progress)
    return SoundInputs(
        sounds.table,
        sounds.broken,
        sounds.samples,
        LogMel(info.log_mel),
        torch.tensor(info.frame_mean),
        torch.tensor(info.frame_std),
    )


def _texts(table: Table, info: AutoencoderInfo, folder: Path) -> TextInputs:
    rows = table.where(pl.col("text").is_not_null())
    if not len(rows):
        raise DataError(f"{table.root} has no rows of text.", "Give a data set of texts.")
    tokenizer = load_tokenizer(folder / TOKENIZER_FILE)
    return TextInputs(rows, tokenizer.encode(rows.frame["text"].to_list(), max_tokens=info.max_tokens).ids)


def _preprocessing(info: AutoencoderInfo) -> Preprocessing:
    if info.preprocessing is None:
        raise BundleError("The autoencoder does not say how pictures become its input.", "Pretrain again.")
    return info.preprocessing
