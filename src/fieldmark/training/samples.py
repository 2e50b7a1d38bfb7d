"""Pictures as arrays, and the batches of an epoch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor
from torch.nn import functional

from fieldmark.augment import normalise
from fieldmark.data.cache import CachedImages
from fieldmark.records import Preprocessing


@dataclass(frozen=True)
class Samples:
    """Some rows of a cache, with their classes.

    Attributes:
        pixels: the whole cache (M, S, S, 3), uint8.
        rows: places in the cache (N,).
        labels: class index of each of ``rows`` (N,); -1 where there is none.
    """

    pixels: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]

    @staticmethod
    def none(images: CachedImages) -> "Samples":
        """Return no row of a cache."""
        return Samples(images.pixels, np.empty(0, np.int64), np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, places: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return uint8 pictures (B, S, S, 3) and class indices (B,) of some places in ``rows``."""
        pixels = torch.from_numpy(np.ascontiguousarray(self.pixels[self.rows[places]]))
        return pixels, torch.from_numpy(self.labels[places])

    def plain_batches(self, preprocessing: Preprocessing, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all samples in order, normalised and not augmented: (B, 3, R, R) float32, (B,) int64."""
        side = preprocessing.resolution
        for start in range(0, len(self), batch_size):
            pixels, labels = self.batch(np.arange(start, min(start + batch_size, len(self))))
            x = normalise(pixels, preprocessing.mean, preprocessing.std)
            if x.shape[-1] != side:
                x = functional.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
            yield x.contiguous(memory_format=torch.channels_last), labels


def split_samples(images: CachedImages, name: str) -> Samples:
    """Return the labelled rows of one split of a cache."""
    frame = images.table.frame
    chosen = (frame["split"] == name).fill_null(False) & frame["label"].is_not_null()
    return _chosen(images, chosen)


def outside_test(images: CachedImages) -> Samples:
    """Return the rows of a cache that are not in split test, labelled or not."""
    return _chosen(images, (images.table.frame["split"] != "test").fill_null(True))


def _chosen(images: CachedImages, chosen: pl.Series) -> Samples:
    rows = np.flatnonzero(chosen.to_numpy())
    labels = images.table.label_indices().fill_null(-1).to_numpy()[rows].astype(np.int64)
    return Samples(images.pixels, rows, labels)
