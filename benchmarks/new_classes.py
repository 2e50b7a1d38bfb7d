"""New classes from five pictures each, without training: what they gain, and what they cost the classes there were.

    python benchmarks/new_classes.py           # cub50, 3 draws of 10 new classes and of their pictures
    python benchmarks/new_classes.py --tune    # the search for the options, on rows outside the test split

Of 50 birds 40 are learned: logistic regression on the features of a frozen ImageNet network, from four fifths of their
training pictures; the others are held out, and what the bundle promises is fitted on them. The other 10 classes are
then added one after another with ``add_class``, from 5 pictures each. Beside it stands the full retrain: the same
regression on all 50 classes, with all 30 pictures of the new ones; and one with their 5 pictures only. The test split
is read once a draw, at its end. Finished draws are kept and not repeated.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from experiment import MOBILENET, Experiment, argument_parser, deviation
from fieldmark.data.table import Table
from fieldmark.decide import HeldOut, RuleOptions, fit_rule, limits_of
from fieldmark.gallery import add_class
from fieldmark.gallery import fitting as gallery_fitting
from fieldmark.gallery.collect import identity_for
from fieldmark.gallery.fitting import OldPictures, caution, fit_row
from fieldmark.gallery.rows import ClassRows, put_rows, rows_of
from fieldmark.gallery.stored import StoredPictures
from fieldmark.models.bundle import BundleInfo, load_bundle, save_bundle
from fieldmark.models.reference import Reference, normalised
from fieldmark.predict import load_predictor
from fieldmark.predict.contract import NetworkOutputs
from fieldmark.predict.deciding import record_decisions
from fieldmark.predict.neighbours import Neighbours
from fieldmark.training.assembly import build_model, model_spec
from fieldmark.training.config import TrainConfig
from fieldmark.training.run_folder import BUNDLE, make_run
from frozen_features import FrozenFeatures, frozen_features
from record import Json, Row, Scalar, write_results

DATA = "cub50"

RESOLUTION, QUICK_RESOLUTION = 160, 64

#: Classes that are new, pictures of each, draws; of a quick run.
NEW, SHOTS, DRAWS = 10, 5, 3
QUICK_NEW = 2

#: Every so many-th training picture of a class is held out.
HELD_OUT = 5

#: Inverse strength of the ridge of the regression, on standardised features: that of ``train --initial-head logistic``.
STRENGTH = 0.03

#: Test pictures that pass the real predictor, too, to see that it says the same.
CHECKED = 24

#: Goals in points.
MOST_BEHIND, MOST_LOST, MOST_COVERAGE = 10.0, 1.0, 2.0

#: What ``--tune`` tries: ridge, favour.
TUNING = ((3e-4, 3.0), (1e-3, 1.0), (1e-3, 3.0), (1e-3, 6.0), (1e-3, 12.0), (3e-3, 3.0), (3e-3, 6.0))

#: The draws of ``--tune``: none of those that are measured.
TUNED_DRAWS = (100, 101, 102)

#: Runs of another protocol are not mixed up with those of this one.
PROTOCOL = 1

Floats = NDArray[np.float64]


class Job(NamedTuple):
    """One draw of classes and pictures."""

    draw: int


@dataclass(frozen=True)
class Drawn:
    """A draw: places of rows among all pictures.

    Attributes:
        old: the classes that are learned, in order.
        new: the classes that are added, in order.
        train: training pictures of the old classes.
        held: those of them that are held out.
        shots: new class → the pictures that it is learned from.
        others: new class → its other training pictures.
        test: the test pictures of all classes.
    """

    old: tuple[str, ...]
    new: tuple[str, ...]
    train: NDArray[np.int64]
    held: NDArray[np.int64]
    shots: Mapping[str, NDArray[np.int64]]
    others: Mapping[str, NDArray[np.int64]]
    test: NDArray[np.int64]


def main() -> None:
    """Run what is not stored yet and write the results of all; or search for the options."""
    parser = argument_parser(__doc__, (DATA,), f"{DRAWS}", "two new classes, one draw, 64 px: does it run?")
    parser.add_argument("--tune", action="store_true", help="print what each option comes to outside the test split")
    arguments = parser.parse_args()
    bench = Bench("new_classes", arguments.shared, quick=arguments.quick)
    if arguments.tune:
        bench.tune()
        return
    draws = 1 if arguments.quick else arguments.seeds or DRAWS
    jobs = [Job(draw) for draw in range(draws)]
    found: list[dict[str, Json]] = []
    for result in bench.gather(jobs, lambda _: True, bench.key, bench.run):
        found.append(result)
        write(found, arguments)  # what is there so far is kept, wherever it ends


class Bench(Experiment):
    """Adds classes and measures."""

    @property
    def resolution(self) -> int:
        """Side of the pictures in px."""
        return QUICK_RESOLUTION if self.quick else RESOLUTION

    @property
    def count(self) -> int:
        """Number of new classes."""
        return QUICK_NEW if self.quick else NEW

    @property
    def config(self) -> TrainConfig:
        """How the bundle's network is built."""
        return TrainConfig(
            **MOBILENET,
            backbone_options={"pad_type": "same"},
            weights=self.mobilenet_weights,
            initial_head="logistic",
            resolution=self.resolution,
        )

    def key(self, job: Job) -> dict[str, Scalar]:
        """Return what decides a draw's result."""
        options = {
            "ridge": gallery_fitting.RIDGE,
            "favour": gallery_fitting.FAVOUR,
            "taken": gallery_fitting.MOST_TAKEN,
        }
        return {
            **job._asdict(),
            **options,
            "new": self.count,
            "shots": SHOTS,
            "resolution": self.resolution,
            "protocol": PROTOCOL,
        }

    @cache  # noqa: B019 - lives as long as the process
    def features(self) -> FrozenFeatures:
        """Return all pictures as the network sees them."""
        return frozen_features(DATA, self.shared, self.cache, self.resolution)

    def run(self, job: Job) -> dict[str, Json]:
        """Learn the old classes, add the new ones, and measure both bundles on the test split."""
        features = self.features()
        drawn = draw(features.table, job.draw, self.count)
        with self.scratch() as out:
            self.learn(out, drawn)
            bundles, own = [out / BUNDLE], []
            for name in drawn.new:
                files = [str(features.table.root / features.table.frame["path"][int(row)]) for row in drawn.shots[name]]
                added = add_class(bundles[-1], name, files, out=out / f"{BUNDLE}-{len(bundles)}", cache=self.cache)
                bundles.append(added.bundle)
                own.append(added.recognised or 0.0)
            before, after = (Measured.of(bundle, features, drawn.test) for bundle in (bundles[0], bundles[-1]))
            difference = self.difference(bundles[-1], after, drawn)
        result: dict[str, Json] = {
            "draw": job.draw,
            "n": len(drawn.test),
            "new": list(drawn.new),
            "recognised_left_out": round(100 * statistics.mean(own), 3),
            "predictor_differs": difference,
            **figures(before, after, drawn),
            **self.retrained(drawn),
        }
        print(json.dumps(result), flush=True)
        return result

    def learn(self, out: Path, drawn: Drawn) -> None:
        """Write a run that knows the old classes, with its table, what its network sees, and its decisions."""
        features = self.features()
        places = np.sort(np.concatenate([drawn.train, drawn.held]))
        held = set(drawn.held.tolist())
        splits = ["val" if row in held else "train" for row in places.tolist()]
        frame = features.table.frame[places.tolist()].with_columns(pl.Series("split", splits))
        table = replace(features.table, frame=frame, classes=drawn.old)
        recognizer, preprocessing = build_model(self.config, len(drawn.old))
        rows, bias = regression(features.embedding[drawn.train], labels_of(features, drawn.train), drawn.old)
        put_rows(recognizer, ClassRows(rows[None], bias))
        make_run(out, self.config, table)
        spec = asdict(model_spec(self.config, len(drawn.old)))
        info = BundleInfo(drawn.old, preprocessing, spec, data_fingerprint=table.fingerprint())
        save_bundle(out / BUNDLE, recognizer, info)
        stored(features, places, splits, identity_for(out / BUNDLE, table)).save(out)
        self.decide(out, drawn, ClassRows(rows[None], bias), info)

    def decide(self, out: Path, drawn: Drawn, classes: ClassRows, info: BundleInfo) -> None:
        """Fit what the bundle promises on the held-out pictures, as ``fieldmark calibrate`` does."""
        embedding = self.features().embedding
        truth = [drawn.old.index(label) for label in labels_of(self.features(), drawn.train)]
        ids = tuple(self.features().table.frame["id"][int(row)] for row in drawn.train)
        reference = Reference(normalised(embedding[drawn.train]), np.array(truth, dtype=np.int64), ids)
        similarities = Neighbours(reference.embeddings).nearest(embedding[drawn.held], RuleOptions().neighbours)[0]
        truth = [drawn.old.index(label) for label in labels_of(self.features(), drawn.held)]
        logits = classes.logits(embedding[drawn.held][:, None])
        held = HeldOut(logits, np.array(truth, dtype=np.int64), similarities, "split val")
        rule, temperature = fit_rule(held, info.classes, info.rank_names, info.lineage, RuleOptions())
        record_decisions(out, rule, temperature, reference, limits_of(rule, temperature))

    def difference(self, bundle: Path, after: "Measured", drawn: Drawn) -> float:
        """Return by how much the real predictor's probabilities of some test pictures differ from those measured."""
        frame = self.features().table.frame
        predictor, largest = load_predictor(bundle, top=1), 0.0
        places = np.linspace(0, len(drawn.test) - 1, CHECKED).round().astype(np.int64)
        paths = [self.features().table.root / frame["path"][int(drawn.test[place])] for place in places]
        for place, said in zip(places, predictor(paths), strict=True):
            largest = max(largest, abs(float(after.probabilities[place].max()) - (said.probability or 0.0)))
        return round(largest, 6)

    def retrained(self, drawn: Drawn) -> dict[str, Json]:
        """Return the accuracy of regressions on all classes: with all pictures of the new ones, and with a few."""
        features = self.features()
        truth = labels_of(features, drawn.test)
        is_new = np.isin(truth, drawn.new)
        result: dict[str, Json] = {}
        for name, with_others in (("retrain", True), ("retrain_few", False)):
            shots = [drawn.shots[label] for label in drawn.new]
            others = [drawn.others[label] for label in drawn.new] if with_others else []
            places = np.concatenate([drawn.train, *shots, *others])
            classes = (*drawn.old, *drawn.new)
            rows, bias = regression(features.embedding[places], labels_of(features, places), classes)
            logits = features.embedding[drawn.test] @ rows.T + bias
            right = np.array(classes)[logits.argmax(axis=1)] == truth
            result |= {f"{name}_all": share(right), f"{name}_old": share(right[~is_new])}
            result[f"{name}_new"] = share(right[is_new])
        return result

    def tune(self) -> None:
        """Print what each option comes to on held-out pictures of old classes and unused pictures of new ones."""
        features = self.features()
        for ridge, favour in TUNING:
            lost, gained = zip(*(self.tuned(draw_, ridge, favour) for draw_ in TUNED_DRAWS), strict=True)
            print(
                f"ridge {ridge:g}, favour {favour:g}: old classes lose {statistics.mean(lost):.2f} points, "
                f"new ones are recognised {statistics.mean(gained):.1f} % ({len(features.table)} pictures)",
                flush=True,
            )

    def tuned(self, number: int, ridge: float, favour: float) -> tuple[float, float]:
        """Return points lost by the old classes and the per cent of new pictures recognised, for one draw.

        Half of the held-out pictures say how far a new class's logit is lowered, the others what is lost.
        """
        features = self.features()
        drawn = draw(features.table, number, self.count)
        rows, bias = regression(features.embedding[drawn.train], labels_of(features, drawn.train), drawn.old)
        places = np.concatenate([drawn.train, *drawn.shots.values(), drawn.held, *drawn.others.values()])
        where = {int(row): place for place, row in enumerate(places)}
        basis = features.embedding[places].astype(np.float64)
        logits = basis @ rows.T + bias
        learned = list(range(len(drawn.train)))
        truth = labels_of(features, places)
        indices = np.array([(*drawn.old, *drawn.new).index(label) for label in truth])
        guards, held = ([where[int(row)] for row in drawn.held[half::2]] for half in (0, 1))
        for name in drawn.new:
            shots = [where[int(row)] for row in drawn.shots[name]]
            old = OldPictures(basis[learned], logits[learned], np.full(len(learned), -1))
            row = fit_row(basis[shots], logits[shots], old, ridge=ridge, favour=favour)
            scores = basis @ row.weights + row.bias
            scores += caution(scores[guards], logits[guards], indices[guards])
            logits = np.concatenate([logits, scores[:, None]], axis=1)
            learned += shots
        called = np.array((*drawn.old, *drawn.new))[logits.argmax(axis=1)]
        called_before = np.array(drawn.old)[logits[:, : len(drawn.old)].argmax(axis=1)]
        new = [where[int(row)] for rows_ in drawn.others.values() for row in rows_]
        lost = (called_before == truth)[held].mean() - (called == truth)[held].mean()
        return 100 * float(lost), 100 * float((called == truth)[new].mean())


