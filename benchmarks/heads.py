"""What it costs to add up parts: heads that may only add up, beside heads that mix everything they see.

    python benchmarks/heads.py                        # birds, grocery and cub50, 3 seeds: about 2 hours on two cores
    python benchmarks/heads.py --only birds --seeds 1

Every arm trains the same backbone from the same initial weights for the same epochs; only what is in ``ARMS`` differs,
and no option was tuned for any arm. The test split is read once a run, at its end. Finished runs are kept in
benchmarks/results/runs and not repeated.
"""

import argparse
import json
import os
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fieldmark.cli.demo import DEMO, QUICK_DEMO
from fieldmark.evaluation import evaluate
from fieldmark.models.heads import HEADS
from fieldmark.synthetic import generate_birds
from fieldmark.training.config import TrainConfig
from fieldmark.training.options import OptionValue, options_to_json
from fieldmark.training.train import train
from line_observer import LineObserver
from record import QUICK_RUNS, ROOT, RUNS, Json, Row, RunStore, chosen_options, write_results

Changes = Mapping[str, OptionValue]

#: The arm in question.
ADDITIVE: Changes = {"head": "additive", "parts": 8}

#: Arm → training options that differ.
ARMS: dict[str, Changes] = {
    "linear": {"head": "linear"},
    "attention": {"head": "attention"},
    "second order": {"head": "second_order"},
    "additive": ADDITIVE,
}

#: ImageNet weights, the first layers frozen, a short fine-tuning; a map of 8 × 8 cells.
TRANSFER = TrainConfig(
    backbone="mobilenetv2_100",
    backbone_options={"pad_type": "same", "output_stride": 16},
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    freeze_to_stride=4,
    resolution=128,
    epochs=8,
    weight_decay=0.02,
)

#: The demo's network with finer maps, 6 × 6 cells: of 3 × 3, pooling cells could make nothing.
SCRATCH = replace(DEMO.config, backbone_options={**DEMO.config.backbone_options, "output_stride": 16})

#: Data set → what its arms share.
DATA: dict[str, TrainConfig] = {"birds": SCRATCH, "grocery": TRANSFER, "cub50": TRANSFER}

#: Points that the additive head may lie behind the best head that mixes.
MOST_BEHIND = 0.5


def main() -> None:
    """Run what is not stored yet and write the results of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=DATA, help="one data set")
    parser.add_argument("--seeds", type=int, default=3, help="runs, with seeds 0, 1, ... (default 3)")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("FIELDMARK_SHARED", "../shared")))
    parser.add_argument("--quick", action="store_true", help="one epoch, one seed: does it run?")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    bench = Bench(arguments.shared, quick=arguments.quick)
    found: list[dict[str, Json]] = []
    for name in [arguments.only] if arguments.only else list(DATA):
        for seed in range(1 if arguments.quick else arguments.seeds):
            found += [bench.run(name, arm, seed) for arm in ARMS]
            write(found, arguments)  # what is there so far is kept, wherever it ends


class Bench:
    """Runs arms and keeps what they found.

    Args:
        shared: the folder of real data and weights.
        quick: one epoch of everything.
    """

    def __init__(self, shared: Path, *, quick: bool) -> None:
        self.shared = shared
        self.quick = quick
        self.store = RunStore("heads", QUICK_RUNS if quick else RUNS)
        self.cache = Path.home() / ".cache" / "fieldmark"

    def run(self, name: str, arm: str, seed: int) -> dict[str, Json]:
        """Train one arm and evaluate it on the test split, or return its stored result."""
        config = self.options(name, arm, seed)
        key = {"data": name, "arm": arm, "config": chosen_options(config).replace(str(self.shared), "SHARED")}
        if (stored := self.store.get(key)) is not None:
            return stored
        data = self.birds() if name == "birds" else self.shared / "data" / name
        out = ROOT / "runs" / f"heads-{os.getpid()}-{time.time_ns()}"
        started, processor = time.monotonic(), time.process_time()
        try:
            train(data, out, config, cache=self.cache, observer=LineObserver())
            hours, minutes = (time.process_time() - processor) / 3600, (time.monotonic() - started) / 60
            outcome = evaluate(out, split="test", cache=self.cache)
        finally:
            shutil.rmtree(out, ignore_errors=True)
        result: dict[str, Json] = {
            "data": name,
            "arm": arm,
            "seed": seed,
            "top1": round(100 * outcome.top1, 3),
            "macro_recall": round(100 * outcome.macro_recall, 3),
            "cpu_hours": round(hours, 4),
            "minutes": round(minutes, 2),
            "n": outcome.n,
            "fingerprint": outcome.fingerprint,
        }
        print(json.dumps(result), flush=True)
        self.store.add(key, result)
        return result

    def options(self, name: str, arm: str, seed: int) -> TrainConfig:
        """Return the training options of one run."""
        config = replace(DATA[name], seed=seed, **ARMS[arm])
        if DATA[name] is TRANSFER:
            config = replace(config, weights=str(self.shared / "weights" / "mobilenetv2_100.safetensors"))
        return replace(config, epochs=1, resolution=64) if self.quick else config

    def birds(self) -> Path:
        """Draw the demo's birds, unless they are there already."""
        made = QUICK_DEMO if self.quick else DEMO
        folder = ROOT / "runs" / f"heads-birds-{made.species}"
        counts = {"species": made.species, "train": made.train, "test": made.test}
        return generate_birds(folder, **counts, size=made.size)


