import math

import pytest

from fieldmark.errors import ConfigError
from fieldmark.training.config import TrainConfig
from fieldmark.training.schedule import Plan, cut_plan, learning_rate_factor, plan_epochs


def factors(plan: Plan, steps: int, warmup: float) -> list[float]:
    values = []
    while plan.next_epoch < plan.total:
        values += [learning_rate_factor(plan, step, steps, warmup) for step in range(steps)]
        plan = plan.advanced()
    return values


def test_uncut_plan_is_half_a_cosine() -> None:
    values = factors(Plan(4, 1), steps=10, warmup=0)
    wanted = [0.5 * (1 + math.cos(math.pi * step / 50)) for step in range(50)]
    assert values == pytest.approx(wanted, abs=1e-12)


def test_warmup_rises_linearly_to_the_cosine() -> None:
    values = factors(Plan(5, 0), steps=10, warmup=2)
    plain = factors(Plan(5, 0), steps=10, warmup=0)
    assert [value / cosine for value, cosine in zip(values[:20], plain[:20], strict=True)] == pytest.approx(
        [(step + 1) / 20 for step in range(20)]
    )
    assert values[20:] == plain[20:]


def test_cut_plan_ends_at_zero_without_a_jump() -> None:
    plan = Plan(10, 0)
    for _ in range(4):
        plan = plan.advanced()
    before = learning_rate_factor(plan, 0, 100, 0)
    cut = cut_plan(plan, seconds=25, epoch_cost=10, finish_cost=40)
    assert cut.total == 6
    assert learning_rate_factor(cut, 0, 100, 0) == pytest.approx(before)
    assert learning_rate_factor(cut.advanced(), 99, 100, 0) == pytest.approx(0, abs=1e-3)


def test_cut_plan_drops_ordinary_epochs_before_finishing_ones() -> None:
    cut = cut_plan(Plan(10, 2, next_epoch=8), seconds=85, epoch_cost=10, finish_cost=40)
    assert (cut.epochs, cut.finish_epochs) == (8, 2)


def test_cut_plan_in_the_finishing_stage_drops_finishing_epochs() -> None:
    cut = cut_plan(Plan(4, 5, next_epoch=6), seconds=90, epoch_cost=10, finish_cost=40)
    assert (cut.epochs, cut.finish_epochs) == (4, 4)


def test_cut_plan_keeps_a_plan_that_fits() -> None:
    plan = Plan(10, 2, next_epoch=3)
    assert cut_plan(plan, seconds=1e6, epoch_cost=10, finish_cost=40) == plan


def test_limited_plan_fits_the_time() -> None:
    config = TrainConfig(epochs=30, finish_epochs=4, finish_resolution=224)
    plan = plan_epochs(config, seconds=200, epoch_cost=10, finish_cost=20)
    assert plan.epochs * 10 + plan.finish_epochs * 20 <= 200
    assert plan.epochs >= 15
    assert plan.finish_epochs >= 1


def test_a_limit_too_short_for_one_epoch_says_what_to_change() -> None:
    with pytest.raises(ConfigError, match="One epoch takes about 100 s") as caught:
        plan_epochs(TrainConfig(epochs=3), seconds=20, epoch_cost=100, finish_cost=100)
    assert "more time" in caught.value.cure
