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

Pixels = npt.NDArray[np.uint8]
Channels = tuple[float, float, float]

#: Panels with a longer side below this many px are enlarged pixel by pixel.
PANEL = 128

#: White px between spectrograms.
_GAP = 4

#: Nine colours, evenly spaced, of viridis (S. van der Walt and N. Smith, 2015; CC0): its lightness grows evenly.
_VIRIDIS = np.array(
    [
        (68, 1, 84),
        (71, 45, 123),
        (59, 82, 139),
        (44, 114, 142),
        (33, 145, 140),
        (40, 174, 128),
        (94, 201, 98),
        (173, 220, 48),
        (253, 231, 37),
    ],
    np.float64,
)


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


def draw_pictures(found: Reconstructions, mean: Channels, std: Channels) -> list[Pixels]:
    """Draw reconstructed pictures (B, 3 or 1, H, W), three panels each: given, shown, rebuilt.

    Args:
        found: what to draw.
        mean: per RGB channel, what was taken out of them.
        std: per RGB channel, what they were divided by.
    """
    panels = torch.stack([found.given, found.shown, found.rebuilt], 1).expand(-1, -1, 3, -1, -1)
    unit = panels * torch.tensor(std).view(3, 1, 1) + torch.tensor(mean).view(3, 1, 1)
    return [picture_panels(one) for one in unit.permute(0, 1, 3, 4, 2).float().numpy()]


def draw_sounds(found: Reconstructions, mean: Tensor, std: Tensor) -> list[Pixels]:
    """Draw reconstructed frames (B, T, F), three spectrograms each: given, shown, rebuilt.

    Args:
        found: what to draw; NaN after each sound's end.
        mean: of each band (F,), what was taken out.
        std: of each band (F,), what was divided by.
    """
    frames = (torch.stack([found.given, found.shown, found.rebuilt], 1).float() * std + mean).numpy()
    real = ~np.isnan(frames[:, 0, :, 0])
    return [spectrogram_panels(one[:, steps]) for one, steps in zip(frames, real, strict=True)]


def picture_panels(panels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Put three RGB pictures (3, H, W, 3) in 0..1 side by side, enlarged where they are small."""
    return np.concatenate([_enlarged(_bytes(panel)) for panel in panels], axis=1)


def spectrogram_panels(panels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Draw three spectrograms (3, T, F) below each other, low bands at the bottom, in the colours of the first's range.

    Args:
        panels: finite numbers.
    """
    low, high = float(panels[0].min()), float(panels[0].max())
    unit = np.clip((panels - low) / (high - low or 1.0), 0, 1)
    drawn = [_enlarged(viridis(panel.T[::-1])) for panel in unit]
    gap = np.full((_GAP, drawn[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([drawn[0], gap, drawn[1], gap, drawn[2]])


def viridis(values: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Turn values (...) in 0..1 into colours (..., 3), from dark blue to yellow."""
    steps = np.linspace(0, 1, len(_VIRIDIS))
    channels = [np.interp(values, steps, _VIRIDIS[:, channel]) for channel in range(3)]
    colours: npt.NDArray[np.uint8] = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return colours


def text_lines(found: Reconstructions, tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """Turn reconstructed tokens (B, T) into texts: what went in, what came out."""
    given = tokenizer.decode(found.given.long().numpy())
    rebuilt = tokenizer.decode(found.rebuilt.long().numpy())
    return list(zip(given, rebuilt, strict=True))


def below(panels: Sequence[Pixels]) -> Pixels:
    """Put panels below each other; narrower ones are filled up on the right."""
    width = max(panel.shape[1] for panel in panels)
    gap = np.full((_GAP, width, 3), 255, np.uint8)
    wide = [np.pad(panel, ((0, 0), (0, width - panel.shape[1]), (0, 0)), constant_values=255) for panel in panels]
    return np.concatenate([piece for panel in wide for piece in (panel, gap)][:-1], 0)


def save_picture(path: Path, pixels: Pixels) -> None:
    """Write a PNG, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    Image.fromarray(pixels).save(partial, format="PNG")
    partial.replace(path)


def _bytes(unit: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    pixels: npt.NDArray[np.uint8] = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
    return pixels


def _enlarged(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Repeat pixels (H, W, 3) so that the longer side has ``PANEL`` px or more."""
    factor = -(-PANEL // max(pixels.shape[:2]))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)
