"""What the benchmark of robustness concludes from its runs."""

from pathlib import Path

import pytest

from fieldmark.augment import OCCLUDERS
from robustness import ARMS, BASELINE, HELD_OUT, REMEDIED, REMEDIES, SETTINGS, Bench, Job, pairs_of, rows_of

LIGHTS = ("brightness", "contrast", "gamma", "shadow", "temperature")


def run(arm: str, seed: int, *, area: float, top1: float, light: float, head: float = 50.0) -> dict[str, object]:
    """A run whose area under the held-out occluder and accuracy in light are these; others are 70."""
    held_out = HELD_OUT[seed]
    return {
        "data": "birds",
        "arm": arm,
        "seed": seed,
        "held_out": held_out,
        "top1": top1,
        "clean": 80.0,
        "robust_n": 40,
        "training_cpu_hours": 0.1,
        "auc": {kind: area if kind == held_out else 70.0 for kind in OCCLUDERS},
        "light": dict.fromkeys(LIGHTS, light),
        "parts": [
            {"name": "head", "source": "annotated", "n": 38, "clean": 0.8, "hidden": head / 100, "elsewhere": 0.75},
            {"name": "foot", "source": "annotated", "n": 9, "clean": 0.8, "hidden": 0.0, "elsewhere": 0.75},
            {"name": "part 1", "source": "discovered", "n": 40, "clean": 0.8, "hidden": 0.0, "elsewhere": 0.75},
        ],
    }


def rows(*pairs: tuple[dict[str, object], dict[str, object]]) -> dict[str, object]:
    return {row.metric: row for row in rows_of("birds", pairs)}


GAIN = "birds: area under a held-out occluder, remedies less baseline (points)"
RELIEF = "birds: degradation by light that the remedies take away (%)"
LOST = "birds: clean accuracy, baseline less remedies (points)"


def test_what_the_remedies_change_is_told_seed_by_seed() -> None:
    pairs = [
        (
            run(BASELINE, 0, area=40, top1=80, light=60),  # a quarter of 80 is lost
            run(REMEDIED, 0, area=52, top1=79, light=70),  # an eighth
        ),
        (run(BASELINE, 1, area=30, top1=80, light=60), run(REMEDIED, 1, area=38, top1=80.5, light=70)),
    ]
    found = rows(*pairs)
    gain, relief, lost = found[GAIN], found[RELIEF], found[LOST]
    assert (gain.value, gain.goal, gain.holds) == (10.0, ">= 10", True)
    assert gain.spread == pytest.approx(2.83)
    assert "OASIC" in gain.anchor
    assert (relief.value, relief.goal, relief.holds) == (50.0, ">= 25", True)
    assert "AugMix" in relief.anchor
    assert (lost.value, lost.goal, lost.holds) == (0.25, "<= 1", True)
    assert found["birds, baseline: area under the held-out occluder (points)"].value == 35
    assert found["birds, remedies: area under the other occluders (points)"].value == 70
    head = found["birds, baseline: hiding the head costs (points)"]
    assert head.value == 30
    assert "elsewhere on the bird 5.0" in head.anchor


def test_goals_that_are_missed_say_so() -> None:
    found = rows((run(BASELINE, 0, area=40, top1=80, light=60), run(REMEDIED, 0, area=49, top1=78.5, light=63)))
    assert [found[metric].holds for metric in (GAIN, RELIEF, LOST)] == [False, False, False]
    assert found[RELIEF].value == 15.0
    nothing = rows((run(BASELINE, 0, area=40, top1=80, light=80), run(REMEDIED, 0, area=40, top1=80, light=80)))
    assert (nothing[RELIEF].value, nothing[RELIEF].holds) == (None, False)


def test_only_seeds_that_both_arms_ran_are_compared() -> None:
    found = [
        run(BASELINE, 0, area=40, top1=80, light=60),
        run(BASELINE, 1, area=40, top1=80, light=60),
        run(REMEDIED, 1, area=50, top1=80, light=60),
    ]
    ((before, after),) = pairs_of(found, "birds")
    assert (before["seed"], before["arm"], after["seed"], after["arm"]) == (1, BASELINE, 1, REMEDIED)
    assert pairs_of(found, "cub50") == []


def test_the_held_out_occluder_is_never_trained_and_all_else_is_the_same(tmp_path: Path) -> None:
    bench = Bench("robustness", tmp_path, quick=False)
    for name in SETTINGS:
        for seed in range(4):
            before, after = (bench.options(Job(name, arm, seed)) for arm in ARMS)
            assert (before.occlusion, before.lighting) == (0, 0)
            assert set(after.occluders) == set(OCCLUDERS) - {HELD_OUT[seed % 3]}
            changed = {*REMEDIES, "occluders"}
            same = [field for field in before.__dataclass_fields__ if field not in changed]
            assert all(getattr(before, field) == getattr(after, field) for field in same)
