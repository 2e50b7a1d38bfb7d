"""Leakage: the same picture, or the same animal, patient or product, on both sides of a split."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from fieldmark.data.cache import CachedImages
from fieldmark.data.perceptual import thumbnail
from fieldmark.data.table import Table
from fieldmark.records import Leak

#: Bits in which the hashes of two copies of a picture may differ; unrelated pictures differ in about 32 of 64.
_HASH_BITS = 8

#: Least correlation of the thumbnails of two copies; others that share a hash (two gulls before one sky) fall below.
_CORRELATION = 0.98

#: Rows compared at once; bounds the memory to _BLOCK² bytes or so.
_BLOCK = 2048


def find_leaks(table: Table, images: CachedImages) -> tuple[Leak, ...]:
    """Find rows of different splits that show the same picture or share a group.

    Args:
        table: the rows to look at; rows of no split are passed over.
        images: their decoded pictures; rows that are not among them are compared by group only.

    Returns:
        Exact copies (same bytes), near copies (re-encoded, resized or mirrored) and shared groups, in that order;
        a pair of pictures is listed once, a group once for each pair of splits it straddles.
    """
    wanted = dict(zip(table.frame["id"], table.frame["split"], strict=True))
    identities = images.table.frame["id"].to_list()
    splits = np.array([wanted.get(identity) or "" for identity in identities])
    exact = set(_exact_pairs(images.content, splits))
    near = [pair for pair in _near_pairs(images, splits) if pair not in exact]
    leaks = [_leak("exact", pair, identities, splits) for pair in sorted(exact)]
    leaks += [_leak("near", pair, identities, splits) for pair in near]
    return (*leaks, *_group_leaks(table))


def _leak(kind: str, pair: tuple[int, int], identities: list[str], splits: npt.NDArray[np.str_]) -> Leak:
    first, second = pair
    return Leak(kind, identities[first], identities[second], str(splits[first]), str(splits[second]))


def _exact_pairs(content: npt.NDArray[np.str_], splits: npt.NDArray[np.str_]) -> Iterator[tuple[int, int]]:
    copies: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(content):
        if splits[row]:
            copies[str(digest)].append(row)
    for rows in copies.values():
        yield from ((a, b) for a, b in combinations(rows, 2) if splits[a] != splits[b])


def _near_pairs(images: CachedImages, splits: npt.NDArray[np.str_]) -> list[tuple[int, int]]:
    """Return pairs (a < b) of different splits whose hashes and then thumbnails agree, straight or mirrored."""
    pairs = []
    for a, b, mirrored in _hash_pairs(images.looks, splits):
        first, second = images.pixels[a], images.pixels[b]
        if mirrored:
            second = second[:, ::-1]
        if _correlation(first, second) >= _CORRELATION:
            pairs.append((a, b))
    return sorted(set(pairs))


def _hash_pairs(looks: npt.NDArray[np.uint64], splits: npt.NDArray[np.str_]) -> Iterator[tuple[int, int, bool]]:
    rows = np.flatnonzero(splits != "")
    codes = np.unique(splits, return_inverse=True)[1]
    for i in range(0, len(rows), _BLOCK):
        left = rows[i : i + _BLOCK]
        for j in range(i, len(rows), _BLOCK):
            right = rows[j : j + _BLOCK]
            apart = codes[left][:, None] != codes[right][None]
            for mirrored in (False, True):
                distance = np.bitwise_count(looks[left, 0][:, None] ^ looks[right, int(mirrored)][None])
                for a, b in np.argwhere((distance <= _HASH_BITS) & apart):
                    first, second = int(left[a]), int(right[b])
                    if first < second:
                        yield first, second, mirrored


def _correlation(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> float:
    a, b = thumbnail(np.ascontiguousarray(first)).ravel(), thumbnail(np.ascontiguousarray(second)).ravel()
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    # Two pictures without any contrast are told apart by nothing here; calling them copies would be a guess.
    return float(a @ b) / scale if scale > 1e-6 else 0.0


def _group_leaks(table: Table) -> Iterator[Leak]:
    rows = table.frame.select("id", "group", "split").drop_nulls()
    firsts = rows.unique(["group", "split"], keep="first", maintain_order=True)
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for identity, group, split in firsts.iter_rows():
        groups[group].append((identity, split))
    for members in groups.values():
        for (first, first_split), (second, second_split) in combinations(members, 2):
            yield Leak("group", first, second, first_split, second_split)
