"""What a saved autoencoder is given of a table."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from fieldmark.data.table import Table
from fieldmark.data.tokens import load_tokenizer
from fieldmark.errors import BundleError
from fieldmark.models.autoencoders.contract import InputKind
from fieldmark.models.autoencoders.saved import TOKENIZER_FILE, AutoencoderInfo
from fieldmark.records import Preprocessing, Progress
from fieldmark.training.pretrain_inputs import (
    Inputs,
    PictureInputs,
    SoundInputs,
    TextInputs,
    picture_inputs,
    sound_inputs,
    text_inputs,
)

Channels = tuple[float, float, float]

#: Leaves values in 0..1 as they are.
_NO_MEAN, _NO_STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


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


def normalisation(info: AutoencoderInfo, kind: InputKind) -> tuple[Channels, Channels]:
    """Return mean and standard deviation per RGB channel of the pictures that an autoencoder takes.

    Raises:
        BundleError: ``info`` does not tell.
    """
    preprocessing = _preprocessing(info)
    return (preprocessing.mean, preprocessing.std) if kind == "normalised" else (_NO_MEAN, _NO_STD)


def pictures_in_unit(x: Tensor, info: AutoencoderInfo, kind: InputKind) -> Tensor:
    """Turn pictures (B, 3 or 1, H, W), as a network takes them, into RGB pictures (B, 3, H, W) in 0..1."""
    mean, std = (x.new_tensor(values).view(1, 3, 1, 1) for values in normalisation(info, kind))
    return (x * std + mean).clamp(0, 1).expand(-1, 3, -1, -1)


def _pictures(
    table: Table, info: AutoencoderInfo, kind: InputKind, cache: Path, progress: Progress | None
) -> PictureInputs:
    mean, std = normalisation(info, kind)
    preprocessing = replace(_preprocessing(info), mean=mean, std=std)
    return picture_inputs(table, preprocessing, cache, channels=info.channels, progress=progress)


def _sounds(table: Table, info: AutoencoderInfo, progress: Progress | None) -> SoundInputs:
    if info.log_mel is None or not info.frame_mean or not info.frame_std:
        raise BundleError("The autoencoder does not say how sounds become frames.", "Pretrain again.")
    statistics = torch.tensor(info.frame_mean), torch.tensor(info.frame_std)
    return sound_inputs(table, info.log_mel, statistics, progress=progress)


def _texts(table: Table, info: AutoencoderInfo, folder: Path) -> TextInputs:
    if info.max_tokens is None:
        raise BundleError("The autoencoder does not say how long a text may be.", "Pretrain again.")
    return text_inputs(table, load_tokenizer(folder / TOKENIZER_FILE), info.max_tokens)


def _preprocessing(info: AutoencoderInfo) -> Preprocessing:
    if info.preprocessing is None:
        raise BundleError("The autoencoder does not say how pictures become its input.", "Pretrain again.")
    return info.preprocessing
