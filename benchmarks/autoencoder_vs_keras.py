"""The classical autoencoder of digits (784-128-64-128-784) in Fieldmark and in Keras 3: how fast, and how good?

    pip install 'fieldmark[benchmarks]'
    python benchmarks/autoencoder_vs_keras.py

60,000 digits of MNIST, batches of 256, binary cross-entropy, measured on the 10,000 test digits after every epoch.
Every run is a process of its own on the same cores, one after the other, arms in turn for each seed. Keras trains as
its documentation does: Adam at 1e-3, 50 epochs, on the JAX and on the torch backend. Fieldmark trains with its own
schedule (warm-up, cosine) for as many epochs, and for 20, which is enough for Keras's loss. One more arm gives Keras
that schedule, so that what the schedule is worth and what the implementation is worth can be told apart.

Run it on an idle machine: other work on the cores slows arms down unequally, OpenMP's most of all.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from record import QUICK_RUNS, ROOT, RUNS, Json, Row, RunStore, write_results

EPOCHS, SHORT = 50, 20
PEAK = 1e-2

#: Multiplications and additions of one training step for one picture: forwards, and twice as many backwards.
WORK_PER_PICTURE = 3 * 2 * 2 * (784 * 128 + 128 * 64)
PICTURES = 60_000


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        script: in this folder.
        epochs: passes over the digits.
        backend: Keras's; empty for Fieldmark.
        options: further options of the script.
    """

    script: str
    epochs: int
    backend: str = ""
    options: tuple[str, ...] = ()


ARMS = {
    "Keras, JAX": Arm("keras_autoencoder.py", EPOCHS, "jax"),
    "Keras, torch": Arm("keras_autoencoder.py", EPOCHS, "torch"),
    f"Keras, JAX, Fieldmark's schedule, {SHORT} epochs": Arm(
        "keras_autoencoder.py", SHORT, "jax", ("--cosine", "--learning-rate", str(PEAK))
    ),
    "Fieldmark": Arm("fieldmark_autoencoder.py", EPOCHS, options=("--learning-rate", str(PEAK))),
    f"Fieldmark, {SHORT} epochs": Arm("fieldmark_autoencoder.py", SHORT, options=("--learning-rate", str(PEAK))),
}
KERAS = ("Keras, JAX", "Keras, torch")
OURS, SHORT_OURS = "Fieldmark", f"Fieldmark, {SHORT} epochs"


