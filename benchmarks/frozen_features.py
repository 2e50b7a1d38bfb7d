"""Features of a frozen ImageNet network of all pictures of a data set, computed once, kept outside the repository."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from experiment import MOBILENET
from fieldmark.data.cache import cache_images
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.predict.torch_engine import TorchEngine
from fieldmark.training.assembly import build_model
from fieldmark.training.config import TrainConfig

#: Pictures that pass the network at once.
_BATCH = 64


@dataclass(frozen=True)
class FrozenFeatures:
    """The pictures of a table as the network sees them.

    Attributes:
        table: the usable rows.
        embedding: (B, C) float32, the mean of the features over each picture.
    """

    table: Table
    embedding: NDArray[np.float32]


def frozen_features(name: str, shared: Path, cache: Path, resolution: int) -> FrozenFeatures:
    """Return the features of a data set, computing them where that was not done before.

    Args:
        name: a folder in the shared data.
        shared: the folder of real data and weights.
        cache: folder of decoded pictures, in which features are kept too.
        resolution: side of the pictures in px.
    """
    table = read_table(shared / "data" / name)
    config = TrainConfig(
        **MOBILENET,
        backbone_options={"pad_type": "same"},
        weights=str(shared / "weights" / "mobilenetv2_100.safetensors"),
        resolution=resolution,
    )
    recognizer, preprocessing = build_model(config, len(table.classes))
    images = cache_images(table, preprocessing, cache)
    place = cache / "frozen" / f"{name}-{images.table.fingerprint()}-{resolution}-same.npy"
    engine, count = TorchEngine(recognizer, preprocessing), len(images.pixels)
    found = _kept(place, count, recognizer.backbone.feature_dim)
    for start in range(int(np.isfinite(found[:, 0]).sum()), count, _BATCH):  # what an interrupted run left is kept
        found[start : start + _BATCH] = engine.run(np.asarray(images.pixels[start : start + _BATCH])).embedding
        print(f"{name}: {min(start + _BATCH, count):,} of {count:,} pictures", flush=True)
    return FrozenFeatures(images.table, np.array(found))


def _kept(place: Path, count: int, dim: int) -> NDArray[np.float32]:
    """Open the file of features (count, dim); rows that are still missing are no numbers."""
    if place.is_file():
        return np.lib.format.open_memmap(place, mode="r+")
    place.parent.mkdir(parents=True, exist_ok=True)
    made = np.lib.format.open_memmap(place, mode="w+", dtype=np.float32, shape=(count, dim))
    made[:] = np.nan
    return made


def rows_of(features: FrozenFeatures, split: str) -> NDArray[np.int64]:
    """Return the places of the labelled rows of a split."""
    frame = features.table.frame
    wanted = frame.select(((pl.col("split") == split) & pl.col("label").is_not_null()).fill_null(False))
    return np.flatnonzero(wanted.to_series().to_numpy()).astype(np.int64)
