"""What rows without labels are worth: from scratch, after pretraining, and with rebuilding as a second task.

    python benchmarks/label_efficiency.py            # grocery, 3 seeds, then cub50, one
    python benchmarks/label_efficiency.py --only grocery --seeds 1
    python benchmarks/label_efficiency.py --tune     # the search for the baseline's options, on validation rows

Every arm of one setting gets the same processor time, pretraining included; finished runs are kept and not repeated.
The options of the baseline and of the pretrained arms were chosen on grocery's validation list (``--tune`` prints the
search); all arms train with those that suited best. The test split is read once a run, at its end.
"From scratch" is without any weights learned on other data; arms whose name says ImageNet are not.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from experiment import Experiment, argument_parser, deviation
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.evaluation import evaluate
from fieldmark.training.config import TrainConfig
from fieldmark.training.pretrain import pretrain
from fieldmark.training.pretrain_config import PretrainConfig
from fieldmark.training.train import train
from line_observer import LineObserver
from record import Json, Row, Scalar, chosen_options, write_results

SIDE = 64
NETWORK = {"backbone": "resnet10t", "backbone_options": {"channels": (32, 64, 128, 256), "output_stride": 16}}

#: The tuned baseline; see ``TUNING``.
BASE = TrainConfig(
    **NETWORK,
    resolution=SIDE,
    epochs=1,
    batch_size=32,
    learning_rate=4e-3,
    head_learning_rate=4e-3,
    crop_scale=0.3,
    mixup=0.0,
)

#: What ``--tune`` tries, one change at a time, at 5 labels a class and at all.
TUNING: dict[str, dict[str, float]] = {
    "as it is": {},
    "learning rate 2e-3": {"learning_rate": 2e-3, "head_learning_rate": 2e-3},
    "crops of 15 % and more": {"crop_scale": 0.15},
    "mixup": {"mixup": 0.2},
}

#: What ``--tune`` tries with 5 labels a class after 20 epochs of pretraining on features.
TUNING_PRETRAINED: dict[str, dict[str, float | str]] = {
    "as it is": {},
    "learning rate 1e-3": {"learning_rate": 1e-3},
    "learning rate 1e-3, head by regression": {"learning_rate": 1e-3, "initial_head": "logistic"},
    "learning rate 3e-4, head by regression": {
        "learning_rate": 3e-4,
        "head_learning_rate": 1e-3,
        "initial_head": "logistic",
    },
}

PRETRAINING = PretrainConfig(
    **NETWORK,
    resolution=SIDE,
    block=16,
    mask_ratio=0.6,
    batch_size=64,
    learning_rate=2e-3,
    crop_scale=0.4,
    picture_every=0,
)


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        share: share of the processor time that goes into pretraining.
        second_task: weight of rebuilding beside the labels.
        features: pretraining predicts the features of an ImageNet-trained network too.
        changes: options of the pretraining that differ.
    """

    share: float = 0.0
    second_task: float = 0.0
    features: bool = False
    changes: tuple[tuple[str, float | int], ...] = ()


#: The three arms of the question, then the remedies.
ARMS: dict[str, Arm] = {
    "from scratch": Arm(),
    "pretrained": Arm(share=0.4),
    "second task": Arm(second_task=0.3),
    "pretrained on ImageNet features": Arm(share=0.5, features=True),
    "pretrained, larger holes": Arm(share=0.4, changes=(("mask_ratio", 0.5), ("block", 32))),
    "pretrained, then second task": Arm(share=0.3, second_task=0.3),
    "pretrained, two thirds of the time": Arm(share=0.67),
    "pretrained on ImageNet features, two thirds of the time": Arm(share=0.67, features=True),
}

#: The arms that are run with every seed; the others are remedies that were tried with the first one, on grocery.
EVERYWHERE = ("from scratch", "pretrained", "second task", "pretrained on ImageNet features")