def main() -> None:
    """Run what is not stored yet and write the results of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each arm, with seeds 0, 1, ... (default 3)")
    parser.add_argument("--threads", type=int, default=2, help="cores that every arm may use (default 2)")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("FIELDMARK_SHARED", "../shared")))
    parser.add_argument("--quick", action="store_true", help="two epochs, one seed: does it run?")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    cores = use_cores(arguments.threads)
    limits = {"float32": matmul_limit(torch.float32), "bfloat16": matmul_limit(torch.bfloat16)}
    store = RunStore("autoencoder_vs_keras", QUICK_RUNS if arguments.quick else RUNS)
    results: dict[str, list[dict[str, Json]]] = {name: [] for name in ARMS}
    for seed in range(1 if arguments.quick else arguments.seeds):
        for name, arm in ARMS.items():
            epochs = 2 if arguments.quick else arm.epochs
            key = {"arm": name, "epochs": epochs, "options": " ".join(arm.options), "seed": seed, "cores": cores}
            found = store.get(key)
            if found is None:
                found = run(arm, epochs, seed, cores, arguments.shared / "data" / "mnist")
                store.add(key, found)
            results[name].append(found)
            print(
                f"{name}, seed {seed}: {found['seconds']:.1f} s, {found['val_loss']:.5f}", file=sys.stderr, flush=True
            )
    notes = {
        "protocol": "fit with validation after every epoch; imports, reading and decoding are not counted; losses are "
        "those after the last epoch",
        "Fieldmark": f"AdamW without decay, peak {PEAK}, one epoch of warm-up, cosine; precision auto",
        "choice of the schedule": "on seed 0, by the loss on 5,000 training digits that were held out for it",
        "Keras": str(results["Keras, JAX"][0]["keras"]),
        "runs": json.dumps(results),
    }
    write_results(
        "autoencoder_vs_keras", rows_of(results, limits), out=arguments.out, quick=arguments.quick, notes=notes
    )


def run(arm: Arm, epochs: int, seed: int, cores: int, data: Path) -> dict[str, Json]:
    """Train one arm in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(cores), "MKL_NUM_THREADS": str(cores)}
    if arm.backend:
        environment["KERAS_BACKEND"] = arm.backend
    command = [sys.executable, str(ROOT / "benchmarks" / arm.script), str(data), "--epochs", str(epochs)]
    command += ["--seed", str(seed), *arm.options]
    command += ["--threads", str(cores)] if arm.backend else []
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    process_seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{arm.script} failed:\n{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    return {
        "seconds": round(found["seconds"], 2),
        "process_seconds": round(process_seconds, 2),
        "epochs": epochs,
        "val_loss": round(found["val_loss"][-1], 6),
        "lowest_val_loss": round(min(found["val_loss"]), 6),
        "keras": found.get("keras"),
    }


def rows_of(results: Mapping[str, Sequence[Mapping[str, Json]]], limits: Mapping[str, float]) -> list[Row]:
    """Average the seeds' figures and hold them against the goals."""
    seconds = {name: values_of(found, "seconds") for name, found in results.items()}
    losses = {name: values_of(found, "val_loss") for name, found in results.items()}
    fastest = min(KERAS, key=lambda name: statistics.mean(seconds[name]))
    best = min(KERAS, key=lambda name: statistics.mean(losses[name]))
    bar = statistics.mean(losses[best]) + (spread_of(losses[best]) or 0.0)
    rows = []
    for name in results:
        loss, goal = statistics.mean(losses[name]), f"<= {bar:.5f}" if name in (OURS, SHORT_OURS) else None
        holds = loss <= bar if goal else None
        rows.append(Row(f"{name}: validation loss (nats)", round(loss, 6), spread_of(losses[name]), goal, None, holds))
    for name in results:
        rows.append(Row(f"{name}: training (s)", round(statistics.mean(seconds[name]), 2), spread_of(seconds[name])))
        rows.append(Row(f"{name}: process (s)", round(statistics.mean(values_of(results[name], "process_seconds")), 2)))
    for name, words in ((SHORT_OURS, "to Keras's loss"), (OURS, "for as many epochs")):
        ratios = [theirs / ours for theirs, ours in zip(seconds[fastest], seconds[name], strict=True)]
        ratio, meets = statistics.mean(ratios), statistics.mean(losses[name]) <= bar
        rows.append(
            Row(
                f"{fastest} over Fieldmark, time {words} (times)",
                round(ratio, 3),
                spread_of(ratios),
                ">= 2",
                None if meets else "its loss is higher",
                ratio >= 2 and meets,
            )
        )
    rows += [Row(f"products of 2048 × 2048 matrices, {name} (GFLOP/s)", round(limit)) for name, limit in limits.items()]
    for name in (fastest, OURS):
        epochs = float(results[name][0]["epochs"])
        reached = epochs * PICTURES * WORK_PER_PICTURE / statistics.mean(seconds[name]) / 1e9
        numbers = "bfloat16" if name == OURS else "float32"
        share = 100 * reached / limits[numbers]
        rows.append(
            Row(f"{name}: share of the {numbers} products' limit, validation's time included (%)", round(share, 1))
        )
    return rows


def values_of(found: Sequence[Mapping[str, Json]], name: str) -> list[float]:
    """Return one figure of every seed."""
    return [float(result[name]) for result in found]


def spread_of(values: Sequence[float]) -> float | None:
    """Return the standard deviation over seeds; ``None`` of a single one."""
    return round(statistics.stdev(values), 6) if len(values) > 1 else None


def use_cores(wanted: int) -> int:
    """Keep this process and those it starts to some cores, and return their number."""
    if not hasattr(os, "sched_setaffinity"):
        return min(wanted, os.cpu_count() or 1)
    cores = sorted(os.sched_getaffinity(0))[:wanted]
    os.sched_setaffinity(0, cores)
    torch.set_num_threads(len(cores))
    return len(cores)


def matmul_limit(numbers: torch.dtype, size: int = 2048, repeats: int = 5) -> float:
    """Return GFLOP/s of the fastest product of two square matrices."""
    first, second = (torch.randn(size, size).to(numbers) for _ in range(2))
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        first @ second
        times.append(time.perf_counter() - started)
    return 2 * size**3 / min(times[1:]) / 1e9


if __name__ == "__main__":
    main()
