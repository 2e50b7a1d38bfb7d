"""Leakage: the same picture, or the same animal, patient or product, on both sides of a split."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from fieldmark.data.cache import CachedImages
from fieldmark.data.copies import HASH_BITS, PictureComparison
from fieldmark.data.table import Table
from fieldmark.records import Leak

#: Rows compared at once; the memory is about 40 × _BLOCK² bytes.
_BLOCK = 1024


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
    copies = PictureComparison(images)
    for left, right, mirrored in _hash_pairs(images.looks, splits):
        same = copies.same_picture(left, right, mirrored)
        yield from zip(np.minimum(left, right)[same].tolist(), np.maximum(left, right)[same].tolist(), strict=True)


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
                    a, b = np.nonzero(distance <= HASH_BITS)
                    if len(a):
                        yield left[a], right[b], mirrored


def _group_leaks(table: Table) -> Iterator[Leak]:
    rows = table.frame.select("id", "group", "split").drop_nulls()
    firsts = rows.unique(["group", "split"], keep="first", maintain_order=True)
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for identity, group, split in firsts.iter_rows():
        groups[group].append((identity, split))
    for members in groups.values():
        for (first, first_split), (second, second_split) in combinations(members, 2):
            yield Leak("group", first, second, first_split, second_split)