#: What was expected of each arm before any run, in points over the baseline: at 5 labels a class, at all labels.
PREDICTED = {
    "pretrained": (2.0, 0.5),
    "second task": (1.0, 0.0),
    "pretrained, larger holes": (2.0, 0.5),
    "pretrained, then second task": (2.0, 0.0),
    "pretrained on ImageNet features": (12.0, 5.0),
    "pretrained, two thirds of the time": (2.0, 0.5),
    "pretrained on ImageNet features, two thirds of the time": (12.0, 5.0),
}


@dataclass(frozen=True)
class Setting:
    """How many labels there are, and how long an arm may take.

    Attributes:
        labels: labels a class; 0 for all.
        epochs: passes over the labelled rows that the baseline makes; the others make fewer.
    """

    labels: int
    epochs: int


SETTINGS = {
    "5 labels": Setting(5, 150),
    "all labels": Setting(0, 40),
    "5 labels, twice the time": Setting(5, 300),
}

#: Setting → the arms that were tried there beside, or in place of, those that run everywhere.
REMEDIES = {
    "5 labels": (*EVERYWHERE, "pretrained, larger holes", "pretrained, then second task"),
    "5 labels, twice the time": (
        "from scratch",
        "second task",
        "pretrained, two thirds of the time",
        "pretrained on ImageNet features, two thirds of the time",
    ),
}
GOALS = {"5 labels": 5.0, "all labels": 2.0, "5 labels, twice the time": 5.0}
SEEDS = {"grocery": 3, "cub50": 1}


class Job(NamedTuple):
    """One run: an arm in a setting of a data set, with a seed."""

    data: str
    setting: str
    arm: str
    seed: int


def main() -> None:
    """Run what is not stored yet and write the results of all."""
    parser = argument_parser(__doc__, SEEDS, "3 on grocery, 1 on cub50")
    parser.add_argument("--tune", action="store_true", help="search options on grocery's validation rows")
    arguments = parser.parse_args()
    bench = Bench("label_efficiency", arguments.shared, quick=arguments.quick)
    if arguments.tune:
        bench.tune()
        return
    jobs = [
        Job(name, setting, arm, seed)
        for name, count in SEEDS.items()
        for seed in range(max(count, arguments.seeds or 0))
        for setting in SETTINGS
        for arm in arms_of(name, setting, seed)
    ]

    def wanted(job: Job) -> bool:
        seeds = 1 if arguments.quick else arguments.seeds or SEEDS[job.data]
        return arguments.only in (None, job.data) and job.seed < seeds

    found: list[dict[str, Json]] = []
    for result in bench.gather(jobs, wanted, bench.key, bench.run):
        found.append(result)
        write(found, arguments)  # what is there so far is kept, wherever it ends


def arms_of(name: str, setting: str, seed: int) -> Sequence[str]:
    """Return the arms to run: remedies are tried once, on grocery."""
    if name == "grocery" and not seed and setting in REMEDIES:
        return REMEDIES[setting]
    return () if setting == "5 labels, twice the time" else EVERYWHERE


