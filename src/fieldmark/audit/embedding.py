"""Embeddings of all pictures of a table in bounded memory: 4 × ``COMPONENTS`` bytes a picture."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fieldmark.audit.network import BATCH, FrozenNetwork
from fieldmark.audit.projection import Projection
from fieldmark.data.images import load_fitted
from fieldmark.data.table import Table
from fieldmark.errors import BrokenImageError
from fieldmark.records import Preprocessing, Progress

Floats = npt.NDArray[np.float32]

#: Pictures, drawn at random, that the components are taken of.
_SAMPLE = 10_000

#: Threads that decode; Pillow releases the interpreter's lock.
_DECODERS = 2


def embed_pictures(table: Table, network: FrozenNetwork, *, seed: int = 0, progress: Progress | None = None) -> Floats:
    """Embed pictures: scaled to length 1, then turned to their principal components (see ``Projection``).

    Args:
        table: rows whose pictures can be decoded, one or more.
        network: embeds them.
        seed: draws the pictures that the components are taken of.
        progress: told how many pictures are done.

    Returns:
        (N, K) float32, K being at most ``COMPONENTS``. A picture that can't be decoded any more is all zeros,
        as is one that is black all over.

    Raises:
        BundleError: the network gives no numbers.
    """
    order = np.random.default_rng(seed).permutation(len(table))
    paths = table.frame["path"].to_list()
    batches = _embedded(table.root, paths, order, network)
    found: Floats | None = None
    waiting: list[tuple[npt.NDArray[np.int64], Floats]] = []
    projection: Projection | None = None
    done = 0
    for rows, vectors in batches:
        waiting.append((rows, vectors))
        done += len(rows)
        if progress is not None:
            progress(done, len(table))
        if done >= min(_SAMPLE, len(table)):
            projection = projection or Projection(np.concatenate([vectors for _, vectors in waiting]))
            for places, raw in waiting:
                values = projection(raw)
                found = np.zeros((len(table), values.shape[1]), np.float32) if found is None else found
                found[places] = values
            waiting.clear()
    if found is None:
        raise ValueError("no pictures")
    return found


def _embedded(
    root: Path, paths: Sequence[str], order: npt.NDArray[np.int64], network: FrozenNetwork
) -> Iterator[tuple[npt.NDArray[np.int64], Floats]]:
    """Yield rows in the given order, a batch at a time, with their vectors; one batch is decoded ahead."""
    preprocessing = network.preprocessing

    def decode(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        return np.stack([_pixels(root, paths[row], preprocessing) for row in rows])

    with ThreadPoolExecutor(_DECODERS) as pool:
        waiting: deque[tuple[npt.NDArray[np.int64], Future[npt.NDArray[np.uint8]]]] = deque()
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            waiting.append((rows, pool.submit(decode, rows)))
            if len(waiting) > _DECODERS:
                yield _finish(*waiting.popleft(), network)
        while waiting:
            yield _finish(*waiting.popleft(), network)


def _finish(
    rows: npt.NDArray[np.int64], future: Future[npt.NDArray[np.uint8]], network: FrozenNetwork
) -> tuple[npt.NDArray[np.int64], Floats]:
    pixels = future.result()
    vectors = network.embed(pixels)
    vectors[pixels.max(axis=(1, 2, 3)) == 0] = 0
    return rows, vectors


def _pixels(root: Path, path: str, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    try:
        return load_fitted(root, path, preprocessing).pixels
    except BrokenImageError:  # it went missing since it was checked: it resembles nothing
        side = preprocessing.resolution
        return np.zeros((side, side, 3), np.uint8)
