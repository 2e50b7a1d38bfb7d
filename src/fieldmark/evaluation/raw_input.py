"""Principal components of the input itself: what a network's features of the same size are to be compared with."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fieldmark.errors import ConfigError
from fieldmark.evaluation.features import BATCH, Features, FeatureShape, shrink
from fieldmark.models.autoencoders.contract import InputKind
from fieldmark.training.pretrain_inputs import Inputs

#: Pictures are averaged down to this side in px at most: 512 components of grocery at 32 px are read as well as those
#: at 64 px, at a quarter of the time and memory.
PICTURE_SIDE = 32

#: Patches are averaged down to this side in px at most.
PATCH_SIDE = 16

#: Sequences are resampled to so many frames.
FRAMES = 32

#: Patches that the components of patches are learned from.
_PATCHES = 10_000

#: Power iterations of the randomised singular value decomposition (Halko et al., SIAM Review 2011).
_POWER_ITERATIONS = 2


def pca_features(
    inputs: Inputs, kind: InputKind, train: NDArray[np.int64], rest: NDArray[np.int64], like: FeatureShape, seed: int
) -> Features:
    """Return principal components of the input in the shape of a network's features.

    Vectors hold components of the whole input; maps hold, for each cell, components of the patch of the input below
    it. Both have as many entries as the network's, or as there are.

    Args:
        inputs: where the batches come from.
        kind: what the batches hold.
        train: places of the rows that the components are learned from; they come first in the result.
        rest: places of the other rows.
        like: the shape of the network's features.
        seed: of the decomposition and the choice of patches.

    Raises:
        ConfigError: tokens, which have no components.
    """
    places = np.concatenate([train, rest])
    raw = np.concatenate([raw_vectors(batch, kind).numpy() for batch in _batches(inputs, places)])
    vectors = _Components(raw[: len(train)], like.dim, seed)(raw)
    if like.grid is None:
        return Features(vectors, None, FeatureShape(vectors.shape[1]))
    maps = _patch_maps(inputs, train, places, like, seed)
    return Features(vectors, maps, FeatureShape(vectors.shape[1], like.grid, like.kept))


def raw_vectors(x: Tensor, kind: InputKind) -> Tensor:
    """Turn a batch into vectors (B, D) of its values.

    Pictures are averaged down to ``PICTURE_SIDE``, sequences resampled linearly to ``FRAMES`` frames.

    Raises:
        ConfigError: tokens, whose numbers mean nothing.
    """
    if kind == "tokens":
        raise ConfigError("Tokens have no principal components.", "Compare texts with tfidf_svm.")
    if kind == "frames":
        return torch.stack([_resampled(one[~one[:, 0].isnan()]) for one in x])
    if x.ndim == 4:
        x = functional.adaptive_avg_pool2d(x, (min(x.shape[2], PICTURE_SIDE), min(x.shape[3], PICTURE_SIDE)))
    return x.flatten(1)


def raw_patches(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Cut pictures (B, C, H, W) into the patches of a grid: (B, C · side², h, w).

    ``side`` is the larger of ⌈H / h⌉ and ⌈W / w⌉, at most ``PATCH_SIDE``; pictures of another size than h and w times
    that are resized.
    """
    side = min(max(-(-x.shape[2] // grid[0]), -(-x.shape[3] // grid[1])), PATCH_SIDE)
    size = (grid[0] * side, grid[1] * side)
    if (x.shape[2], x.shape[3]) != size:
        x = functional.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
    return functional.pixel_unshuffle(x, side)


class _Components:
    """Principal components of rows (N, D)."""

    def __init__(self, rows: NDArray[np.float32], count: int, seed: int) -> None:
        from sklearn.decomposition import PCA

        self._pca = PCA(
            min(count, *rows.shape), svd_solver="randomized", iterated_power=_POWER_ITERATIONS, random_state=seed
        ).fit(rows)

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [self._pca.transform(rows[start : start + 1024]) for start in range(0, len(rows), 1024)]
        return np.concatenate(parts).astype(np.float32)


def _patch_maps(
    inputs: Inputs, train: NDArray[np.int64], places: NDArray[np.int64], like: FeatureShape, seed: int
) -> NDArray[np.float32]:
    """Return components of patches as maps (N, C, h, w)."""
    grid, kept = like.grid or (1, 1), like.kept or (1, 1)
    pictures = max(_PATCHES // (grid[0] * grid[1]), 1)
    drawn = np.sort(np.random.default_rng(seed).permutation(train)[:pictures])
    sample = [raw_patches(batch, grid).permute(0, 2, 3, 1).flatten(0, 2) for batch in _batches(inputs, drawn)]
    components = _Components(torch.cat(sample).numpy(), like.dim, seed)
    maps = []
    for batch in _batches(inputs, places):
        patches = raw_patches(batch, grid).permute(0, 2, 3, 1)  # (B, h, w, D)
        found = torch.from_numpy(components(patches.flatten(0, 2).numpy()))
        maps.append(shrink(found.view(*patches.shape[:3], -1).permute(0, 3, 1, 2), kept).numpy())
    return np.concatenate(maps)


def _resampled(frames: Tensor) -> Tensor:
    """Resample frames (T, F) linearly to (FRAMES · F,)."""
    if not len(frames):
        return frames.new_zeros(FRAMES * frames.shape[1])
    steps = functional.interpolate(frames.T[None], FRAMES, mode="linear", align_corners=True)[0]  # (F, FRAMES)
    return steps.T.flatten()


def _batches(inputs: Inputs, places: NDArray[np.int64]) -> Iterator[Tensor]:
    return (inputs.batch(places[start : start + BATCH]) for start in range(0, len(places), BATCH))
