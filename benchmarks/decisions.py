"""How far decisions can be relied on: calibration, sets, unknowns and back-off, on heads over a frozen network.

    python benchmarks/decisions.py                     # grocery, cub50 and ham10000, 3 seeds
    python benchmarks/decisions.py --only grocery --seeds 1

A MobileNetV2 with ImageNet weights stays as it is, at 224 px; logistic regression on its standardised features is the
head, so that many rules can be fitted and tested at little cost. Of every data set and seed:

* ``known``: one head on the training rows, and two rules for it: one fitted on the validation split (grocery's and
  ham10000's own, 10 % of cub50's training rows), one on 5 folds of the training rows by heads that were learned without
  them. Both are measured on the test split. In place of other pictures to refuse, the test pictures of another data set
  are scored, too (``far``).
* ``near``: a fifth of the classes is left out of training; their test pictures are the unknown ones, among those of the
  other classes.
* ``choice``: the same among training rows alone, a fifth of each known class and all of the left-out ones being scored.
  The default score of unknowns is the one that was best here; the test split had no say in it.

Groups stay together. The test split is read once a run. Finished runs are kept in benchmarks/results/runs and not
repeated; the features are kept in the cache of decoded pictures.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiment import Experiment, argument_parser, deviation
from fieldmark.data.splits import folds, hold_out
from fieldmark.data.table import Table
from fieldmark.decide import (
    DEFAULT_SCORE,
    SCORES,
    Decider,
    HeldOut,
    RuleOptions,
    Said,
    fit_rule,
    fit_temperature,
    scaled_softmax,
)
from fieldmark.decide.novelty import fit_scales, novelty
from fieldmark.evaluation.decision_figures import measure_decisions
from fieldmark.evaluation.held_out import REFERENCES_PER_CLASS
from fieldmark.evaluation.outcome import Outcome
from fieldmark.metrics import auroc, expected_calibration_error
from fieldmark.models.bundle import BundleInfo
from fieldmark.models.reference import chosen_rows, normalised
from fieldmark.predict.neighbours import Neighbours
from fieldmark.records import Preprocessing
from frozen_features import FrozenFeatures, frozen_features, rows_of
from record import Json, Row, Scalar, write_results

#: Data set → the one whose pictures are far from it.
DATA = {"grocery": "cub50", "cub50": "grocery", "ham10000": "grocery"}

PARTS = ("choice", "known", "near")

RESOLUTION, QUICK_RESOLUTION = 224, 64

#: Inverse strength of the ridge, on standardised features.
STRENGTH = 0.01

SEEDS, FOLDS = 3, 5

#: Share of cub50's training rows that validate, and of the classes that are left out.
HELD_OUT, LEFT_OUT = 0.1, 0.2

#: Runs of another protocol are not mixed up with those of this one.
PROTOCOL = 2

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


class Job(NamedTuple):
    """One run."""

    data: str
    part: str
    seed: int


class Head:
    """Logistic regression on standardised features, and the reference pictures it was learned from.

    Args:
        features: (M, C) of training rows.
        labels: (M,) class indices, of N classes that all occur.
    """

    def __init__(self, features: NDArray[np.float32], labels: Indices) -> None:
        from sklearn.linear_model import LogisticRegression

        self._mean, deviation_ = features.mean(0), features.std(0)
        self._deviation = np.where(deviation_ > 0, deviation_, 1)
        self._model = LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-3)
        self._model.fit((features - self._mean) / self._deviation, labels)
        kept = chosen_rows(labels, REFERENCES_PER_CLASS)
        self._neighbours = Neighbours(normalised(features[kept]))

    def said(self, features: NDArray[np.float32], temperature: float = 1.0) -> Said:
        """Return what it says of B pictures."""
        logits = self._model.decision_function((features - self._mean) / self._deviation).astype(np.float64)
        similarities = self._neighbours.nearest(features, RuleOptions().neighbours)[0]
        return Said(logits, scaled_softmax(logits, temperature), similarities)


@dataclass(frozen=True)
class Rows:
    """Some rows of a data set."""

    table: Table
    embedding: NDArray[np.float32]

    @staticmethod
    def of(features: FrozenFeatures, split: str) -> "Rows":
        """Return the labelled rows of a split."""
        places = rows_of(features, split)
        return Rows(replace(features.table, frame=features.table.frame[places.tolist()]), features.embedding[places])

    def at(self, places: Indices) -> "Rows":
        """Return those at some places."""
        return Rows(replace(self.table, frame=self.table.frame[places.tolist()]), self.embedding[places])

    def labels(self, classes: Sequence[str]) -> Indices:
        """Return places of the labels among some classes; -1 of others."""
        numbers = {name: index for index, name in enumerate(classes)}
        return np.array([numbers.get(name, -1) for name in self.table.frame["label"]], dtype=np.int64)


class Bench(Experiment):
    """Fits and measures rules."""

    def key(self, job: Job) -> dict[str, Scalar]:
        """Return what decides a run's result."""
        return {**job._asdict(), "resolution": self.resolution, "protocol": PROTOCOL}

    @property
    def resolution(self) -> int:
        """Side of the pictures in px."""
        return QUICK_RESOLUTION if self.quick else RESOLUTION

    @cache  # noqa: B019 - lives as long as the process
    def features(self, name: str) -> FrozenFeatures:
        """Return the features of a data set, of which a split for validation is made where there is none."""
        found = frozen_features(name, self.shared, self.cache, self.resolution)
        return replace(found, table=hold_out(found.table, HELD_OUT))

    def run(self, job: Job) -> dict[str, Json]:
        """Make one run."""
        part = {"choice": self.choice, "known": self.known, "near": self.near}[job.part]
        result: dict[str, Json] = {**job._asdict(), **part(job)}
        print(json.dumps(result), flush=True)
        return result

    def known(self, job: Job) -> dict[str, Json]:
        """Fit two rules for one head and measure both on the test split."""
        features = self.features(job.data)
        classes = features.table.classes
        train, val, test = (Rows.of(features, split) for split in ("train", "val", "test"))
        head = Head(train.embedding, train.labels(classes))
        held = {"val": _held(head, val, classes, "split val"), "folds": _held_in_folds(train, classes, job.seed)}
        far = Rows.of(self.features(DATA[job.data]), "test")
        plain = expected_calibration_error(head.said(test.embedding).probabilities, test.labels(classes))
        result: dict[str, Json] = {"n": len(test.embedding), "ece_uncalibrated": 100 * plain}
        for source, rows in held.items():
            result[source] = _measured(head, rows, features.table, test, far, job.seed)
        return result

    def near(self, job: Job) -> dict[str, Json]:
        """Tell the test pictures of left-out classes from those of the others."""
        train, test = (Rows.of(self.features(job.data), split) for split in ("train", "test"))
        classes = _kept_classes(train.table, job.seed)
        learned = train.labels(classes) >= 0
        head = Head(train.embedding[learned], train.labels(classes)[learned])
        return {"unknown": _separated(head, train.at(np.flatnonzero(learned)), test, classes)}

    def choice(self, job: Job) -> dict[str, Json]:
        """Tell the training pictures of left-out classes from held-out ones of the others."""
        train = Rows.of(self.features(job.data), "train")
        classes = _kept_classes(train.table, job.seed + 100)
        known = train.at(np.flatnonzero(train.labels(classes) >= 0))
        unknown = np.flatnonzero(train.labels(classes) < 0)
        fit, held = folds(known.table, FOLDS, job.seed)[0]
        head = Head(known.embedding[fit], known.labels(classes)[fit])
        scored = train.at(np.concatenate([np.flatnonzero(train.labels(classes) >= 0)[held], unknown]))
        return {"unknown": _separated(head, known.at(fit), scored, classes)}


