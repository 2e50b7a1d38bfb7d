"""Which pictures stand for a class, a mark or a mistake: clear ones, of many individuals, the same ones every time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


def clear_examples(rows: Rows, scores: NDArray[np.float64], groups: Sequence[str | None], limit: int) -> list[int]:
    """Choose pictures that show something clearly, without all being of one kind.

    Of the clearer half, one of each individual, it takes some at even distances from the clearest to the least clear.

    Args:
        rows: (m,) the pictures to choose from.
        scores: (m,) how clearly each shows it.
        groups: (m,) what pictures of one individual share.
        limit: the most pictures.
    """
    order = np.argsort(-scores, kind="stable")
    clearer = order[: max(limit, (len(order) + 1) // 2)]
    distinct = _first_of_each(clearer, groups)
    pool = distinct if len(distinct) >= limit else [*distinct, *(place for place in clearer if place not in distinct)]
    if len(pool) <= limit:
        return [int(rows[place]) for place in pool]
    even = np.linspace(0, len(pool) - 1, limit).round().astype(int)
    return [int(rows[pool[place]]) for place in even]


def in_turn(choices: Sequence[Sequence[int]], limit: int) -> list[int]:
    """Take one of each list in turn, until there are enough or none is left.

    Of more lists than are wanted, some at even distances give one each, so that all kinds are met.
    """
    filled = [choice for choice in choices if choice]
    if len(filled) > limit:
        filled = [filled[place] for place in np.linspace(0, len(filled) - 1, limit).round().astype(int)]
    longest = max((len(choice) for choice in filled), default=0)
    mixed = [choice[place] for place in range(longest) for choice in filled if place < len(choice)]
    return mixed[:limit]


def _first_of_each(order: Rows, groups: Sequence[str | None]) -> list[int]:
    met: set[str] = set()
    kept = []
    for place in order.tolist():
        group = groups[place]
        if group is None or group not in met:
            kept.append(place)
        if group is not None:
            met.add(group)
    return kept
