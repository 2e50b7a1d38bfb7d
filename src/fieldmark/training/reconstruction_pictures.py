"""What an autoencoder was given, what it was shown of it and what it made of it, as pictures or texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from fieldmark.data.tokens import Tokenizer
from fieldmark.models.autoencoders import Autoencoder
from fieldmark.records import Preprocessing

Pixels = npt.NDArray[np.uint8]

#: Between the panels of a picture, in pixels, and its colour.
GAP, GAP_COLOR = 4, 255

#: A panel's smallest side in pixels: smaller pictures are enlarged by a whole factor.
_SMALLEST_SIDE = 96

#: Colours of quiet to loud: dark blue, magenta, orange, pale yellow; even steps look evenly far apart.
_LOUDNESS = np.array([(8, 12, 40), (84, 20, 110), (187, 55, 84), (249, 142, 9), (252, 255, 164)], np.float64)

#: Standard deviations of a band that a spectrogram's colours span, either way.
_SPAN = 2.5


@dataclass(frozen=True)
class Reconstructions:
    """Some samples with what became of them, all shaped like the batch.

    Attributes:
        given: the batch.
        shown: what the network was shown: with holes or noise.
        rebuilt: what it made of that.
    """

    given: Tensor
    shown: Tensor
    rebuilt: Tensor


def reconstruct(autoencoder: Autoencoder, x: Tensor, seed: int) -> Reconstructions:
    """Rebuild a batch; the same seed hides the same places."""
    shown, rebuilt = autoencoder.reconstruct(x, torch.Generator().manual_seed(seed))
    return Reconstructions(x.cpu(), shown.float().cpu(), rebuilt.float().cpu())


def picture_panels(found: Reconstructions, preprocessing: Preprocessing) -> list[list[Pixels]]:
    """Turn reconstructed pictures into pixels.

    Args:
        found: pictures (B, C, H, W).
        preprocessing: the mean and deviation that were taken out of them.

    Returns:
        For each picture three panels (H', W', 3): given, shown, rebuilt.
    """
    return [
        [_pixels(x, preprocessing) for x in row] for row in zip(found.given, found.shown, found.rebuilt, strict=True)
    ]


def sound_panels(found: Reconstructions) -> list[list[Pixels]]:
    """Turn reconstructed frames (B, T, F), each band in its own deviations, into spectrograms, low notes below."""
    rows = []
    for given, shown, rebuilt in zip(found.given, found.shown, found.rebuilt, strict=True):
        length = int((~given[:, 0].isnan()).sum())
        rows.append([_spectrogram(frames[:length]) for frames in (given, shown, rebuilt)])
    return rows


def text_lines(found: Reconstructions, tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """Turn reconstructed tokens (B, T) into texts: what went in, what came out."""
    given = tokenizer.decode(found.given.long().numpy())
    rebuilt = tokenizer.decode(found.rebuilt.long().numpy())
    return list(zip(given, rebuilt, strict=True))


def beside(panels: Sequence[Pixels]) -> Pixels:
    """Put panels of one height side by side."""
    gap = np.full((panels[0].shape[0], GAP, 3), GAP_COLOR, np.uint8)
    return np.concatenate([piece for panel in panels for piece in (panel, gap)][:-1], 1)


def below(panels: Sequence[Pixels]) -> Pixels:
    """Put panels below each other; narrower ones are filled up on the right."""
    width = max(panel.shape[1] for panel in panels)
    gap = np.full((GAP, width, 3), GAP_COLOR, np.uint8)
    wide = [np.pad(panel, ((0, 0), (0, width - panel.shape[1]), (0, 0)), constant_values=255) for panel in panels]
    return np.concatenate([piece for panel in wide for piece in (panel, gap)][:-1], 0)


def save_picture(path: Path, pixels: Pixels) -> None:
    """Write a PNG, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    Image.fromarray(pixels).save(partial, format="PNG")
    partial.replace(path)


def _pixels(x: Tensor, preprocessing: Preprocessing) -> Pixels:
    colors = x.expand(3, -1, -1)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    scaled = ((colors * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
    factor = max(1, -(-_SMALLEST_SIDE // x.shape[-1]))
    return scaled.permute(1, 2, 0).numpy().repeat(factor, 0).repeat(factor, 1)


def _spectrogram(frames: Tensor) -> Pixels:
    levels = ((frames.nan_to_num().clamp(-_SPAN, _SPAN) / _SPAN + 1) / 2).numpy().T[::-1]  # (F, T), low notes below
    place = levels * (len(_LOUDNESS) - 1)
    colors = np.stack([np.interp(place, np.arange(len(_LOUDNESS)), channel) for channel in _LOUDNESS.T], -1)
    factor = max(1, -(-_SMALLEST_SIDE // levels.shape[0]))
    return colors.round().astype(np.uint8).repeat(factor, 0).repeat(factor, 1)
