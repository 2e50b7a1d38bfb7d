"""Some samples, what an autoencoder was shown of them and what it made of them: pictures and texts to look at."""

import shutil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fieldmark.data.table import Table
from fieldmark.data.tokens import load_tokenizer
from fieldmark.evaluation.comparison import Subject
from fieldmark.evaluation.folders import replace_folder
from fieldmark.evaluation.pretraining_inputs import pictures_in_unit
from fieldmark.evaluation.probes.folds import stratified_sample
from fieldmark.models.autoencoders.saved import TOKENIZER_FILE, AutoencoderInfo, find_autoencoder
from fieldmark.pretraining_results import RECONSTRUCTIONS, Reconstruction

#: How many samples are shown.
EXAMPLES = 8

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


def show_reconstructions(subject: Subject, places: NDArray[np.int64], run: Path) -> tuple[Reconstruction, ...]:
    """Rebuild a few samples; of pictures and sounds, write what came of it into the run's folder.

    Args:
        subject: what is evaluated.
        places: places of rows that were not trained on; of classes as many as possible are shown.
        run: the run's folder.
    """
    chosen = _choose(subject.inputs.table, places, subject.seed)
    if not len(chosen):
        return ()
    x = subject.inputs.batch(chosen)
    shown, rebuilt = subject.autoencoder.reconstruct(x, torch.Generator().manual_seed(subject.seed))
    errors = subject.autoencoder.reconstruction_error(x).double().tolist()
    frame = subject.inputs.table.frame[chosen.tolist()]
    rows = list(zip(frame["id"], frame["label"], errors, strict=True))
    if subject.info.modality == "texts":
        tokenizer = load_tokenizer(find_autoencoder(run) / TOKENIZER_FILE)
        texts = zip(tokenizer.decode(x.numpy()), tokenizer.decode(rebuilt.numpy()), strict=True)
        return tuple(
            Reconstruction(*row, text=before, rebuilt=after) for row, (before, after) in zip(rows, texts, strict=True)
        )
    files = _write(subject, (x, shown, rebuilt), run)
    return tuple(Reconstruction(*row, file=file) for row, file in zip(rows, files, strict=True))


def picture_panels(panels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Put three RGB pictures (3, H, W, 3) in 0..1 side by side, enlarged where they are small."""
    return np.concatenate([_enlarged(_bytes(panel)) for panel in panels], axis=1)


def spectrogram_panels(panels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw three spectrograms (3, T, F) below each other, low bands at the bottom, in the colours of the first's range.

    Args:
        panels: finite numbers.
    """
    low, high = float(panels[0].min()), float(panels[0].max())
    unit = np.clip((panels - low) / (high - low or 1.0), 0, 1)
    drawn = [_enlarged(viridis(panel.T[::-1])) for panel in unit]
    gap = np.full((_GAP, drawn[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([drawn[0], gap, drawn[1], gap, drawn[2]])


def viridis(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Turn values (...) in 0..1 into colours (..., 3), from dark blue to yellow."""
    steps = np.linspace(0, 1, len(_VIRIDIS))
    channels = [np.interp(values, steps, _VIRIDIS[:, channel]) for channel in range(3)]
    colours: NDArray[np.uint8] = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return colours


def _choose(table: Table, places: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    classes = table.label_indices().fill_null(-1).to_numpy()[places]
    return places[stratified_sample(classes, EXAMPLES, seed)]


def _write(subject: Subject, panels: tuple[Tensor, Tensor, Tensor], run: Path) -> list[str]:
    partial = run / (RECONSTRUCTIONS + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    drawn = _draw_pictures(subject, panels) if panels[0].ndim == 4 else _draw_sounds(subject.info, panels)
    files = []
    for number, pixels in enumerate(drawn):
        name = f"{number:02d}.png"
        Image.fromarray(pixels).save(partial / name)
        files.append(f"{RECONSTRUCTIONS}/{name}")
    replace_folder(partial, run / RECONSTRUCTIONS)
    return files


def _draw_pictures(subject: Subject, panels: tuple[Tensor, Tensor, Tensor]) -> list[NDArray[np.uint8]]:
    kind = subject.autoencoder.input_kind
    unit = torch.stack([pictures_in_unit(panel, subject.info, kind) for panel in panels], 1)  # (B, 3 panels, 3, H, W)
    return [picture_panels(one) for one in unit.permute(0, 1, 3, 4, 2).float().numpy()]


def _draw_sounds(info: AutoencoderInfo, panels: tuple[Tensor, Tensor, Tensor]) -> list[NDArray[np.uint8]]:
    mean, std = np.array(info.frame_mean, np.float32), np.array(info.frame_std, np.float32)
    frames = torch.stack(panels, 1).float().numpy() * std + mean  # (B, 3 panels, T, F)
    real = ~np.isnan(frames[:, 0, :, 0])
    return [spectrogram_panels(one[:, steps]) for one, steps in zip(frames, real, strict=True)]


def _bytes(unit: NDArray[np.floating]) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
    return pixels


def _enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat pixels (H, W, 3) so that the longer side has ``PANEL`` px or more."""
    factor = -(-PANEL // max(pixels.shape[:2]))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)
