"""Some samples, what an autoencoder was shown of them and what it made of them: pictures and texts to look at."""

import shutil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fieldmark.data.table import Table
from fieldmark.data.tokens import load_tokenizer
from fieldmark.evaluation.comparison import Subject
from fieldmark.evaluation.pretraining_inputs import normalisation
from fieldmark.evaluation.probes.folds import stratified_sample
from fieldmark.models.autoencoders.saved import TOKENIZER_FILE, find_autoencoder
from fieldmark.pretraining_results import RECONSTRUCTIONS, Reconstruction
from fieldmark.record_files import replace_folder
from fieldmark.training.reconstruction_pictures import Pixels, Reconstructions, draw_pictures, draw_sounds

#: How many samples are shown.
EXAMPLES = 8


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
    files = _write(_drawn(subject, Reconstructions(x, shown, rebuilt)), run)
    return tuple(Reconstruction(*row, file=file) for row, file in zip(rows, files, strict=True))


def _choose(table: Table, places: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    classes = table.label_indices().fill_null(-1).to_numpy()[places]
    return places[stratified_sample(classes, EXAMPLES, seed)]


def _drawn(subject: Subject, found: Reconstructions) -> list[Pixels]:
    info = subject.info
    if info.modality == "sounds":
        return draw_sounds(found, torch.tensor(info.frame_mean), torch.tensor(info.frame_std))
    return draw_pictures(found, *normalisation(info, subject.autoencoder.input_kind))


def _write(pictures: list[Pixels], run: Path) -> list[str]:
    partial = run / (RECONSTRUCTIONS + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    files = []
    for number, pixels in enumerate(pictures):
        name = f"{number:02d}.png"
        Image.fromarray(pixels).save(partial / name)
        files.append(f"{RECONSTRUCTIONS}/{name}")
    replace_folder(partial, run / RECONSTRUCTIONS)
    return files