def _kept_classes(table: Table, seed: int) -> tuple[str, ...]:
    order = np.random.default_rng(seed).permutation(len(table.classes))
    left_out = order[: max(1, round(LEFT_OUT * len(order)))]
    return tuple(name for index, name in enumerate(table.classes) if index not in set(left_out.tolist()))


def _held(head: Head, rows: Rows, classes: Sequence[str], source: str) -> HeldOut:
    said = head.said(rows.embedding)
    return HeldOut(said.logits, rows.labels(classes), said.similarities, source)


def _held_in_folds(train: Rows, classes: Sequence[str], seed: int) -> HeldOut:
    """Let heads speak of training rows that they were learned without."""
    parts = []
    for fit, held in folds(train.table, FOLDS, seed):
        head = Head(train.embedding[fit], train.labels(classes)[fit])
        parts.append(_held(head, train.at(held), classes, ""))
    return HeldOut(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.similarities for part in parts]),
        f"{FOLDS} folds",
    )


def _measured(head: Head, held: HeldOut, table: Table, test: Rows, far: Rows, seed: int) -> dict[str, Json]:
    """Fit a rule and say how far it held."""
    classes, lineage = table.classes, table.lineage_of()
    rule, temperature = fit_rule(held, classes, table.rank_names, lineage, RuleOptions(seed=seed))
    said, strange = head.said(test.embedding, temperature), head.said(far.embedding, temperature)
    truth = test.labels(classes)
    decisions = Decider(rule, classes, table.rank_names, lineage)(said)
    info = BundleInfo(classes, Preprocessing(RESOLUTION), {}, table.rank_names, lineage)
    found = measure_decisions(
        Outcome(test.table.frame, tuple(classes), truth, said.probabilities, decisions), rule, info
    )
    return {
        "temperature": temperature,
        "rows": rule.rows,
        "top1": 100 * float((said.probabilities.argmax(1) == truth).mean()),
        "ece": 100 * expected_calibration_error(said.probabilities, truth),
        "ece_by_chance": 100 * _error_by_chance(said.probabilities),
        "coverage": 100 * found.coverage,
        "class_gap": 100 * found.class_gap,
        "class_gap_by_chance": 100 * _gap_by_chance(truth, rule.coverage),
        "size": found.mean_size,
        "sets": f"{rule.set_score} by {rule.thresholds_by}",
        "rejected": 100 * found.rejected,
        "precision": None if found.precision is None else 100 * found.precision,
        "depth": 100 * found.mean_depth,
        "named": {rank.name: 100 * rank.named for rank in found.ranks},
        "far": _areas(held, said, strange),
    }


