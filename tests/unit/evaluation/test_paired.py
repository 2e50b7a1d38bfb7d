"""Which of two runs is better: what is found, in which words, and what can't be compared."""

from pathlib import Path

import numpy as np
import pytest

from evaluated_runs import MadeUp, write_evaluated_run, write_evaluated_seeds
from fieldmark.comparison_results import RunComparison
from fieldmark.errors import DataError
from fieldmark.evaluation import compare_runs
from fieldmark.evaluation.saved_predictions import load_predictions
from fieldmark.metrics import mcnemar


def test_two_runs_are_tested_picture_by_picture(tmp_path: Path) -> None:
    good, poor = write_evaluated_run(tmp_path / "good", 0.8), write_evaluated_run(tmp_path / "poor", 0.6, 1)
    found = compare_runs(good, poor)
    right = [load_predictions(run).correct for run in (good, poor)]
    top1, recall = found.figures
    test = mcnemar(*right)
    assert (found.only_first, found.only_second) == (test.only_first, test.only_second)
    assert (top1.name, top1.p, top1.test) == ("top1", test.p, "exact McNemar test")
    assert top1.difference.value == pytest.approx(right[0].mean() - right[1].mean())
    assert (top1.first, top1.second) == (pytest.approx(right[0].mean()), pytest.approx(right[1].mean()))
    assert (top1.better, recall.better) == ("first", "first")
    points = 100 * np.array([top1.difference.value, top1.difference.low, top1.difference.high])
    assert top1.words == (
        f"top-1: {good} is better by {points[0]:.1f} points, "
        f"95 % interval {points[1]:.1f} to {points[2]:.1f}; p < 0.001."
    )
    assert recall.test == "paired bootstrap over pictures"
    assert (found.n, found.groups, found.split) == (200, None, "test")
    assert RunComparison.from_json(found.to_json()) == found


def test_the_better_one_is_named_whichever_comes_first(tmp_path: Path) -> None:
    good, poor = write_evaluated_run(tmp_path / "good", 0.8), write_evaluated_run(tmp_path / "poor", 0.6, 1)
    figure = compare_runs(poor, good).figures[0]
    assert figure.better == "second"
    assert figure.difference.high < 0
    gain = -100 * figure.difference.value
    assert figure.words.startswith(f"top-1: {good} is better by {gain:.1f} points, 95 % interval ")


def test_what_is_chance_is_said_to_be(tmp_path: Path) -> None:
    runs = [write_evaluated_run(tmp_path / str(seed), 0.7, seed) for seed in range(2)]
    for figure in compare_runs(*runs).figures:
        assert figure.better == "neither"
        assert f"no difference shown ({runs[0]} less {runs[1]}: " in figure.words
        assert figure.difference.low <= 0 <= figure.difference.high
    same = compare_runs(runs[0], runs[0])
    assert (same.only_first, same.only_second, same.figures[0].p) == (0, 0, 1)


def test_a_figure_counts_as_different_only_where_test_and_interval_agree(tmp_path: Path) -> None:
    """Of pictures in groups McNemar's test is too sure; the interval draws whole groups and holds it back."""
    shares, figures = (0.8, 0.72), {}
    for size in (1, 100):
        data = MadeUp(grouped=size)
        runs = [write_evaluated_run(tmp_path / f"{size}-{share}", share, 0, data) for share in shares]
        figures[size] = compare_runs(*runs)
    alone, grouped = figures[1].figures[0], figures[100].figures[0]
    assert alone.p == grouped.p < 0.05
    assert alone.better == "first"
    assert grouped.better == "neither"
    assert grouped.difference.low == 0  # all pictures that differ are of the second group
    assert figures[100].groups == 2
    assert any("McNemar's test takes pictures for independent" in warning for warning in figures[100].warnings)
    assert not any("McNemar" in warning for warning in figures[1].warnings)


def test_folders_of_seeds_are_compared_over_seeds_and_pictures(tmp_path: Path) -> None:
    first = write_evaluated_seeds(tmp_path / "first", (0.85, 0.82, 0.88))
    second = write_evaluated_seeds(tmp_path / "second", (0.6, 0.65))
    found = compare_runs(first, second)
    means = [
        np.mean([load_predictions(run).correct.mean() for run in sorted(side.glob("*"))]) for side in (first, second)
    ]
    top1 = found.figures[0]
    assert (top1.first, top1.second) == (pytest.approx(means[0]), pytest.approx(means[1]))
    assert (found.first_trainings, found.second_trainings, found.only_first) == (3, 2, None)
    assert top1.test == "paired bootstrap over trainings and pictures"
    assert top1.better == "first"
    assert found.warnings == ()
    single = compare_runs(first / "seed-0", second / "seed-0").figures[0].difference
    assert top1.difference.high - top1.difference.low > single.high - single.low


def test_one_training_leaks_and_warnings_are_told(tmp_path: Path) -> None:
    seeds = write_evaluated_seeds(tmp_path / "seeds", (0.7, 0.7), MadeUp(leaks=2))
    run = write_evaluated_run(tmp_path / "run", 0.7, 0, MadeUp(leaks=2))
    alone, leaks = compare_runs(seeds, run).warnings
    assert alone.startswith(f"One training only of {run}: ")
    assert "--seeds 3" in alone
    assert "leaks" in leaks


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (MadeUp(fingerprint="0" * 16), "data with fingerprint ffffffffffffffff, .* 0000000000000000"),
        (MadeUp(split="val"), "split test, .* split val"),
        (MadeUp(shift=1), "different pictures"),
    ],
)
def test_runs_on_different_data_are_refused(tmp_path: Path, other: MadeUp, message: str) -> None:
    first = write_evaluated_run(tmp_path / "first", 0.7)
    second = write_evaluated_run(tmp_path / "second", 0.7, 1, other)
    with pytest.raises(DataError, match=message) as caught:
        compare_runs(first, second)
    assert "fieldmark evaluate" in caught.value.cure


def test_a_run_that_was_not_evaluated_is_refused(tmp_path: Path) -> None:
    run = write_evaluated_run(tmp_path / "run", 0.7)
    with pytest.raises(DataError, match="Evaluate the run first"):
        compare_runs(run, tmp_path)
