"""What the benchmark of heads concludes from its runs."""

import pytest

from heads import ADDITIVE_ARM, ARMS, DATA, mixing_arms, rows_of

TOP1 = {
    "linear": (99, 99),
    "attention": (80, 84),
    "second order": (70, 72),
    "additive": (60, 61),
    "additive, taught": (61, 62),
    ADDITIVE_ARM: (81, 82),
}


def runs(**top1: tuple[float, float]) -> dict[str, list[dict[str, float]]]:
    return {arm: [{"top1": value, "cpu_hours": 0.5} for value in values] for arm, values in top1.items()}


def test_the_rivals_are_the_heads_that_mix() -> None:
    assert mixing_arms() == ["attention", "second order"]
    assert set(TOP1) == set(ARMS)
    assert all(config.head == "auto" for config in DATA.values())  # what the arms change


@pytest.mark.parametrize(("additive", "gap", "holds"), [((81, 82), 0.5, True), ((80, 82), 1.0, False)])
def test_the_gap_is_to_the_best_rival_seed_by_seed(additive: tuple[float, float], gap: float, holds: bool) -> None:
    row = rows_of("birds", runs(**TOP1 | {ADDITIVE_ARM: additive}))[-1]
    assert (row.value, row.goal, row.holds) == (gap, "<= 0.5", holds)
    assert row.anchor == "the best is attention"
    assert row.spread == pytest.approx(2.12 if holds else 1.41)


def test_every_arm_has_its_accuracy_with_spread_and_its_time() -> None:
    rows = {row.metric: row for row in rows_of("birds", runs(**TOP1))}
    assert rows["birds, attention: top-1 (%)"].value == 82
    assert rows["birds, attention: top-1 (%)"].spread == pytest.approx(2.83)
    assert rows["birds, linear: processor time of a training (h)"].value == 0.5
    assert len(rows) == 2 * len(ARMS) + 1