def _separated(head: Head, train: Rows, scored: Rows, classes: Sequence[str]) -> dict[str, Json]:
    """Return how well every score tells unknown pictures, of label -1, from known ones."""
    labels = scored.labels(classes)
    inside = _held_in_folds(train, classes, 0)
    temperature = fit_temperature(inside.logits, inside.truth)
    known = head.said(scored.embedding[labels >= 0], temperature)
    unknown = head.said(scored.embedding[labels < 0], temperature)
    return _areas(inside, known, unknown)


def _areas(held: HeldOut, known: Said, unknown: Said) -> dict[str, Json]:
    temperature = fit_temperature(held.logits, held.truth)
    ground = Said(held.logits, scaled_softmax(held.logits, temperature), held.similarities)
    positive = np.arange(len(known.logits) + len(unknown.logits)) >= len(known.logits)
    areas: dict[str, Json] = {}
    for score in SCORES:
        scales = fit_scales(score, ground)
        areas[score] = 100 * auroc(np.concatenate([novelty(scales, known), novelty(scales, unknown)]), positive)
    return areas


def _error_by_chance(probabilities: Floats, draws: int = 200) -> float:
    """Return the calibration error that so few pictures give by chance, were every confidence exactly right."""
    confidence, generator = probabilities.max(1), np.random.default_rng(0)
    top, other = probabilities.argmax(1), probabilities.argmin(1)
    drawn = (np.where(generator.random(len(top)) < confidence, top, other) for _ in range(draws))
    return statistics.mean(expected_calibration_error(probabilities, truth) for truth in drawn)


def _gap_by_chance(truth: Indices, coverage: float, draws: int = 200) -> float:
    """Return the class coverage gap that so few test pictures give by chance, were every class covered as promised."""
    counts = np.bincount(truth)
    counts = counts[counts > 0]
    drawn = np.random.default_rng(0).binomial(counts, coverage, (draws, len(counts)))
    return float(np.abs(drawn / counts - coverage).mean())


@dataclass(frozen=True)
class Goal:
    """What is asked of a figure.

    Attributes:
        name: the figure in words.
        low: smallest value that holds.
        high: largest value that holds.
        anchor: what to compare with.
    """

    name: str
    low: float = -np.inf
    high: float = np.inf
    anchor: str | None = None

    def row(self, title: str, values: Sequence[float], anchor: str | None = None) -> Row:
        """Average over seeds and hold against the goal."""
        mean = statistics.mean(values)
        bounds = (np.isfinite(self.low), np.isfinite(self.high))
        goal = {
            (True, True): f"{self.low:g} to {self.high:g}",
            (True, False): f">= {self.low:g}",
            (False, True): f"<= {self.high:g}",
        }.get(bounds)
        holds = self.low <= mean <= self.high if goal else None
        return Row(f"{title}: {self.name}", round(mean, 2), deviation(values), goal, anchor or self.anchor, holds)


