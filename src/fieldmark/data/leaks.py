"""Leakage: the same picture, or the same animal, patient or product, on both sides of a split."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from fieldmark.data.cache import CachedImages
from fieldmark.data.perceptual import fine_detail, thumbnail
from fieldmark.data.table import Table
from fieldmark.records import Leak

#: Bits in which the hashes of two copies of a picture may differ; unrelated pictures differ in about 32 of 64.
_HASH_BITS = 8

#: Least correlation of the fine detail of two copies. Whole thumbnails won't do: shape and light alone agree in many
#: pictures (two dark moles at the centre: up to 0.998). Of copies re-encoded at JPEG quality 40, halved, blurred or
#: brightened, the detail of 99 % agrees to 0.90 or more, on birds, groceries and skin alike. The centre must agree as
#: well: the dark corners that one lens leaves in all its photos bring different moles to 0.92, but to 0.87 at the
#: centre (all pairs of HAM10000 with close hashes, on which this was chosen).
_DETAIL = 0.90

#: Rows and columns of a thumbnail that are left out on each side to leave its centre.
_BORDER = 6

#: Pictures whose longer side is below this many px (digits, icons) hold so little detail that two drawn alike reach
#: 0.97; of them only the next to equal count.
_SMALL = 64
_DETAIL_OF_SMALL = 0.99

#: Rows compared at once (the memory is about 40 × _BLOCK² bytes), and pairs verified at once.
_BLOCK = 1024
_PAIRS = 4096


def find_leaks(table: Table, images: CachedImages) -> tuple[Leak, ...]:
    """Find rows of different splits that show the same picture or share a group.

    Args:
        table: the rows to look at; rows of no split are passed over.
        images: their decoded pictures; rows that are not among them are compared by group only.

    Returns:
        Exact copies (same bytes), near copies (re-encoded, resized, mirrored, made lighter or grey) and shared groups,
        in that order. A pair of pictures is listed once. Of many exact copies each is listed with one on the other
        side, and a group once for each pair of splits it straddles.
    """
    wanted = dict(zip(table.frame["id"], table.frame["split"], strict=True))
    identities = images.table.frame["id"].to_list()
    splits = np.array([wanted.get(identity) or "" for identity in identities], dtype=np.str_)
    exact = sorted(set(_exact_pairs(images.content.tolist(), splits)))
    near = sorted((a, b) for a, b in set(_near_pairs(images, splits)) if images.content[a] != images.content[b])
    leaks = [_leak("exact", pair, identities, splits) for pair in exact]
    leaks += [_leak("near", pair, identities, splits) for pair in near]
    return (*leaks, *_group_leaks(table))


def find_copies(table: Table, content: Sequence[str]) -> tuple[Leak, ...]:
    """Find rows of different splits that hold the same, or share a group; of sounds and texts, as of any sample.

    Args:
        table: the rows to look at; rows of no split are passed over.
        content: for each row what it holds, or a digest of that.

    Returns:
        Exact copies, then shared groups, as ``find_leaks`` lists them.
    """
    identities = table.frame["id"].to_list()
    splits = np.array(table.frame["split"].fill_null("").to_list(), dtype=np.str_)
    pairs = sorted(set(_exact_pairs(content, splits)))
    return (*(_leak("exact", pair, identities, splits) for pair in pairs), *_group_leaks(table))


def _leak(kind: str, pair: tuple[int, int], identities: Sequence[str], splits: npt.NDArray[np.str_]) -> Leak:
    first, second = pair
    return Leak(kind, identities[first], identities[second], str(splits[first]), str(splits[second]))


def _exact_pairs(content: Sequence[str], splits: npt.NDArray[np.str_]) -> Iterator[tuple[int, int]]:
    """Yield pairs (a < b) of the same bytes; as many as the larger side has copies, not as the product has."""
    copies: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, digest in enumerate(content):
        if splits[row]:
            copies[digest][str(splits[row])].append(row)
    for sides in copies.values():
        for left, right in combinations(sides.values(), 2):
            for place in range(max(len(left), len(right))):
                a, b = left[min(place, len(left) - 1)], right[min(place, len(right) - 1)]
                yield min(a, b), max(a, b)


def _near_pairs(images: CachedImages, splits: npt.NDArray[np.str_]) -> Iterator[tuple[int, int]]:
    """Yield pairs (a < b) of different splits whose hashes, then pixels agree, straight or mirrored."""
    copies = _Copies(images)
    for left, right, mirrored in _hash_pairs(images.looks, splits):
        for start in range(0, len(left), _PAIRS):
            a, b = left[start : start + _PAIRS], right[start : start + _PAIRS]
            same = copies.same_picture(a, b, mirrored)
            yield from zip(np.minimum(a, b)[same].tolist(), np.maximum(a, b)[same].tolist(), strict=True)


def _hash_pairs(
    looks: npt.NDArray[np.uint64], splits: npt.NDArray[np.str_]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], bool]]:
    """Yield rows of one split, as many rows of another whose hashes are close to theirs, and whether mirrored."""
    sides = [np.flatnonzero(splits == name) for name in np.unique(splits[splits != ""])]
    for first, second in combinations(sides, 2):
        for i in range(0, len(first), _BLOCK):
            left = first[i : i + _BLOCK]
            for j in range(0, len(second), _BLOCK):
                right = second[j : j + _BLOCK]
                for mirrored in (False, True):
                    distance = np.bitwise_count(looks[left, 0][:, None] ^ looks[right, int(mirrored)][None])
                    a, b = np.nonzero(distance <= _HASH_BITS)
                    if len(a):
                        yield left[a], right[b], mirrored


class _Copies:
    """Tells copies by their pixels; thumbnails are made once, and only of the rows that are asked for."""

    def __init__(self, images: CachedImages) -> None:
        self._images = images
        count = len(images.pixels)
        self._known = np.zeros(count, np.bool_)
        # Half precision bounds the memory to 2 kB a picture; memory that is never written to is never taken.
        self._detail = np.empty((count, 32, 32), np.float16)
        self._small = images.sizes.max(1, initial=0) < _SMALL

    def same_picture(self, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], mirrored: bool) -> npt.NDArray[np.bool_]:
        """Tell of rows (n,) and (n,), the second mirrored or not, which show the same picture."""
        for row in np.unique(np.concatenate([a, b])):
            self._learn(int(row))
        least = np.where(self._small[a] | self._small[b], _DETAIL_OF_SMALL, _DETAIL)
        one, other = self._detail[a].astype(np.float32), self._detail[b].astype(np.float32)
        if mirrored:
            other = other[:, :, ::-1]
        centre = slice(_BORDER, -_BORDER)
        agreement = np.minimum(_correlation(one, other), _correlation(one[:, centre, centre], other[:, centre, centre]))
        same: npt.NDArray[np.bool_] = agreement >= least
        return same

    def _learn(self, row: int) -> None:
        if self._known[row]:
            return
        pixels = self._images.pixels[row]
        # The padding around two pictures of one shape is alike, and says nothing of them.
        left, top, width, height = self._images.windows[row].round().astype(int)
        inside = pixels[max(top, 0) : max(top + height, 1), max(left, 0) : max(left + width, 1)]
        grey = thumbnail(np.ascontiguousarray(inside))
        self._detail[row] = _unit(fine_detail(grey))
        self._known[row] = True


def _unit(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Scale to mean 0 and length 1; to zeros where all values are (but for rounding) the same."""
    centred = values - values.mean()
    length = float(np.linalg.norm(centred))
    # Two pictures without any contrast are told apart by nothing here; calling them copies would be a guess.
    return centred / length if length > 1e-3 else np.zeros_like(centred)


def _correlation(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the correlation, -1..1, of each of (n, H, W) with its partner; 0 where one of them has no contrast."""
    a, b = (values - values.mean(axis=(1, 2), keepdims=True) for values in (a, b))
    lengths = np.sqrt(np.einsum("nhw,nhw->n", a, a) * np.einsum("nhw,nhw->n", b, b))
    products: npt.NDArray[np.float32] = np.einsum("nhw,nhw->n", a, b)
    correlation: npt.NDArray[np.float32] = np.zeros_like(products)
    np.divide(products, lengths, out=correlation, where=lengths > 1e-6)
    return correlation


def _group_leaks(table: Table) -> Iterator[Leak]:
    rows = table.frame.select("id", "group", "split").drop_nulls()
    firsts = rows.unique(["group", "split"], keep="first", maintain_order=True)
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for identity, group, split in firsts.iter_rows():
        groups[group].append((identity, split))
    for members in groups.values():
        for (first, first_split), (second, second_split) in combinations(members, 2):
            yield Leak("group", first, second, first_split, second_split)
