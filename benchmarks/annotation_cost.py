"""What marking parts by hand is worth: accuracy, and where the parts are, by the number of annotated pictures.

    python benchmarks/annotation_cost.py            # generated birds, 3 seeds, then cub50, one
    python benchmarks/annotation_cost.py --only birds --seeds 1
    python benchmarks/annotation_cost.py --arms supervised mixed

Every training picture has its class; what costs is annotating keypoints. Three arms, with as many epochs each:

* unsupervised: parts discovered without any annotation. Annotated pictures serve but to say what the parts are: a
  linear map from their centres to the keypoints is fitted on them (PDiscoNet's keypoint regression).
* supervised: the parts are the keypoints, learned from the annotated pictures.
* mixed: half of the epochs as unsupervised; the rest supervised, beginning from that backbone.

Finished runs are kept and not repeated. The test split is read once a run, at its end. Beside the figures it draws
benchmarks/results/annotation_cost.svg.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from experiment import MOBILENET, Experiment, argument_parser, deviation
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.evaluation import (
    KeypointFigures,
    MappedPictures,
    evaluate,
    located_keypoints,
    map_pictures,
    parts_and_keypoints,
    regressed_keypoints,
)
from fieldmark.synthetic import generate_birds
from fieldmark.training.config import TrainConfig
from fieldmark.training.options import OptionValue, options_from_mapping
from fieldmark.training.train import train
from line_chart import Chart, write_charts
from line_observer import LineObserver
from record import ROOT, Json, Row, Scalar, write_results

#: Training options, as JSON can hold them.
Options = Mapping[str, OptionValue | Mapping[str, OptionValue]]

#: How parts are discovered; all that the unsupervised arm and the first half of the mixed one train with besides.
DISCOVERED: Options = {"parts": 8}

#: How they are learned from annotation.
ANNOTATED: Options = {"keypoints": True, "discovery_weight": 0.0}

#: Annotated pictures of each class, as ``part_labels`` takes them.
COUNTS: dict[str, int | None] = {"0": 0, "1": 1, "5": 5, "20": 20, "all": None}


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        options: training options.
        first: options of a training before it, which takes half of the epochs and leaves its backbone.
        counts: the numbers of annotated pictures that it is trained with; without any it is trained once.
    """

    options: Options
    first: Options = field(default_factory=dict)
    counts: Sequence[str] = ()


ARMS = {
    "unsupervised": Arm(DISCOVERED),
    "supervised": Arm(ANNOTATED, counts=("0", "1", "5", "20", "all")),
    "mixed": Arm(ANNOTATED, first=DISCOVERED, counts=("1", "5", "20", "all")),
}


@dataclass(frozen=True)
class Setting:
    """One data set.

    Attributes:
        options: training options; a map of at least 10 × 10 cells, for keypoints crowd on a head.
        seeds: runs of each arm.
    """

    options: Options
    seeds: int


SETTINGS = {
    "birds": Setting(
        {
            "backbone": "resnet10t",
            "backbone_options": {"channels": (32, 64, 96, 128), "output_stride": 8},
            "resolution": 96,
            "epochs": 20,
        },
        seeds=3,
    ),
    "cub50": Setting(
        {
            **MOBILENET,
            "backbone_options": {"pad_type": "same", "output_stride": 16},
            "freeze_to_stride": 8,
            "resolution": 160,
            "epochs": 6,
            "weight_decay": 0.02,
        },
        seeds=1,
    ),
}

#: The generated birds: species, training and test pictures of each, side in pixels.
BIRDS, QUICK_BIRDS = (12, 40, 30, 96), (4, 8, 4, 96)

#: Classes and rows of each class and split that a quick run keeps of real data.
QUICK_ROWS = (3, 6)