#: Figure of a rule → what is asked of it.
OF_RULES = {
    "ece": Goal("calibration error (%)", high=2),
    "coverage": Goal("coverage of sets that promise 90 % (%)", low=88.5, high=91.5),
    "class_gap": Goal("class coverage gap (points)", high=5),
    "size": Goal("mean size of a set", high=2.5),
    "rejected": Goal("known pictures refused (%)", anchor="promised 5"),
    "precision": Goal("names given that are right (%)", anchor="promised 95"),
    "depth": Goal("mean rank depth (% of ranks named)"),
    "top1": Goal("top-1 (%)"),
}

NEAR = Goal("AUROC of left-out classes", low=88, anchor="83.7, OpenOOD v1.5 near-OOD")
FAR = Goal("AUROC of pictures of another data set")
FAR_GOALS = {"grocery": replace(FAR, low=97)}


def main() -> None:
    """Run what is not stored yet and write the results of all."""
    arguments = argument_parser(__doc__, DATA, f"{SEEDS}", "small pictures, one seed: does it run?").parse_args()
    bench = Bench("decisions", arguments.shared, quick=arguments.quick)
    seeds = 1 if arguments.quick else arguments.seeds or SEEDS
    jobs = [Job(data, part, seed) for data in DATA for part in PARTS for seed in range(max(SEEDS, seeds))]

    def wanted(job: Job) -> bool:
        return arguments.only in (None, job.data) and job.seed < seeds

    found: list[dict[str, Json]] = []
    for result in bench.gather(jobs, wanted, bench.key, bench.run):
        found.append(result)
        if result["part"] == PARTS[-1]:
            write(found, arguments)  # what is there so far is kept, wherever it ends


def write(found: Sequence[Mapping[str, Json]], arguments: argparse.Namespace) -> None:
    """Average over seeds, hold against the goals, and write."""
    rows: list[Row] = []
    for data in DATA:
        runs = {part: [run for run in found if (run["data"], run["part"]) == (data, part)] for part in PARTS}
        rows += [*rows_of_rules(data, runs["known"]), *rows_of_unknowns(data, runs)]
    notes = {
        "protocol": (__doc__ or "").split("\n\n", 2)[2],
        "weights": "MobileNetV2, ImageNet-1k; overlap of CUB and ImageNet flatters cub50",
        "sets": json.dumps({f"{run['data']} {run['seed']}": _sets_of(run) for run in found if run["part"] == "known"}),
    }
    write_results("decisions", rows, out=arguments.out, quick=arguments.quick, notes=notes)


def _sets_of(run: Mapping[str, Json]) -> dict[str, Json]:
    return {source: run[source]["sets"] for source in ("val", "folds")}


def rows_of_rules(data: str, runs: Sequence[Mapping[str, Json]]) -> list[Row]:
    """Return how far the rules of a data set held, by what they were fitted on."""
    if not runs:
        return []
    rows = [Goal("calibration error without temperature (%)").row(data, [run["ece_uncalibrated"] for run in runs])]
    for source, name in (("val", "fitted on val"), ("folds", f"fitted in {FOLDS} folds")):
        title = f"{data}, {name}"
        for figure, goal in OF_RULES.items():
            values = [run[source][figure] for run in runs if run[source][figure] is not None]
            if values:
                rows.append(goal.row(title, values, _by_chance(figure, [run[source] for run in runs])))
    areas = [run["val"]["far"][DEFAULT_SCORE] for run in runs]
    rows.append(FAR_GOALS.get(data, FAR).row(f"{data} and {DATA[data]}, {DEFAULT_SCORE}", areas))
    return rows


def _by_chance(figure: str, runs: Sequence[Mapping[str, Json]]) -> str | None:
    """Return, in words, what a figure would be of a rule without fault, of as many pictures."""
    values = [run[f"{figure}_by_chance"] for run in runs if f"{figure}_by_chance" in run]
    return f"by chance alone {statistics.mean(values):.1f}" if values else None


def rows_of_unknowns(data: str, runs: Mapping[str, Sequence[Mapping[str, Json]]]) -> list[Row]:
    """Return how well unknown classes are told, by every score; only that of the default score has a goal."""
    rows = []
    for score in SCORES:
        title = f"{data}, {score}"
        if runs["near"]:
            goal = NEAR if score == DEFAULT_SCORE else Goal(NEAR.name)
            rows.append(goal.row(title, [run["unknown"][score] for run in runs["near"]]))
        if runs["choice"]:
            among = Goal("the same among training rows, where the score was chosen")
            rows.append(among.row(title, [run["unknown"][score] for run in runs["choice"]]))
        if runs["known"]:
            rows.append(FAR.row(title, [run["val"]["far"][score] for run in runs["known"]]))
    return rows


if __name__ == "__main__":
    main()
