"""Train and evaluate on real photos: accuracy on the test split, read once a seed.

    python benchmarks/recognition.py grocery --seeds 3
    python benchmarks/recognition.py cub50
    python benchmarks/recognition.py ham10000

Finished seeds are kept in benchmarks/results/runs and not repeated. All choices (epochs, resolution, learning rate)
were made on training rows and grocery's validation list; the options are those of examples/mobilenetv2_transfer.json.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fieldmark.evaluation import evaluate
from fieldmark.report import write_report
from fieldmark.training.config import TrainConfig
from fieldmark.training.options import OptionValue, options_from_mapping
from fieldmark.training.train import train
from line_observer import LineObserver
from record import QUICK_RUNS, ROOT, RUNS, Json, Row, RunStore, chosen_options, write_results

TRANSFER = ROOT / "examples" / "mobilenetv2_transfer.json"


@dataclass(frozen=True)
class Task:
    """One data set with what is asked of it.

    Attributes:
        goals: metric → smallest value in per cent.
        anchors: metric → what to compare with.
        options: training options that differ from the example's.
        minutes: longest a run may take.
    """

    goals: Mapping[str, float] = field(default_factory=dict)
    anchors: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    minutes: float = 45.0


TASKS = {
    "grocery": Task(
        goals={"top1": 80.0, "rank coarse": 86.0},
        anchors={
            "top1": "published 86.04 with larger networks; frozen + logistic 73.4; plain fine-tuning 75.8",
            "rank coarse": "published 91.99 with larger networks; frozen + logistic 83.5; plain fine-tuning 81.7",
        },
    ),
    "cub50": Task(anchors={"top1": "frozen features + logistic regression 71.2"}),
    "ham10000": Task(options={"epochs": 9, "finish_epochs": 2}),
}


def main() -> None:
    """Run the seeds that are not stored yet and write the results of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--seeds", type=int, default=3, help="runs, with seeds 0, 1, ... (default 3)")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("FIELDMARK_SHARED", "../shared")))
    parser.add_argument("--quick", action="store_true", help="one epoch, one seed: does it run?")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    task, seeds = TASKS[arguments.task], range(1 if arguments.quick else arguments.seeds)
    results = [run(arguments.task, seed, arguments.shared, quick=arguments.quick) for seed in seeds]
    notes = {
        "protocol": "official test split, read once a seed; no official split in ham10000: 70/10/20 by lesion",
        "weights": "MobileNetV2, ImageNet-1k; overlap of CUB and ImageNet flatters cub50",
        "seeds": ", ".join(str(seed) for seed in seeds),
        "fingerprint": str(results[0]["fingerprint"]),
        "leaks": json.dumps(results[0]["leaks"]),
        "options": json.dumps(results[0]["options"]),
    }
    write_results(arguments.task, rows_of(task, results), out=arguments.out, quick=arguments.quick, notes=notes)


def run(name: str, seed: int, shared: Path, *, quick: bool) -> dict[str, Json]:
    """Train and evaluate one seed, or return its stored result."""
    config = options(TASKS[name], shared, seed, quick=quick)
    key = {"task": name, "config": chosen_options(config).replace(str(shared), "SHARED")}
    store = RunStore("recognition", QUICK_RUNS if quick else RUNS)
    if (stored := store.get(key)) is not None:
        return stored
    out = ROOT / "runs" / f"{name}-{'quick' if quick else seed}-{int(time.time())}"
    cache = Path.home() / ".cache" / "fieldmark"
    wall, processor = time.monotonic(), time.process_time()
    train(shared / "data" / name, out, config, cache=cache, observer=LineObserver())
    minutes = (time.monotonic() - wall) / 60
    found = evaluate(out, split="test", cache=cache)
    write_report(out)
    metrics: dict[str, float] = {"top1": found.top1, "top5": found.top5, "macro_recall": found.macro_recall}
    metrics |= {f"rank {rank}": value for rank, value in found.accuracy_by_rank.items()}
    result: dict[str, Json] = {
        "metrics": {metric: round(100 * value, 3) for metric, value in metrics.items()},
        "minutes": round(minutes, 2),
        "cpu_hours": round((time.process_time() - processor) / 3600, 3),
        "fingerprint": found.fingerprint,
        "leaks": {kind: sum(leak.kind == kind for leak in found.leaks) for kind in ("exact", "near", "group")},
        "options": json.loads(TRANSFER.read_text()) | dict(TASKS[name].options),
        "n": found.n,
    }
    store.add(key, result)
    return result


def options(task: Task, shared: Path, seed: int, *, quick: bool) -> TrainConfig:
    """Return the training options of one run."""
    given = json.loads(TRANSFER.read_text()) | dict(task.options)
    given |= {"weights": str(shared / "weights" / "mobilenetv2_100.safetensors"), "seed": seed}
    config = options_from_mapping(TrainConfig, given)
    return replace(config, epochs=1, finish_epochs=0, resolution=64, finish_resolution=0) if quick else config


def rows_of(task: Task, results: Sequence[Mapping[str, Json]]) -> list[Row]:
    """Average the seeds' figures and hold them against the goals."""
    rows = []
    for metric in results[0]["metrics"]:
        values = [result["metrics"][metric] for result in results]
        mean, goal = statistics.mean(values), task.goals.get(metric)
        rows.append(
            Row(
                f"{metric} (%)",
                round(mean, 2),
                spread=round(statistics.stdev(values), 2) if len(values) > 1 else None,
                goal=f">= {goal:g}" if goal else None,
                anchor=task.anchors.get(metric),
                holds=mean >= goal if goal else None,
            )
        )
    longest = max(result["minutes"] for result in results)
    rows.append(Row("training, longest run (min)", longest, goal=f"<= {task.minutes:g}", holds=longest <= task.minutes))
    rows.append(Row("processor time a run (h)", statistics.mean(result["cpu_hours"] for result in results)))
    rows.append(Row("test pictures", float(results[0]["n"])))
    return rows


if __name__ == "__main__":
    main()