def write(found: Sequence[Mapping[str, Json]], arguments: argparse.Namespace) -> None:
    """Average over seeds, hold against the goal, and write."""
    names = [name for name in DATA if any(run["data"] == name for run in found)]
    runs = {name: {arm: runs_of(found, name, arm) for arm in ARMS} for name in names}
    notes = {
        "protocol": "same backbone, initial weights and epochs in every arm; nothing tuned; test split read once a run",
        "weights": "birds: none; grocery, cub50: MobileNetV2, ImageNet-1k; overlap of CUB and ImageNet flatters cub50",
        "arms": json.dumps(ARMS),
        "options": json.dumps({name: json.loads(options_to_json(DATA[name])) for name in names}),
        "seeds": ", ".join(sorted({str(run["seed"]) for run in found})),
        "fingerprints": json.dumps({name: runs[name]["additive"][0]["fingerprint"] for name in names}),
    }
    rows = [row for name in names for row in rows_of(name, runs[name])]
    write_results("heads", rows, out=arguments.out, quick=arguments.quick, notes=notes)


def runs_of(found: Sequence[Mapping[str, Json]], name: str, arm: str) -> list[Mapping[str, Json]]:
    """Return the runs of one arm, by seed."""
    return sorted((run for run in found if (run["data"], run["arm"]) == (name, arm)), key=lambda run: run["seed"])


def rows_of(name: str, runs: Mapping[str, Sequence[Mapping[str, Json]]]) -> list[Row]:
    """Return each arm's accuracy and processor time, and how far the additive head lies behind the best that mixes.

    Args:
        name: the data set.
        runs: arm → its runs, by seed.
    """
    rows = []
    for arm, of_arm in runs.items():
        values = [run["top1"] for run in of_arm]
        hours = statistics.mean(run["cpu_hours"] for run in of_arm)
        rows.append(Row(f"{name}, {arm}: top-1 (%)", round(statistics.mean(values), 2), spread=deviation(values)))
        rows.append(Row(f"{name}, {arm}: processor time of a training (h)", round(hours, 4)))
    best = max(mixing_arms(), key=lambda arm: statistics.mean(run["top1"] for run in runs[arm]))
    gaps = [rival["top1"] - run["top1"] for rival, run in zip(runs[best], runs["additive"], strict=True)]
    gap = statistics.mean(gaps)
    rows.append(
        Row(
            f"{name}, additive behind the best head that mixes (points)",
            round(gap, 2),
            spread=deviation(gaps),
            goal=f"<= {MOST_BEHIND:g}",
            anchor=f"the best is {best}",
            holds=gap <= MOST_BEHIND,
        )
    )
    return rows


def mixing_arms() -> list[str]:
    """Return the arms whose head is not additive."""
    return [arm for arm, changes in ARMS.items() if not HEADS[str(changes["head"])].additive]


def deviation(values: Sequence[float]) -> float | None:
    """Return the standard deviation over seeds; ``None`` of one."""
    return round(statistics.stdev(values), 2) if len(values) > 1 else None


if __name__ == "__main__":
    main()