def main() -> None:
    """Run what is not stored yet and write the results of all."""
    quick = "one epoch on a few pictures, one seed: does it run?"
    parser = argument_parser(__doc__, SETTINGS, "3 on birds, 1 on cub50", quick)
    parser.add_argument("--arms", choices=ARMS, nargs="+", default=list(ARMS), help="run some arms only")
    arguments = parser.parse_args()
    bench = Bench("annotation_cost", arguments.shared, quick=arguments.quick)
    found: list[dict[str, Json]] = []
    for name, setting in SETTINGS.items():
        seeds = 1 if arguments.quick else arguments.seeds or setting.seeds
        for seed in range(max(setting.seeds, seeds)):
            for arm in ARMS:
                wanted = arguments.only in (None, name) and arm in arguments.arms and seed < seeds
                found += bench.runs(name, arm, seed, wanted=wanted)
                write(found, arguments)  # what is there so far is kept, wherever it ends


class Job(NamedTuple):
    """One run of an arm: with how many annotated pictures, and its options."""

    count: str | None
    config: TrainConfig


class Bench(Experiment):
    """Runs arms."""

    def runs(self, name: str, arm: str, seed: int, *, wanted: bool) -> list[dict[str, Json]]:
        """Train an arm with each of its numbers of annotated pictures, or take up the stored results."""
        chosen = ARMS[arm]
        before = self.config(name, chosen.first, seed) if chosen.first else None
        config = self.config(name, chosen.options, seed, halved=bool(chosen.first))
        jobs = [
            Job(count, config if count is None else replace(config, part_labels=COUNTS[count]))
            for count in chosen.counts or (None,)
        ]

        def key(job: Job) -> dict[str, Scalar]:
            first = None if before is None else self.portable(replace(before, epochs=config.epochs))
            return {
                "data": name,
                "arm": arm,
                "count": job.count,
                "config": self.portable(job.config),
                "before": first,
            }

        with self.scratch() as scratch:

            def run(job: Job) -> dict[str, Json]:
                figures = self.run(name, job.config, before, job.count, scratch)
                result = {"data": name, "arm": arm, "count": job.count, "seed": seed, **figures}
                print(json.dumps(result), flush=True)
                return result

            return list(self.gather(jobs, lambda _: wanted, key, run))

    def run(
        self, name: str, config: TrainConfig, before: TrainConfig | None, count: str | None, scratch: Path
    ) -> dict[str, Json]:
        """Train once and measure on the test split."""
        started, table = time.monotonic(), self.table(name)
        if before is not None:
            first = scratch / "first"
            if not first.exists():  # the same for every number of annotated pictures
                train(table, first, replace(before, epochs=config.epochs), cache=self.cache, observer=LineObserver())
            config = replace(config, init=str(first), weights="none")
        out = scratch / f"run-{count}"
        train(table, out, config, cache=self.cache, observer=LineObserver())
        found = evaluate(out, split="test", cache=self.cache)
        seen, unseen = (map_pictures(out, split, cache=self.cache) for split in ("train", "test"))
        agreement = parts_and_keypoints(unseen)
        counts = [count] if count is not None else list(COUNTS)
        regressed = {each: self.regressed(seen, unseen, each, config.seed) for each in counts if each != "0"}
        return {
            "top1": round(100 * found.top1, 3),
            "nmi": round(100 * agreement.nmi, 3),
            "ari": round(100 * agreement.ari, 3),
            "located": per_cent(located_keypoints(unseen)) if config.keypoints and count != "0" else None,
            "regressed": regressed,
            "minutes": round((time.monotonic() - started) / 60, 2),
            "fingerprint": found.fingerprint,
        }

    def regressed(self, seen: MappedPictures, unseen: MappedPictures, count: str, seed: int) -> dict[str, Json]:
        """Return the figures of keypoints that are regressed from parts, the map fitted on few pictures."""
        few = COUNTS[count]
        return per_cent(regressed_keypoints(seen if few is None else seen.few(few, seed), unseen))

    def config(self, name: str, options: Options, seed: int, *, halved: bool = False) -> TrainConfig:
        """Return the training options of an arm, of half as many epochs where a training comes before."""
        given: dict[str, object] = {**SETTINGS[name].options, **options, "seed": seed}
        if name == "cub50":
            given["weights"] = self.mobilenet_weights
        config = options_from_mapping(TrainConfig, given)
        return replace(config, epochs=1 if self.quick else config.epochs // (2 if halved else 1))

    def table(self, name: str) -> Table:
        """Return the data, in a quick run few of them."""
        if name != "birds":
            table = read_table(self.shared / "data" / name)
            return few_rows(table, *QUICK_ROWS) if self.quick else table
        species, training, test, size = QUICK_BIRDS if self.quick else BIRDS
        folder = ROOT / "runs" / f"annotation-cost-birds-{species}x{training}"
        return read_table(generate_birds(folder, species=species, train=training, test=test, size=size))


def few_rows(table: Table, classes: int, rows: int) -> Table:
    """Keep the first rows of each split of the first classes."""
    place = pl.int_range(pl.len()).over("label", "split")
    return table.where(pl.col("label").is_in(table.classes[:classes]) & (place < rows))


def per_cent(figures: KeypointFigures) -> dict[str, Json]:
    """Return figures in per cent."""
    return {"error": round(100 * figures.error, 3), "correct": round(100 * figures.correct, 3)}


def write(found: Sequence[dict[str, Json]], arguments: argparse.Namespace) -> None:
    """Average over seeds, and write the figures and the charts."""
    notes = {
        "protocol": "test split read once a run; a run's last weights are measured, none chosen",
        "keypoint error": "distance in box widths and heights, mean over visible keypoints; located where the parts "
        "are keypoints, else regressed from the parts' centres on the annotated pictures",
        "correct": "within a tenth of the box's longer side",
        "options": json.dumps({name: dict(setting.options) for name, setting in SETTINGS.items()}),
        "runs": str(len(found)),
    }
    points = {
        (name, arm, count): values_of(found, name, arm, count) for name in SETTINGS for arm in ARMS for count in COUNTS
    }
    rows = [row for point, values in points.items() for row in rows_of(*point, values)]
    path = write_results("annotation_cost", rows, out=arguments.out, quick=arguments.quick, notes=notes)
    shown = {"top-1 (%)": "top-1 (%)", "keypoint error (%)": "keypoint error (% of the box)"}
    charts = [
        Chart(f"{name}: {title}", list(COUNTS), lines_of(points, name, metric), "annotated pictures a class")
        for name in SETTINGS
        for metric, title in shown.items()
    ]
    write_charts(path.with_suffix(".svg"), charts)


def values_of(found: Sequence[dict[str, Json]], name: str, arm: str, count: str) -> dict[str, list[float]]:
    """Return the figures of an arm at a number of annotated pictures, by seed; nothing where it has not run."""
    values: dict[str, list[float]] = {}
    for run in found:
        if (run["data"], run["arm"]) != (name, arm) or run["count"] not in (None, count):
            continue
        measured = {"top-1 (%)": run["top1"], "NMI (%)": run["nmi"], "ARI (%)": run["ari"]}
        places = run["located"] or run["regressed"].get(count)
        if places:
            measured |= {"keypoint error (%)": places["error"], "correct keypoints (%)": places["correct"]}
        for metric, value in measured.items():
            values.setdefault(metric, []).append(value)
    return values


def rows_of(name: str, arm: str, count: str, values: Mapping[str, Sequence[float]]) -> list[Row]:
    """Return the mean and spread of each figure; of an arm that trains once, what stays the same only once."""
    what = f"{name}, {arm}, {count} annotated a class"
    repeated = set() if ARMS[arm].counts or count == "0" else {"top-1 (%)", "NMI (%)", "ARI (%)"}
    return [
        Row(f"{what}: {metric}", round(statistics.mean(each), 2), spread=deviation(each))
        for metric, each in values.items()
        if metric not in repeated
    ]


def lines_of(
    points: Mapping[tuple[str, str, str], Mapping[str, Sequence[float]]], name: str, metric: str
) -> dict[str, dict[str, tuple[float, float | None]]]:
    """Return the lines of one chart."""
    return {
        arm: {
            count: (float(np.mean(values)), deviation(values))
            for count in COUNTS
            if (values := points[name, arm, count].get(metric))
        }
        for arm in ARMS
    }


if __name__ == "__main__":
    main()