@dataclass(frozen=True)
class Measured:
    """What a bundle says of the test pictures.

    Attributes:
        classes: its classes.
        truth: (n,) the pictures' true classes.
        probabilities: (n, N) calibrated.
        covered: (n,) whether the set of candidates holds the true class.
        sizes: (n,) number of candidates.
        known: (n,) whether the picture counts as one of a known class.
    """

    classes: tuple[str, ...]
    truth: NDArray[np.str_]
    probabilities: Floats
    covered: NDArray[np.bool_]
    sizes: Floats
    known: NDArray[np.bool_]

    @staticmethod
    def of(bundle: Path, features: FrozenFeatures, places: NDArray[np.int64]) -> "Measured":
        """Measure a bundle on features, by its own rows and decisions."""
        predictor = load_predictor(bundle)
        recognizer, info = load_bundle(bundle)
        embedding = features.embedding[places]
        vectors, presence = embedding[:, None], np.ones((len(places), 1), np.float32)
        logits = rows_of(recognizer).logits(vectors)
        nothing = np.empty((len(places), 1, 0), np.float32)
        said = NetworkOutputs(logits, embedding, vectors, presence, nothing, nothing)
        decisions = predictor.decisions(said)
        truth = labels_of(features, places)
        return Measured(
            classes=info.classes,
            truth=truth,
            probabilities=predictor.calibrated(logits),
            covered=np.array([label in each.candidates for label, each in zip(truth, decisions, strict=True) if each]),
            sizes=np.array([float(len(each.candidates)) for each in decisions if each]),
            known=np.array([each.known for each in decisions if each]),
        )

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the most probable class is the true one: (n,)."""
        return np.asarray(np.array(self.classes)[self.probabilities.argmax(axis=1)] == self.truth)


def draw(table: Table, number: int, count: int) -> Drawn:
    """Choose new classes, their pictures, and what is held out, by a draw's number."""
    random = np.random.default_rng(number)
    new = tuple(sorted(random.choice(np.array(table.classes), count, replace=False).tolist()))
    old = tuple(name for name in table.classes if name not in new)
    rows: dict[str, list[int]] = {name: [] for name in table.classes}
    for place, (label, split) in enumerate(table.frame.select("label", "split").iter_rows()):
        if split == "train":
            rows[label].append(place)
    held = {name: rows[name][HELD_OUT - 1 :: HELD_OUT] for name in old}
    train = [place for name in old for place in rows[name] if place not in held[name]]
    shuffled = {name: random.permutation(rows[name]) for name in new}
    return Drawn(
        old=old,
        new=new,
        train=np.array(train, dtype=np.int64),
        held=np.array([place for name in old for place in held[name]], dtype=np.int64),
        shots={name: shuffled[name][:SHOTS] for name in new},
        others={name: shuffled[name][SHOTS:] for name in new},
        test=np.flatnonzero((table.frame["split"] == "test").to_numpy()).astype(np.int64),
    )


