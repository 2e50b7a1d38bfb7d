from pathlib import Path

import numpy as np
import pytest

from decisions import NEAR, OF_RULES, Goal, _gap_by_chance, _kept_classes
from fieldmark.data.table import make_table


def test_a_goal_holds_within_its_bounds() -> None:
    coverage = OF_RULES["coverage"]
    rows = [coverage.row("x", values) for values in ([88.0, 89.0], [90.0, 92.0], [91.0, 93.0])]
    assert [row.holds for row in rows] == [True, True, False]
    assert rows[0].goal == "88.5 to 91.5"
    assert NEAR.row("x", [88.0]).holds is True
    assert OF_RULES["ece"].row("x", [2.01]).holds is False
    assert Goal("free").row("x", [1.0]).holds is None


def test_the_gap_by_chance_is_that_of_a_binomial() -> None:
    truth = np.repeat(np.arange(40), 30)
    drawn = np.random.default_rng(1).binomial(30, 0.9, 100_000) / 30
    assert _gap_by_chance(truth, 0.9) == pytest.approx(np.abs(drawn - 0.9).mean(), rel=0.05)


def test_a_fifth_of_the_classes_is_left_out() -> None:
    names = [f"class {index}" for index in range(50)]
    rows = make_table({"path": [f"{name}.jpg" for name in names], "label": names}, Path(), reader="x")
    kept = _kept_classes(rows, seed=3)
    assert len(kept) == 40
    assert kept != _kept_classes(rows, seed=4)
