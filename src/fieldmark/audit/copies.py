"""Families of copies: rows that all show one picture, found by hash and, with a network, by embedding.

Memory is bounded: pictures are compared in blocks, and of the pairs that are found only the families that they join are
kept (8 bytes a picture). Families don't depend on the order in which pairs are found, nor on the size of the blocks.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fieldmark.audit.neighbours import Neighbours
from fieldmark.audit.registration import PIECE, Registration
from fieldmark.data.cache import CachedImages
from fieldmark.data.copies import HASH_BITS, PictureComparison
from fieldmark.records import Progress

#: Rows whose hashes are compared at once; the memory is about 40 × HASH_BLOCK² bytes.
HASH_BLOCK = 2048

#: Least cosine of the embeddings of two pictures that are laid over each other. Of groceries, copies that were cut to
#: 80 % and re-encoded reach it in 99 of 100 cases.
CLOSE = 0.75

#: Pairs whose embeddings are gathered at once.
_GATHERED = 65_536

#: Pairs of neighbours that are laid over each other between two reports of progress.
_STEP = 512

#: Pictures whose longer side is below this many px hold too little detail for a piece of it to be told.
_SMALL = 64

Rows = npt.NDArray[np.int64]


class Families:
    """Joins rows to families (union-find; Tarjan, 1975) and keeps how well each agrees with its best copy.

    Args:
        count: number of rows, each its own family at first.
    """

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count)
        self.agreement = np.full(count, -1.0, np.float32)

    def join(self, a: Rows, b: Rows, agreement: npt.NDArray[np.float32]) -> None:
        """Join rows (n,) with rows (n,)."""
        np.maximum.at(self.agreement, a, agreement)
        np.maximum.at(self.agreement, b, agreement)
        for one, other in zip(a.tolist(), b.tolist(), strict=True):
            first, second = sorted((self.root(one), self.root(other)))
            self._parent[second] = first

    def root(self, row: int) -> int:
        """Return the first row of a row's family."""
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = int(self._parent[row])
        return row

    def roots(self) -> Rows:
        """Return the first row of every row's family (N,)."""
        return np.array([self.root(row) for row in range(len(self._parent))], np.int64)

    def members(self) -> list[list[int]]:
        """Return the families of two rows or more, rows in order, families by their first row."""
        found: dict[int, list[int]] = defaultdict(list)
        for row, root in enumerate(self.roots().tolist()):
            found[root].append(row)
        return [rows for _, rows in sorted(found.items()) if len(rows) > 1]


def families_by_hash(images: CachedImages, *, block: int = HASH_BLOCK, progress: Progress | None = None) -> Families:
    """Join the same bytes, then pictures whose hashes are close and whose pixels agree, straight or mirrored.

    Args:
        images: the pictures.
        block: rows compared at once.
        progress: told how many rows are done.
    """
    families = Families(len(images.table))
    _, firsts, which = np.unique(images.content, return_index=True, return_inverse=True)
    same = firsts[which]  # the first row that has a row's bytes
    copied = np.flatnonzero(same != np.arange(len(same)))
    families.join(same[copied], copied, np.ones(len(copied), np.float32))
    distinct = np.sort(firsts).astype(np.int64)
    comparison = PictureComparison(images)
    for a, b, mirrored in close_hashes(images.looks, distinct, block=block, progress=progress):
        agreement = comparison.agreement(a, b, mirrored)
        found = comparison.same_picture(a, b, mirrored)
        families.join(a[found], b[found], agreement[found])
    return families


def join_by_embedding(
    families: Families,
    images: CachedImages,
    rows: Rows,
    neighbours: Neighbours,
    vectors: npt.NDArray[np.float32],
    progress: Progress | None = None,
) -> None:
    """Join pictures whose embeddings are close and one of which can be laid over the other.

    Args:
        families: are joined in place.
        images: the pictures.
        rows: the rows (n,) that the neighbours are those of.
        neighbours: places in ``rows``, of each the nearest.
        vectors: embeddings (n, D) of these rows, ``centred``.
        progress: told how many pairs are done.
    """
    first = np.repeat(np.arange(len(rows)), neighbours.places.shape[1])
    second = neighbours.places.ravel()
    pairs = np.unique(np.sort(np.stack([first, second], 1)[second >= 0], axis=1), axis=0)
    pairs = rows[pairs[_cosines(vectors, pairs) >= CLOSE]]
    large = images.sizes.max(1, initial=0) >= _SMALL
    pairs = pairs[large[pairs[:, 0]] & large[pairs[:, 1]]]
    registration = Registration(images)
    for start in range(0, len(pairs), _STEP):
        a, b = pairs[start : start + _STEP].T
        agreement = registration.agreement(a, b)
        found = agreement >= PIECE
        families.join(a[found], b[found], agreement[found])
        if progress is not None:
            progress(min(start + _STEP, len(pairs)), len(pairs))


def _cosines(vectors: npt.NDArray[np.float32], pairs: Rows) -> npt.NDArray[np.float32]:
    found = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), _GATHERED):
        a, b = pairs[start : start + _GATHERED].T
        found[start : start + _GATHERED] = np.einsum("nd,nd->n", vectors[a], vectors[b])
    return found


def close_hashes(
    looks: npt.NDArray[np.uint64], rows: Rows, *, block: int = HASH_BLOCK, progress: Progress | None = None
) -> Iterator[tuple[Rows, Rows, bool]]:
    """Yield rows and as many later rows whose hashes are close to theirs, and whether mirrored.

    Args:
        looks: (N, 2) hash of each picture and of its mirror image.
        rows: the rows to compare, in ascending order.
        block: rows compared at once.
        progress: told how many rows are done.
    """
    for i in range(0, len(rows), block):
        left = rows[i : i + block]
        for j in range(i, len(rows), block):
            right = rows[j : j + block]
            later = left[:, None] < right[None]
            for mirrored in (False, True):
                distance = np.bitwise_count(looks[left, 0][:, None] ^ looks[right, int(mirrored)][None])
                a, b = np.nonzero((distance <= HASH_BITS) & later)
                if len(a):
                    yield left[a], right[b], mirrored
        if progress is not None:
            progress(min(i + block, len(rows)), len(rows))
