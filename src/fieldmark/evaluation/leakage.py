"""Leaks that touch the evaluated split: inside its own data, and from the pictures that were trained on."""

from collections.abc import Sequence
from pathlib import Path

from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.table import Table
from fieldmark.errors import DataError
from fieldmark.records import Leak, Preprocessing


def leaks_of(split: str, leaks: Sequence[Leak]) -> tuple[Leak, ...]:
    """Keep the leaks between a split and others, the row outside it first."""
    turned = (
        Leak(leak.kind, leak.second, leak.first, leak.second_split, leak.first_split)
        if leak.first_split == split
        else leak
        for leak in leaks
        if leak.first_split != leak.second_split
    )
    return tuple(leak for leak in turned if leak.second_split == split)


def leaks_from_training(
    trained: Table, images: CachedImages, split: str, preprocessing: Preprocessing, cache: Path
) -> tuple[Leak, ...] | None:
    """Find the evaluated pictures that are, byte for byte, among those of another table's training rows.

    Args:
        trained: the table that the run was trained on.
        images: the pictures of the evaluated table.
        split: the evaluated split.
        preprocessing: the bundle's; with it the trained pictures are already cached.
        cache: folder of decoded pictures.

    Returns:
        The leaks; ``None`` where the trained pictures are no longer there.
    """
    try:
        before = cache_images(trained, preprocessing, cache)
    except DataError:
        return None  # moved or deleted since; the caller says that nothing was checked
    rows = zip(before.table.frame.select("id", "split").iter_rows(), before.content.tolist(), strict=True)
    places = {digest: name for (name, of_split), digest in rows if of_split == "train"}
    evaluated = zip(images.table.frame.select("id", "split").iter_rows(), images.content.tolist(), strict=True)
    return tuple(
        Leak("exact", places[digest], name, "train", split)
        for (name, of_split), digest in evaluated
        if of_split == split and digest in places
    )
