from itertools import combinations

import numpy as np
import pytest

from fieldmark.explain.contributions import smallest_flip


def test_the_flip_is_the_fewest_parts() -> None:
    assert smallest_flip(2.0, [0.5, 1.5, -1.0, 1.0]) == (1, 3)
    assert smallest_flip(2.0, [0.5, 3.0, -1.0]) == (1,)


@pytest.mark.parametrize(("log_odds", "differences"), [(2.0, [1.0, 0.5]), (1.0, [-1.0, -2.0]), (1.0, []), (1.0, [1.0])])
def test_nothing_turns_it_where_the_bias_decides(log_odds: float, differences: list[float]) -> None:
    assert smallest_flip(log_odds, differences) is None


def literal(log_odds: float, differences: list[float]) -> int | None:
    """Try every set of parts, small sets first."""
    for size in range(1, len(differences) + 1):
        if any(log_odds - sum(parts) < 0 for parts in combinations(differences, size)):
            return size
    return None


@pytest.mark.parametrize("seed", range(30))
def test_no_other_set_is_smaller(seed: int) -> None:
    random = np.random.default_rng(seed)
    differences = random.normal(0.3, 1, random.integers(1, 9)).round(3).tolist()
    log_odds = abs(random.normal(0, 2)) + 1e-6
    found, expected = smallest_flip(log_odds, differences), literal(log_odds, differences)
    assert (None if found is None else len(found)) == expected
    if found is not None:
        assert log_odds - sum(differences[place] for place in found) < 0
