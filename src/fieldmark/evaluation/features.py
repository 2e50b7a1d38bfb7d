"""Features of many samples from a frozen network, without gradients and in bounded memory."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fieldmark.errors import BundleError
from fieldmark.training.pretrain_inputs import Inputs

#: Cells per side that a kept map has at most; probes grow slow beyond. Larger maps are averaged.
MAX_CELLS = 8

#: Bytes that all kept maps may take together; where they would take more, they are averaged further.
MAX_MAP_BYTES = 2**30

#: Samples that pass the network at once.
BATCH = 64


@dataclass(frozen=True, slots=True)
class FeatureShape:
    """The shape of features.

    Attributes:
        dim: entries of a vector, channels of a map.
        grid: cells per column and row of the network's own map; ``None`` where the features are vectors.
        kept: cells per column and row of the maps that are kept, which are averaged down where needed.
    """

    dim: int
    grid: tuple[int, int] | None = None
    kept: tuple[int, int] | None = None


@dataclass(frozen=True)
class Features:
    """Features of N samples.

    Attributes:
        vectors: (N, D) float32; of maps the mean over all cells.
        maps: (N, C, h, w) float32, h and w being ``shape.kept``; ``None`` where the features are vectors.
        shape: of the network's features.
    """

    vectors: NDArray[np.float32]
    maps: NDArray[np.float32] | None
    shape: FeatureShape


def extract_features(
    encode: Callable[[Tensor], Tensor],
    inputs: Inputs,
    places: NDArray[np.int64],
    *,
    batch_size: int = BATCH,
    autocast: bool = False,
    max_map_bytes: int = MAX_MAP_BYTES,
) -> Features:
    """Encode some samples.

    Args:
        encode: from a batch to codes (B, D) or (B, C, h, w); of a network in evaluation mode.
        inputs: where the batches come from.
        places: places of the samples in ``inputs.table``, in the order of the result; at least one.
        batch_size: samples that pass the network at once.
        autocast: compute in bfloat16 where that is faster; features change in the third digit.
        max_map_bytes: bytes that the maps may take together.

    Raises:
        BundleError: a feature is infinite or no number.
    """
    found: Features | None = None
    for start in range(0, len(places), batch_size):
        batch = inputs.batch(places[start : start + batch_size])
        with torch.no_grad(), torch.autocast(batch.device.type, torch.bfloat16, enabled=autocast):
            codes = encode(batch).float()
        if not codes.isfinite().all():
            raise BundleError("The network gives features that are no numbers.", "Train again at a lower rate.")
        if found is None:
            found = _empty(len(places), codes, max_map_bytes)
        _put(found, start, codes)
    if found is None:
        raise ValueError("no samples")
    return found


def _empty(count: int, codes: Tensor, max_map_bytes: int) -> Features:
    vectors = np.empty((count, codes.shape[1]), np.float32)
    if codes.ndim == 2:
        return Features(vectors, None, FeatureShape(codes.shape[1]))
    grid = (codes.shape[2], codes.shape[3])
    kept = kept_grid(grid, vectors.size, max_map_bytes)
    return Features(vectors, np.empty((*vectors.shape, *kept), np.float32), FeatureShape(codes.shape[1], grid, kept))


def _put(features: Features, start: int, codes: Tensor) -> None:
    end = start + len(codes)
    features.vectors[start:end] = codes.numpy() if codes.ndim == 2 else codes.mean((2, 3)).numpy()
    if features.maps is not None and features.shape.kept is not None:
        features.maps[start:end] = shrink(codes, features.shape.kept).numpy()


def kept_grid(grid: tuple[int, int], planes: int, max_bytes: int) -> tuple[int, int]:
    """Return the cells per column and row of maps that are kept of ``planes`` planes; one cell at least."""
    factor = max(-(-max(grid) // MAX_CELLS), 1)
    while True:
        kept = (-(-grid[0] // factor), -(-grid[1] // factor))
        if 4 * planes * kept[0] * kept[1] <= max_bytes or kept == (1, 1):
            return kept
        factor += 1


def shrink(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Average maps (B, C, h, w) down to a grid; unchanged where they fit."""
    if (maps.shape[2], maps.shape[3]) == grid:
        return maps
    return functional.adaptive_avg_pool2d(maps, grid)
