"""Which of two runs is better, on the same pictures: paired tests of what their evaluations left."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fieldmark import metrics
from fieldmark.comparison_results import FigureDifference, RunComparison
from fieldmark.errors import DataError
from fieldmark.evaluation.saved_predictions import SavedPredictions, load_predictions
from fieldmark.metrics import Difference, Measure
from fieldmark.training.run_folder import seed_folders

#: A difference counts as shown where p is below this and its 95 % interval leaves out 0.
SIGNIFICANT = 0.05

_MCNEMAR = "exact McNemar test"
_BOOTSTRAP = "paired bootstrap over pictures"
_BOTH = "paired bootstrap over trainings and pictures"


@dataclass(frozen=True)
class _Side:
    """One of the two that are compared.

    Attributes:
        name: its folder, as it was named.
        trainings: the predictions of its trainings, one or more, on the same pictures.
    """

    name: str
    trainings: tuple[SavedPredictions, ...]

    @cached_property
    def top1(self) -> list[Measure]:
        return [metrics.weighted_mean(training.correct) for training in self.trainings]

    @cached_property
    def macro_recall(self) -> list[Measure]:
        return [metrics.weighted_macro_recall(training.truth, training.predicted) for training in self.trainings]


def compare_runs(first: Path | str, second: Path | str, *, seed: int = 0) -> RunComparison:
    """Compare two evaluated runs on the pictures that both were evaluated on.

    Of two single runs, top-1 is tested by McNemar's exact test; intervals, and all tests of folders of several seeds,
    are by the paired bootstrap: over groups where the data have some, and over trainings where there are several.

    Args:
        first: the folder of an evaluated run, or of several seeds.
        second: another.
        seed: of the bootstrap.

    Raises:
        DataError: one was not evaluated, or they were evaluated on different data, splits or pictures.
    """
    sides = (_side(Path(first)), _side(Path(second)))
    _check_same_pictures(sides)
    a, b = sides
    whole = a.trainings[0]
    groups, count = whole.groups, len(whole.ids)
    both = [
        metrics.paired_difference(x, y, count, groups=groups, seed=seed)
        for x, y in ((a.top1, b.top1), (a.macro_recall, b.macro_recall))
    ]
    single = len(a.trainings) == len(b.trainings) == 1
    test = metrics.mcnemar(whole.correct, b.trainings[0].correct) if single else None
    by_draws = _BOOTSTRAP if single else _BOTH
    names = {group for group in groups if group is not None}
    return RunComparison(
        first=a.name,
        second=b.name,
        fingerprint=whole.result.fingerprint,
        split=whole.result.split,
        n=count,
        groups=len(names) or None,
        first_trainings=len(a.trainings),
        second_trainings=len(b.trainings),
        only_first=test.only_first if test else None,
        only_second=test.only_second if test else None,
        figures=(
            _figure("top1", sides, both[0], test.p if test else both[0].p, _MCNEMAR if test else by_draws),
            _figure("macro_recall", sides, both[1], both[1].p, by_draws),
        ),
        warnings=_warnings(sides, grouped=bool(names), single=single),
    )


def _side(folder: Path) -> _Side:
    runs = seed_folders(folder) or (folder,)
    return _Side(str(folder), tuple(load_predictions(run) for run in runs))


def _check_same_pictures(sides: Sequence[_Side]) -> None:
    """Refuse runs that were not evaluated on the same pictures with the same labels."""
    first = sides[0].trainings[0]
    for training in (training for side in sides for training in side.trainings):
        for words, one, other in (
            ("data with fingerprint", first.result.fingerprint, training.result.fingerprint),
            ("split", first.result.split, training.result.split),
        ):
            if one != other:
                raise DataError(
                    f"{first.run} was evaluated on {words} {one}, {training.run} on {words} {other}.",
                    "Evaluate both on the same: fieldmark evaluate RUN DATA --split NAME.",
                )
        if first.ids != training.ids or _labels(first) != _labels(training):
            raise DataError(
                f"{first.run} and {training.run} were evaluated on different pictures.",
                "Evaluate both again on the same data: fieldmark evaluate RUN DATA.",
            )


def _labels(training: SavedPredictions) -> list[str]:
    return [training.result.classes[index] for index in training.truth]


def _figure(name: str, sides: Sequence[_Side], found: Difference, p: float, test: str) -> FigureDifference:
    a, b = (_mean_of(side, name) for side in sides)
    interval = found.interval
    shown = p < SIGNIFICANT and not interval.low <= 0 <= interval.high
    better = ("first" if interval.value > 0 else "second") if shown else "neither"
    return FigureDifference(name, a, b, interval, p, test, better, _words(name, sides, found, p, better))


def _mean_of(side: _Side, name: str) -> float:
    values = [float(getattr(training.result, name)) for training in side.trainings]
    return sum(values) / len(values)


def _words(name: str, sides: Sequence[_Side], found: Difference, p: float, better: str) -> str:
    """Say what a difference means, such as "A is better by 2.1 points, 95 % interval 0.8 to 3.4; p = 0.002"."""
    what = {"top1": "top-1", "macro_recall": "macro recall"}[name]
    value, low, high = (100 * end for end in (found.interval.value, found.interval.low, found.interval.high))
    if better == "second":
        value, low, high = -value, -high, -low
    chance = f"p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"
    ends = f"95 % interval {low:.1f} to {high:.1f}; {chance}"
    if better == "neither":
        a, b = (side.name for side in sides)
        return f"{what}: no difference shown ({a} less {b}: {value:+.1f} points, {ends})."
    winner = sides[0 if better == "first" else 1].name
    return f"{what}: {winner} is better by {value:.1f} points, {ends}."


def _warnings(sides: Sequence[_Side], *, grouped: bool, single: bool) -> tuple[str, ...]:
    found = list(dict.fromkeys(warning for side in sides for warning in side.trainings[0].result.warnings))
    alone = [side.name for side in sides if len(side.trainings) == 1]
    if alone:
        who = " and ".join(dict.fromkeys(alone))
        found.append(
            f"One training only of {who}: the test knows the chance of the pictures, not that of training. "
            "Train several: fieldmark train --seeds 3."
        )
    if grouped and single:
        found.append(
            "McNemar's test takes pictures for independent; those of a group are not. The interval draws whole groups."
        )
    if sides[0].trainings[0].result.leaks:
        found.append("There are leaks between splits: both accuracies flatter, and perhaps not alike.")
    return tuple(found)