def labels_of(features: FrozenFeatures, places: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return the classes of some rows."""
    return np.array(features.table.frame["label"].gather(places).to_list())


def regression(
    features: NDArray[np.float32], labels: NDArray[np.str_], classes: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the rows (N, C) and biases (N,) of a logistic regression on standardised features, balanced by class."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = features.mean(0), np.maximum(features.std(0), 1e-6)
    truth = np.array([classes.index(label) for label in labels])
    model = LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-3, class_weight="balanced")
    model.fit((features - mean) / scale, truth)
    rows = (model.coef_ / scale).astype(np.float32)
    return rows, (model.intercept_ - rows @ mean).astype(np.float32)


def stored(features: FrozenFeatures, places: NDArray[np.int64], splits: Sequence[str], network: str) -> StoredPictures:
    """Return pictures as a run keeps them; there is one part, the whole picture."""
    frame, count = features.table.frame[places.tolist()], len(places)
    embedding = features.embedding[places].astype(np.float16)
    return StoredPictures(
        ids=tuple(frame["id"]),
        files=tuple(str(features.table.root.resolve() / path) for path in frame["path"]),
        labels=tuple(frame["label"]),
        splits=tuple(splits),
        vectors=embedding[:, None],
        presence=np.ones((count, 1), np.float32),
        embedding=embedding,
        boxes=np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1, 1)),
        sizes=np.full((count, 2), RESOLUTION, np.int32),
        left_out=np.empty((count, 0), np.float32),
        network=network,
    )


def figures(before: Measured, after: Measured, drawn: Drawn) -> dict[str, Json]:
    """Return the shares of test pictures in per cent, before and after the classes were added."""
    new = np.isin(after.truth, drawn.new)
    return {
        "old_before": share(before.right[~new]),
        "old_after": share(after.right[~new]),
        "new_after": share(after.right[new]),
        "all_after": share(after.right),
        "coverage_old_before": share(before.covered[~new]),
        "coverage_old_after": share(after.covered[~new]),
        "coverage_new_after": share(after.covered[new]),
        "coverage_all_after": share(after.covered),
        "size_before": round(float(before.sizes[~new].mean()), 3),
        "size_after": round(float(after.sizes.mean()), 3),
        "known_old_before": share(before.known[~new]),
        "known_old_after": share(after.known[~new]),
        "known_new_before": share(before.known[new]),
        "known_new_after": share(after.known[new]),
    }


def share(values: NDArray[np.bool_]) -> float:
    """Return the share that is true, in per cent."""
    return round(100 * float(values.mean()), 3)


def write(found: Sequence[Mapping[str, Json]], arguments: argparse.Namespace) -> None:
    """Average over draws, hold against the goals, and write."""
    notes = {
        "protocol": f"{DATA}: {SHOTS} pictures of each new class, one class after another, nothing trained; old: "
        "logistic regression on frozen features from 24 pictures each, 6 held out; retrain: the same on all classes "
        "with all 30 pictures of the new ones; test split read once a draw",
        "weights": "MobileNetV2, ImageNet-1k; overlap of CUB and ImageNet flatters cub50",
        "options": f"ridge {gallery_fitting.RIDGE:g}, favour {gallery_fitting.FAVOUR:g}; chosen with --tune on draws "
        f"{', '.join(map(str, TUNED_DRAWS))}, outside the test split",
        "draws": ", ".join(str(result["draw"]) for result in found),
    }
    write_results("new_classes", rows_for(found), out=arguments.out, quick=arguments.quick, notes=notes)


def rows_for(found: Sequence[Mapping[str, Json]]) -> list[Row]:
    """Return the figures averaged over draws, those with a goal first."""

    def row(metric: str, values: Sequence[float], goal: str | None = None, most: float | None = None) -> Row:
        mean = statistics.mean(values)
        holds = None if most is None else abs(mean) <= most if goal and goal.startswith("within") else mean <= most
        return Row(metric, round(mean, 2), spread=deviation(values), goal=goal, holds=holds)

    def of(name: str, less: str = "") -> list[float]:
        return [float(result[name]) - (float(result[less]) if less else 0.0) for result in found]

    return [
        row(
            "accuracy on all classes behind a full retrain (points)",
            of("retrain_all", "all_after"),
            "<= 10",
            MOST_BEHIND,
        ),
        row("accuracy that the old classes lose (points)", of("old_before", "old_after"), "<= 1", MOST_LOST),
        row(
            "coverage of the old classes, change (points)",
            of("coverage_old_after", "coverage_old_before"),
            "within ±2",
            MOST_COVERAGE,
        ),
        row(
            "coverage of all classes that are known, change (points)",
            of("coverage_all_after", "coverage_old_before"),
            "within ±2",
            MOST_COVERAGE,
        ),
        *(row(words, of(name)) for name, words in WORDS.items()),
    ]


#: Figure → what it is.
WORDS = {
    "old_before": "old classes before, accuracy (%)",
    "old_after": "old classes after, accuracy (%)",
    "new_after": "new classes, recall (%)",
    "recognised_left_out": "new classes, own pictures recognised without being learned (%)",
    "all_after": "all classes, accuracy (%)",
    "retrain_all": "full retrain: all classes, accuracy (%)",
    "retrain_old": "full retrain: old classes, accuracy (%)",
    "retrain_new": "full retrain: new classes, recall (%)",
    "retrain_few_all": "retrain with 5 pictures: all classes, accuracy (%)",
    "retrain_few_old": "retrain with 5 pictures: old classes, accuracy (%)",
    "retrain_few_new": "retrain with 5 pictures: new classes, recall (%)",
    "coverage_old_before": "coverage of the old classes before (%)",
    "coverage_old_after": "coverage of the old classes after (%)",
    "coverage_new_after": "coverage of the new classes after (%)",
    "coverage_all_after": "coverage of all classes after (%); 90 is wanted",
    "size_before": "candidates a picture before",
    "size_after": "candidates a picture after",
    "known_old_before": "old classes' pictures called known before (%)",
    "known_old_after": "old classes' pictures called known after (%)",
    "known_new_before": "new classes' pictures called known before (%)",
    "known_new_after": "new classes' pictures called known after (%)",
    "predictor_differs": "largest difference of the predictor from these figures (probability)",
}


if __name__ == "__main__":
    main()
