"""What the lineage and attributes are worth as further tasks, and what deciding by least risk is worth.

    python benchmarks/lineage.py                           # grocery and cub50, 3 seeds: within 40 minutes on one core
    python benchmarks/lineage.py --only grocery --seeds 1

Every arm trains MobileNetV2 from the same ImageNet weights for the same epochs; only what is in ``ARMS`` differs, and
no option was tuned for any arm. Layers up to stride 16 stay frozen: further tasks can teach the backbone only where it
trains. The test split is read once a run, at its end, and both decisions, the most probable class and that of least
risk, are made from the same probabilities. Severity is the height in ranks at which truth and prediction meet
(Bertinetto et al., CVPR 2020). cub50 comes without a lineage: its coarse rank here is the last word of the English name
("Sparrow", "Gull"). Finished runs are kept in benchmarks/results/runs and not repeated.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import polars as pl

from experiment import MOBILENET, Experiment, argument_parser, deviation
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.evaluation import evaluate
from fieldmark.results import EvalResult
from fieldmark.training.config import TrainConfig
from fieldmark.training.options import OptionValue
from fieldmark.training.train import train
from line_observer import LineObserver
from record import Json, Row, Scalar, chosen_options, write_results

BASELINE = "classes alone"

#: Arm → training options that differ.
ARMS: dict[str, Mapping[str, OptionValue]] = {
    BASELINE: {},
    "ranks": {"rank_weight": 1.0},
    "attributes": {"attribute_weight": 1.0},
    "ranks and attributes": {"rank_weight": 1.0, "attribute_weight": 1.0},
}

#: Data set → its arms: what it has no attributes for is left out.
DATA: dict[str, tuple[str, ...]] = {"grocery": (BASELINE, "ranks"), "cub50": tuple(ARMS)}

OPTIONS = TrainConfig(
    **MOBILENET,
    backbone_options={"pad_type": "same"},
    freeze_to_stride=16,
    resolution=128,
    epochs=5,
    weight_decay=0.02,
)

#: What is measured of a run: name in the store → in words, with the unit.
FIGURES = {
    "top1": "top-1 (%)",
    "coarse": "accuracy at the coarse rank (%)",
    "of_mistakes": "severity of a mistake (ranks)",
    "of_all": "severity, all pictures (ranks)",
    "risk_top1": "least risk: top-1 (%)",
    "risk_of_mistakes": "least risk: severity of a mistake (ranks)",
    "risk_of_all": "least risk: severity, all pictures (ranks)",
}

#: Processor minutes that all runs together may take.
MOST_MINUTES = 40.0

SEEDS = 3


class Job(NamedTuple):
    """One run: an arm on a data set, with a seed."""

    data: str
    arm: str
    seed: int


def main() -> None:
    """Run what is not stored yet and write the results of all."""
    arguments = argument_parser(__doc__, DATA, f"{SEEDS}").parse_args()
    bench = Bench("lineage", arguments.shared, quick=arguments.quick)
    seeds = 1 if arguments.quick else arguments.seeds or SEEDS
    jobs = [Job(name, arm, seed) for name, arms in DATA.items() for seed in range(max(SEEDS, seeds)) for arm in arms]

    def wanted(job: Job) -> bool:
        return arguments.only in (None, job.data) and job.seed < seeds

    found: list[dict[str, Json]] = []
    for result in bench.gather(jobs, wanted, bench.key, bench.run):
        found.append(result)
        if result["arm"] == DATA[str(result["data"])][-1]:
            write(found, arguments)  # what is there so far is kept, wherever it ends


class Bench(Experiment):
    """Runs arms."""

    def key(self, job: Job) -> dict[str, Scalar]:
        """Return what decides a run's result."""
        return {"data": job.data, "arm": job.arm, "config": self.portable(self.options(job))}

    def run(self, job: Job) -> dict[str, Json]:
        """Train one arm and evaluate it on the test split."""
        table = read_table(self.shared / "data" / job.data)
        table = with_groups_of_names(table) if len(table.rank_names) == 1 else table
        started = time.process_time()
        with self.scratch() as out:
            train(table, out, self.options(job), cache=self.cache, observer=LineObserver())
            outcome = evaluate(out, split="test", cache=self.cache)
        result: dict[str, Json] = {
            "data": job.data,
            "arm": job.arm,
            "seed": job.seed,
            **figures_of(outcome),
            "minutes": round((time.process_time() - started) / 60, 3),
            "n": outcome.n,
            "fingerprint": outcome.fingerprint,
        }
        print(json.dumps(result), flush=True)
        return result

    def options(self, job: Job) -> TrainConfig:
        """Return the training options of one run."""
        config = replace(OPTIONS, seed=job.seed, weights=self.mobilenet_weights, **ARMS[job.arm])
        return replace(config, epochs=1, resolution=64) if self.quick else config