class Bench(Experiment):
    """Runs arms."""

    def tune(self) -> None:
        """Print the validation accuracy of every option tried, one seed."""
        for setting, labels, epochs in (("5 labels", 5, 75), ("all labels", 0, 20)):
            table = few_labels(read_table(self.shared / "data" / "grocery"), labels, seed=0)
            for name, changes in TUNING.items():
                self._try(table, setting, name, replace(BASE, epochs=1 if self.quick else epochs, **changes))
        table = few_labels(read_table(self.shared / "data" / "grocery"), 5, seed=0)
        before = self.with_features(replace(PRETRAINING, epochs=1 if self.quick else 20))
        with self.scratch() as scratch:
            for name, changes in TUNING_PRETRAINED.items():
                config = replace(BASE, epochs=1 if self.quick else 100, **changes)
                self._try(table, "5 labels, pretrained", name, config, (before, scratch / "pretrained"))

    def _try(
        self,
        table: Table,
        setting: str,
        name: str,
        config: TrainConfig,
        start: tuple[PretrainConfig, Path] | None = None,
    ) -> None:
        """Train with some options, beginning from a pretraining, which is made where it is missing."""
        key = {"tune": setting, "config": chosen_options(config)}
        if start is not None:
            key["pretraining"] = self.portable(start[0])
        stored = self.store.get(key)
        if stored is None:
            if start is not None:
                before, run = start
                if not run.exists():
                    pretrain(table, run, before, cache=self.cache)
                config = replace(config, init=str(run))
            with self.scratch() as out:
                result = train(table, out, config, cache=self.cache)
            stored = {"val_top1": result.val_top1, "minutes": result.seconds / 60}
            self.store.add(key, stored)
        print(f"{setting:20} {name:38} {100 * float(stored['val_top1']):.1f} % of validation", flush=True)

    def table(self, job: Job) -> Table:
        """Return the data with the labels that a run may learn from."""
        table = read_table(self.shared / "data" / job.data)
        return few_labels(table, SETTINGS[job.setting].labels, job.seed, validation=False)

    def options(self, job: Job) -> tuple[TrainConfig, PretrainConfig | None]:
        """Return the options of a run's training with labels, and of its pretraining, if it has one."""
        arm, setting = ARMS[job.arm], SETTINGS[job.setting]
        labelled = len(self.table(job).split("train").labelled())
        return self.training(arm, setting, job.seed), self.pretraining(arm, setting, labelled, job.seed)

    def key(self, job: Job) -> dict[str, Scalar]:
        """Return what decides a run's result."""
        config, before = self.options(job)
        return {
            "data": job.data,
            "setting": job.setting,
            "arm": job.arm,
            "config": self.portable(config),
            "pretraining": self.portable(before) if before else None,
        }

    def run(self, job: Job) -> dict[str, Json]:
        """Train one arm and evaluate it on the test split."""
        table, (config, before) = self.table(job), self.options(job)
        started, processor = time.monotonic(), time.process_time()
        with self.scratch() as out:
            if before:
                pretrain(table, out / "pretrained", before, cache=self.cache, observer=LineObserver())
                config = replace(config, init=str(out / "pretrained"))
            train(table, out / "run", config, cache=self.cache, observer=LineObserver())
            spent = time.process_time() - processor
            found = evaluate(out / "run", split="test", cache=self.cache)
        result: dict[str, Json] = {
            "data": job.data,
            "setting": job.setting,
            "arm": job.arm,
            "seed": job.seed,
            "top1": round(100 * found.top1, 3),
            "macro_recall": round(100 * found.macro_recall, 3),
            "cpu_hours": round(spent / 3600, 4),
            "minutes": round((time.monotonic() - started) / 60, 2),
            "fingerprint": found.fingerprint,
        }
        print(json.dumps(result), flush=True)
        return result

    def training(self, arm: Arm, setting: Setting, seed: int) -> TrainConfig:
        """Return the options of an arm's training with labels."""
        share = 1 - arm.share
        if arm.second_task:
            share *= SECOND_TASK_COST
        epochs = 1 if self.quick else max(1, round(setting.epochs * share))
        return replace(BASE, epochs=epochs, unlabelled_weight=arm.second_task, seed=seed)

    def pretraining(self, arm: Arm, setting: Setting, labelled: int, seed: int) -> PretrainConfig | None:
        """Return the options of an arm's pretraining, as long as its share of the baseline's time."""
        if not arm.share:
            return None
        pictures = setting.epochs * labelled * arm.share * (FEATURE_COST if arm.features else PIXEL_COST)
        config = replace(PRETRAINING, epochs=1 if self.quick else max(1, round(pictures / ROWS)), seed=seed)
        config = replace(config, **dict(arm.changes))
        return self.with_features(config) if arm.features else config

    def with_features(self, config: PretrainConfig) -> PretrainConfig:
        """Let a pretraining predict the features of MobileNetV2 with its ImageNet weights, too."""
        return replace(
            config,
            feature_weights=self.mobilenet_weights,
            feature_options={"pad_type": "same"},
            feature_mean=(0.5, 0.5, 0.5),
            feature_std=(0.5, 0.5, 0.5),
        )


