"""A run whose network sees mean colours: its classes are colours, so a new colour is a new class."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from fieldmark.data.table import Table, make_table
from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.bundle import BundleInfo, save_bundle
from fieldmark.records import Preprocessing

if TYPE_CHECKING:
    from fieldmark.gallery.stored import StoredPictures

SIDE = 32

#: Class → its colour, of the left half and of the right half.
COLOURS = {
    "red": ((220, 40, 40), (200, 60, 50)),
    "green": ((40, 200, 60), (60, 220, 40)),
    "blue": ((50, 60, 220), (40, 40, 190)),
    "yellow": ((220, 210, 40), (200, 220, 60)),
}

#: A class that the run does not know.
NEW = "violet"
NEW_COLOUR = ((170, 50, 200), (190, 70, 210))

LINEAGE = {"red": ("warm", "red"), "green": ("cold", "green"), "blue": ("cold", "blue"), "yellow": ("warm", "yellow")}

#: Pictures of each class: for training, held out, for the test.
COUNTS = {"train": 8, "val": 10, "test": 6}


def picture(colours: tuple[tuple[int, int, int], tuple[int, int, int]], seed: int) -> Image.Image:
    """Return a noisy picture of two colours, of a size of its own."""
    random = np.random.default_rng(seed)
    width, height = int(random.integers(30, 50)), int(random.integers(30, 50))
    pixels = np.empty((height, width, 3))
    pixels[:, : width // 2], pixels[:, width // 2 :] = colours
    pixels += random.normal(0, 12, 3) + random.normal(0, 25, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def write_pictures(
    folder: Path, count: int, colours: tuple[tuple[int, int, int], tuple[int, int, int]] = NEW_COLOUR
) -> list[Path]:
    """Write pictures of the new class, or of other colours."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        picture(colours, 9000 + number).save(path)
    return paths


def write_table(folder: Path) -> Table:
    """Write the pictures that the run was trained on."""
    folder.mkdir(parents=True)
    rows: dict[str, list[object]] = {"path": [], "label": [], "split": [], "lineage": []}
    for place, (label, colours) in enumerate(COLOURS.items()):
        for split, count in COUNTS.items():
            for number in range(count):
                name = f"{label}-{split}-{number}.png"
                picture(colours, 1000 * place + 100 * len(split) + number).save(folder / name)
                for key, value in zip(rows, (name, label, split, list(LINEAGE[label])), strict=True):
                    rows[key].append(value)
    return make_table(rows, folder, reader="folders", classes=tuple(COLOURS), rank_names=("warmth", "colour"))


def write_colour_run(folder: Path, *, head: str = "linear") -> Path:
    """Write a run whose classes are colours, with the table that it is from; its network was never trained.

    The linear head's rows are the nearest class means, written by hand; those of other heads are random.
    """
    table = write_table(folder / "pictures")
    torch.manual_seed(0)
    spec = ModelSpec(BackboneSpec("resnet10t", {"channels": (16, 16, 24, 32)}), classes=len(COLOURS), head=head)
    recognizer = build_recognizer(spec).eval()
    preprocessing = Preprocessing(SIDE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    info = BundleInfo(
        tuple(COLOURS),
        preprocessing,
        asdict(spec),
        rank_names=table.rank_names,
        lineage=LINEAGE,
        part_names=recognizer.evidence_names,
        data_fingerprint=table.fingerprint(),
        results={"val_top1": 0.9},
    )
    run = folder / "run"
    save_bundle(run / "bundle", recognizer, info)
    table.save(run / "table.parquet")
    if head == "linear":
        _fit_rows(run, recognizer, info, folder / "cache")
    return run


def _fit_rows(run: Path, recognizer: torch.nn.Module, info: BundleInfo, cache: Path) -> None:
    """Put the class means' rows into the head: logit = mean · x − |mean|² / 2, of standardised features."""
    from fieldmark.gallery.collect import stored_pictures
    from fieldmark.gallery.rows import ClassRows, put_rows
    from fieldmark.predict import load_predictor

    seen = stored_pictures(run, load_predictor(run), cache)
    learned = seen.take(seen.learned_from(tuple(COLOURS)))
    features = learned.vectors[:, 0].astype(np.float64)
    centre, scale = features.mean(0), features.std(0) + 1e-6
    scaled = (features - centre) / scale
    means = np.stack([scaled[[label == name for label in learned.labels]].mean(0) for name in COLOURS])
    rows = 0.3 * means / scale
    bias = -0.15 * (means**2).sum(1) - rows @ centre
    put_rows(recognizer, ClassRows(rows[None].astype(np.float32), bias.astype(np.float32)))  # type: ignore[arg-type]
    save_bundle(run / "bundle", recognizer, info)  # type: ignore[arg-type]


def stored_stand_ins(count: int = 6, labels: str = "aab") -> "StoredPictures":
    """Return made-up pictures of two parts, as they are kept; class b was added."""
    from fieldmark.gallery.stored import Addition, StoredPictures

    random = np.random.default_rng(0)
    return StoredPictures(
        ids=tuple(f"é{row}" for row in range(count)),
        files=tuple(f"/p/{row}.jpg" for row in range(count)),
        labels=tuple(labels[row % len(labels)] for row in range(count)),
        splits=tuple("val" if row % 3 == 2 else "train" for row in range(count)),
        vectors=random.normal(size=(count, 2, 4)).astype(np.float16),
        presence=random.random((count, 2)).astype(np.float32),
        embedding=random.normal(size=(count, 4)).astype(np.float16),
        boxes=np.full((count, 2, 4), np.nan, np.float32),
        sizes=np.full((count, 2), 50, np.int32),
        left_out=np.full((count, 1), np.nan, np.float32),
        network="f" * 32,
        additions=(Addition("b", ("a",), 1.5, ("a limit",), {"top1": 0.5}, None),),
    )