def with_groups_of_names(table: Table) -> Table:
    """Give a table of English bird names a lineage of two ranks: the name's last word, and the name."""
    last = pl.col("label").str.split(" ").list.last()
    frame = table.frame.with_columns(pl.concat_list(last, pl.col("label")).alias("lineage"))
    return replace(table, frame=frame, rank_names=("group", "species"))


def figures_of(outcome: EvalResult) -> dict[str, float]:
    """Return what is measured of a run, by the names in ``FIGURES``."""
    severity = outcome.severity
    if severity is None or severity.of_mistakes is None or severity.least_risk.of_mistakes is None:
        raise ValueError("a run without a lineage, or without mistakes, has no severity of mistakes")
    risk = severity.least_risk
    return {
        "top1": round(100 * outcome.top1, 3),
        "coarse": round(100 * next(iter(outcome.accuracy_by_rank.values())), 3),
        "of_mistakes": round(severity.of_mistakes, 5),
        "of_all": round(severity.of_all, 5),
        "risk_top1": round(100 * risk.top1, 3),
        "risk_of_mistakes": round(risk.of_mistakes, 5),
        "risk_of_all": round(risk.of_all, 5),
    }


def write(found: Sequence[Mapping[str, Json]], arguments: argparse.Namespace) -> None:
    """Average over seeds, hold against the goal, and write."""
    rows = [row for name in DATA for row in rows_of(name, complete(found, name))]
    minutes = sum(float(run["minutes"]) for run in found)
    holds = minutes <= MOST_MINUTES
    rows.append(Row("processor time of all runs (min)", round(minutes, 1), goal=f"<= {MOST_MINUTES:g}", holds=holds))
    notes = {
        "protocol": "same initial weights and epochs in every arm; nothing tuned; test split read once a run",
        "weights": "MobileNetV2, ImageNet-1k; overlap of CUB and ImageNet flatters cub50",
        "severity": "height of the lowest common ancestor of truth and prediction, in ranks, 1 or 2 of a mistake",
        "cub50's coarse rank": "the last word of the English name",
        "arms": json.dumps(ARMS),
        "options": chosen_options(OPTIONS),
        "seeds": ", ".join(sorted({str(run["seed"]) for run in found})),
        "fingerprints": json.dumps({str(run["data"]): run["fingerprint"] for run in found}),
    }
    write_results("lineage", rows, out=arguments.out, quick=arguments.quick, notes=notes)


def complete(found: Sequence[Mapping[str, Json]], name: str) -> dict[str, list[Mapping[str, Json]]]:
    """Return the runs of every arm on a data set, by seed: of the seeds that every arm was run with."""
    arms = DATA[name]
    by_seed = {arm: {run["seed"]: run for run in found if (run["data"], run["arm"]) == (name, arm)} for arm in arms}
    seeds = sorted(set.intersection(*(set(runs) for runs in by_seed.values())))
    return {arm: [runs[seed] for seed in seeds] for arm, runs in by_seed.items()} if seeds else {}


def rows_of(name: str, runs: Mapping[str, Sequence[Mapping[str, Json]]]) -> list[Row]:
    """Return every arm's figures, and how much each further task changes them, seed by seed.

    Args:
        name: the data set.
        runs: arm → its runs, by seed.
    """
    rows = []
    for arm, of_arm in runs.items():
        for figure, words in FIGURES.items():
            values = [float(run[figure]) for run in of_arm]
            rows.append(Row(f"{name}, {arm}: {words}", round(statistics.mean(values), 3), deviation(values, 3)))
    for arm in list(runs)[1:]:
        for figure, words in FIGURES.items():
            pairs = zip(runs[arm], runs[BASELINE], strict=True)
            gains = [float(run[figure]) - float(plain[figure]) for run, plain in pairs]
            metric = f"{name}, {arm} less {BASELINE}: {words.replace('%', 'points')}"
            rows.append(Row(metric, round(statistics.mean(gains), 3), deviation(gains, 3)))
    return rows


if __name__ == "__main__":
    main()