#: Pictures that pretraining sees in the time in which the baseline sees one, measured here; so that times are equal.
PIXEL_COST, FEATURE_COST, SECOND_TASK_COST = 0.95, 0.42, 0.44

#: About how many rows a pretraining sees an epoch.
ROWS = 2936


def few_labels(table: Table, count: int, seed: int, *, validation: bool = True) -> Table:
    """Keep ``count`` labels a class among the training rows, chosen by the seed; 0 keeps all.

    Rows that lose their label stay, for pretraining. Without ``validation`` the validation rows lose theirs, too: no
    arm learns from these labels, and nothing has to be measured every epoch.
    """
    if not validation:
        hidden = pl.when(pl.col("split") == "val").then(None)
        columns = [hidden.otherwise(pl.col(name)).alias(name) for name in ("label", "lineage")]
        table = replace(table, frame=table.frame.with_columns(columns))
    if not count:
        return table
    generator = np.random.default_rng(seed)
    frame = table.frame.with_row_index("place")
    training = frame.filter(pl.col("split") == "train").select("place", "label").to_dict(as_series=False)
    places: dict[str, list[int]] = {}
    for place, label in zip(training["place"], training["label"], strict=True):
        places.setdefault(label, []).append(place)
    kept = [place for rows in places.values() for place in generator.permutation(rows)[:count].tolist()]
    loses = (pl.col("split") == "train") & ~pl.col("place").is_in(kept)
    label = pl.when(loses).then(None).otherwise(pl.col("label")).alias("label")
    lineage = pl.when(loses).then(None).otherwise(pl.col("lineage")).alias("lineage")
    return replace(table, frame=frame.with_columns(label, lineage).drop("place"))


def write(found: Sequence[dict[str, Json]], arguments: argparse.Namespace) -> None:
    """Average over seeds, hold against the goals, and write."""
    rows = []
    for name in SEEDS:
        for setting in SETTINGS:
            arms = {arm: of(found, name, setting, arm) for arm in ARMS}
            base = arms["from scratch"]
            rows += [row for arm, runs in arms.items() if runs for row in rows_of(name, setting, arm, runs, base)]
    notes = {
        "protocol": "test split read once a run; options chosen on grocery's validation list",
        "input": f"{SIDE} px, {json.dumps(NETWORK)}",
        "predicted": json.dumps(PREDICTED),
        "runs": str(len(found)),
    }
    write_results("label_efficiency", rows, out=arguments.out, quick=arguments.quick, notes=notes)


def of(found: Sequence[dict[str, Json]], name: str, setting: str, arm: str) -> list[dict[str, Json]]:
    """Return the runs of one arm, by seed."""
    wanted = (name, setting, arm)
    return sorted(
        (run for run in found if (run["data"], run["setting"], run["arm"]) == wanted), key=lambda run: run["seed"]
    )


def rows_of(
    name: str, setting: str, arm: str, runs: Sequence[dict[str, Json]], base: Sequence[dict[str, Json]]
) -> list[Row]:
    """Return an arm's accuracy, its processor time and, against the baseline, what it gains seed by seed."""
    values = [run["top1"] for run in runs]
    hours = statistics.mean(run["cpu_hours"] for run in runs)
    what = f"{name}, {setting}, {arm}"
    rows = [
        Row(f"{what}: top-1 (%)", round(statistics.mean(values), 2), spread=deviation(values)),
        Row(f"{what}: processor time (h)", round(hours, 4)),
    ]
    if arm == "from scratch":
        return rows
    gains = [run["top1"] - other["top1"] for run, other in zip(runs, base, strict=False)]
    gain, goal = statistics.mean(gains), GOALS[setting]
    rows.append(
        Row(
            f"{what}: gain (points)",
            round(gain, 2),
            spread=deviation(gains),
            goal=f">= {goal:g}",
            anchor="predicted {:+g} at 5 labels, {:+g} at all".format(*PREDICTED[arm]),
            holds=gain >= goal,
        )
    )
    return rows


if __name__ == "__main__":
    main()
