"""Does work that is spread lose nothing, and does it pay?

    python benchmarks/scale.py                    # everything
    python benchmarks/scale.py --only training    # what is stored of the others is kept
    python benchmarks/scale.py --quick            # few pictures, one epoch, one seed: does it run?

*prediction*: `fieldmark scale predict` names 5,000 generated birds with two workers; when half of the files are in
place, the process that wrote the latest of them is killed. Then every row of every file is counted, and all predictions
are compared with those of `fieldmark predict` in one process.

*training*: generated birds, 3 seeds; one process pinned to one core against two that torchrun starts on two cores, one
thread each, in turns; and, as the most that the cores give together, two trainings at once that know nothing of each
other, one a core. Pictures a second are those of the log: whole epochs, validation included. The test split is read
once a run. *machines*: the same over two network namespaces that share nothing but a cable; not measured where they are
not allowed.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import polars as pl

from experiment import Experiment, argument_parser, deviation
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.evaluation import evaluate
from fieldmark.predict import load_predictor
from fieldmark.scale.prediction_files import check_rows, read_origin
from fieldmark.synthetic import generate_birds
from fieldmark.training.config import TrainConfig
from fieldmark.training.options import options_to_json
from network_namespaces import Machine, two_machines
from record import Json, Row, Scalar, write_results

PARTS = ("prediction", "training", "machines")

#: Seconds between two looks at what is done, and after which a benchmark gives up.
_LOOK, _PATIENCE = 0.05, 3600

CONFIG = TrainConfig(
    backbone="resnet10t",
    backbone_options={"channels": (32, 64, 96, 128)},
    resolution=96,
    epochs=15,
    batch_size=64,  # 32 a process: the default of one
)

#: How much faster two processes are to be than one, pinned to one core.
LEAST_SPEEDUP = 1.7


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is drawn and trained.

    Attributes:
        species: number of generated species.
        train: pictures of each for training.
        test: pictures of each for the test.
        side: their side in px.
        shard_rows: rows of a file of predictions.
    """

    species: int
    train: int
    test: int
    side: int
    shard_rows: int


#: 5,000 small pictures to predict, and fewer to train on.
PREDICTED, TRAINED = Sizes(20, 200, 50, 48, 25), Sizes(12, 60, 40, 96, 0)
QUICK_PREDICTED, QUICK_TRAINED = Sizes(4, 40, 20, 48, 4), Sizes(4, 16, 8, 64, 0)


@dataclass(frozen=True, slots=True)
class Training:
    """One training: how many processes, on how many machines, with which seed."""

    processes: int
    machines: int
    seed: int

    @property
    def name(self) -> str:
        """What the table calls it."""
        if self.machines > 1:
            return f"{self.machines} machines"
        return "1 process" if self.processes == 1 else f"{self.processes} processes"


def main() -> None:
    """Measure what was asked for, and write all that is known."""
    parser = argument_parser(__doc__, PARTS, "3")
    arguments = parser.parse_args()
    experiment = Experiment("scale", arguments.shared, quick=arguments.quick)
    wanted = {arguments.only} if arguments.only else set(PARTS)
    config = replace(CONFIG, epochs=1, resolution=64) if arguments.quick else CONFIG
    seeds = range(arguments.seeds or (1 if arguments.quick else 3))
    sizes = (QUICK_PREDICTED, QUICK_TRAINED) if arguments.quick else (PREDICTED, TRAINED)
    with experiment.scratch() as folder:
        folder.mkdir(parents=True)
        bench = Bench(experiment, folder, config, sizes[0], sizes[1])
        rows = prediction_rows(bench, wanted) + training_rows(bench, wanted, seeds)
    notes = {
        "trained": json.dumps(asdict(sizes[1])),
        "predicted": json.dumps(asdict(sizes[0])),
        "options": experiment.portable(config),
        "seeds": str(len(seeds)),
    }
    write_results("scale", rows, out=arguments.out, quick=arguments.quick, notes=notes)


@dataclass(frozen=True)
class Bench:
    """What all parts share: the store of finished runs, a folder, the options and the sizes."""

    experiment: Experiment
    folder: Path
    config: TrainConfig
    predicted: Sizes
    trained: Sizes

    def birds(self, sizes: Sizes) -> Path:
        """Return generated birds of a size, drawn once."""
        folder = self.folder / f"birds-{sizes.species}x{sizes.train + sizes.test}x{sizes.side}"
        return generate_birds(
            folder, species=sizes.species, train=sizes.train, test=sizes.test, size=sizes.side, seed=0
        )


def prediction_rows(bench: Bench, wanted: set[str]) -> list[Row]:
    """Predict with a worker killed half-way, and say what came of it; nothing where that was never done."""
    key: dict[str, Scalar] = {"part": "prediction", "sizes": json.dumps(asdict(bench.predicted))}
    (found,) = [*bench.experiment.gather([key], lambda _: "prediction" in wanted, dict, lambda _: predict(bench))] or [
        None
    ]
    if found is None:
        return []
    rows = int(str(found["rows"]))
    return [
        Row("prediction: rows", rows),
        Row("prediction: workers killed", float(str(found["killed"])), goal="1", holds=found["killed"] == 1),
        Row("prediction: files in place when it was killed (%)", float(str(found["share"]))),
        *(
            Row(f"prediction: rows {name}", float(str(found[name])), goal="0", holds=found[name] == 0)
            for name in ("missing", "double", "strange")
        ),
        Row(
            "prediction: rows unlike those of one process",
            float(str(found["different"])),
            goal="0",
            anchor="another class, or a probability that differs by more than 1e-4",
            holds=found["different"] == 0,
        ),
        Row("prediction: processes that wrote files", float(str(found["writers"]))),
        Row("prediction: pictures a second, the start and the kill included", float(str(found["rate"]))),
    ]


def predict(bench: Bench) -> dict[str, Json]:
    """Predict a table with two workers, kill one half-way, and count the rows."""
    birds = bench.birds(bench.predicted)
    run = bench.folder / "predictor"
    train(bench, birds, run, Training(1, 1, 0), replace(bench.config, epochs=1, finish_epochs=0))
    table, out = read_table(birds), bench.folder / "predicted"
    command = [sys.executable, "-m", "fieldmark", "scale", "predict", str(birds), "--run", str(run), "--out", str(out)]
    command += ["--workers", "2", "--shard-size", str(bench.predicted.shard_rows)]
    files = -(-len(table) // bench.predicted.shard_rows)
    started = time.monotonic()
    with subprocess.Popen(command, env=one_thread()) as process:
        share, killed = kill_half_way(out / "predictions", files, process)
    if process.returncode:
        raise SystemExit(f"`fieldmark scale predict` ended with {process.returncode}.")
    seconds = time.monotonic() - started
    check = check_rows(out / "predictions", table.frame["id"].to_list())
    origins = [read_origin(file) for file in (out / "predictions").glob("*.parquet")]
    return {
        "rows": len(table),
        "killed": killed,
        "share": round(100 * share, 1),
        "missing": len(check.missing),
        "double": len(check.double),
        "strange": check.strange,
        "different": unlike_one_process(table, run, out),
        "writers": len({origin.process for origin in origins if origin is not None}),
        "rate": round(len(table) / seconds, 1),
    }


def kill_half_way(predictions: Path, files: int, process: "subprocess.Popen[bytes]") -> tuple[float, int]:
    """Kill the process that wrote the latest file once half of all are in place; return their share and 1."""
    until = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < until:
        there = list(predictions.glob("*.parquet"))
        if 2 * len(there) >= files:
            origin = read_origin(max(there, key=lambda file: file.stat().st_mtime_ns))
            if origin is not None:
                os.kill(origin.process, signal.SIGKILL)
                return len(there) / files, 1
        time.sleep(_LOOK)
    return 1.0, 0


def unlike_one_process(table: Table, run: Path, out: Path) -> int:
    """Count the rows that one process would have named otherwise."""
    found = pl.read_parquet(out / "predictions" / "*.parquet").sort("row")
    expected = load_predictor(run).predict_stream([table.root / path for path in table.frame["path"]])
    return sum(
        label != wanted.label or probability is None or abs(probability - (wanted.probability or 0)) > 1e-4
        for (label, probability), wanted in zip(found.select("label", "probability").iter_rows(), expected, strict=True)
    )


def training_rows(bench: Bench, wanted: set[str], seeds: Sequence[int]) -> list[Row]:
    """Train in turns, and compare accuracy and speed."""
    jobs = [Training(processes, 1, seed) for seed in seeds for processes in (1, 2)]
    jobs += [Training(2, 2, seed) for seed in seeds]
    options = bench.experiment.portable(bench.config)

    def key(job: Training) -> dict[str, Scalar]:
        return {"part": "training", "sizes": json.dumps(asdict(bench.trained)), "options": options, **asdict(job)}

    def is_wanted(job: Training) -> bool:
        return ("machines" if job.machines > 1 else "training") in wanted

    limits = [
        float(str(found["rate"]))
        for found in bench.experiment.gather(
            seeds,
            lambda _: "training" in wanted,
            lambda seed: {**key(Training(2, 1, seed)), "part": "limit"},
            lambda seed: {"rate": rate_apart(bench, seed)},
        )
    ]
    results: dict[str, list[dict[str, Json]]] = {}
    for found in bench.experiment.gather(jobs, is_wanted, key, lambda job: measure(bench, job)):
        results.setdefault(str(found["name"]), []).append(found)
    rows = []
    for name, runs in results.items():
        if refused := [str(run["refused"]) for run in runs if "refused" in run]:
            rows.append(Row(f"{name}: top-1 (%)", None, anchor=f"not measured: {refused[0]}"))
            continue
        rows += arm_rows(name, runs, results.get("1 process", []))
    return rows + limit_rows(limits, results.get("1 process", []))


def limit_rows(limits: Sequence[float], alone: Sequence[dict[str, Json]]) -> list[Row]:
    """Return what both cores give together, beside one process on one core."""
    if not limits or len(limits) != len(alone):
        return []
    ratios = [rate / float(str(run["rate"])) for rate, run in zip(limits, alone, strict=True)]
    what = "2 trainings apart, one a core: times as fast together as 1"
    return [Row(what, round(statistics.mean(ratios), 3), deviation(ratios, 3), anchor="the most that the cores give")]


def arm_rows(name: str, runs: Sequence[dict[str, Json]], alone: Sequence[dict[str, Json]]) -> list[Row]:
    """Return an arm's accuracy and speed, against one process where this is another."""
    accuracy = [float(str(run["top1"])) for run in runs]
    rates = [float(str(run["rate"])) for run in runs]
    rows = [
        Row(f"{name}: top-1 (%)", round(statistics.mean(accuracy), 2), deviation(accuracy)),
        Row(f"{name}: pictures a second", round(statistics.mean(rates), 1), deviation(rates)),
    ]
    if name == "1 process" or len(alone) != len(runs):
        return rows
    before = [float(str(run["top1"])) for run in alone]
    difference = statistics.mean(accuracy) - statistics.mean(before)
    spread = deviation(before)
    rows.append(
        Row(
            f"{name}: top-1 less that of 1 process (points)",
            round(difference, 2),
            goal="within the spread over seeds of 1 process",
            anchor=None if spread is None else f"spread {spread:g}",
            holds=None if spread is None else abs(difference) <= spread,
        )
    )
    ratios = [rate / float(str(run["rate"])) for rate, run in zip(rates, alone, strict=True)]
    speedup = statistics.mean(ratios)
    rows.append(
        Row(
            f"{name}: times as fast as 1 process on one core",
            round(speedup, 3),
            deviation(ratios, 3),
            goal=f">= {LEAST_SPEEDUP}",
            holds=speedup >= LEAST_SPEEDUP,
        )
    )
    return rows


def measure(bench: Bench, job: Training) -> dict[str, Json]:
    """Train once, and return accuracy and speed; or why that isn't possible here."""
    birds = bench.birds(bench.trained)
    run = bench.folder / f"{job.name.replace(' ', '-')}-{job.seed}"
    try:
        train(bench, birds, run, job, replace(bench.config, seed=job.seed))
    except PermissionError as error:
        return {"name": job.name, "refused": str(error)}
    result = evaluate(run, cache=bench.folder / "cache")
    log = pl.read_csv(run / "log.csv")
    return {
        "name": job.name,
        "top1": round(100 * result.top1, 2),
        "leaks": len(result.leaks),
        "rate": float(log["images_per_second"].median()),  # type: ignore[arg-type]
    }


def train(bench: Bench, birds: Path, run: Path, job: Training, config: TrainConfig) -> None:
    """Train with the command line, as a user does, on as many cores as there are processes.

    Raises:
        PermissionError: network namespaces can't be made here.
    """
    with started(job, arguments_of(bench, birds, run, config), bench.folder / "cache") as processes:
        codes = [process.wait(_PATIENCE) for process in processes]
    if any(codes):
        raise SystemExit(f"Training in {job.name} ended with {codes}.")


def arguments_of(bench: Bench, birds: Path, run: Path, config: TrainConfig) -> list[str]:
    """Return the command line of a training, but for its cache, which comes last."""
    options = bench.folder / f"{run.name}.json"
    options.write_text(options_to_json(config), encoding="utf-8")
    command = ["-m", "fieldmark", "train", str(birds), "--out", str(run), "--config", str(options)]
    return [*command, "--no-evaluate", "--cache"]


def rate_apart(bench: Bench, seed: int) -> float:
    """Train twice at once, each on a core of its own; return the pictures a second of both together."""
    birds, config = bench.birds(bench.trained), replace(bench.config, seed=seed)
    cores = sorted(os.sched_getaffinity(0))[:2]
    runs = [bench.folder / f"apart-{core}-{seed}" for core in cores]
    processes = []
    for core, run in zip(cores, runs, strict=True):
        command = [sys.executable, *arguments_of(bench, birds, run, config), str(bench.folder / f"cache-{core}")]
        processes.append(subprocess.Popen(["taskset", "--cpu-list", str(core), *command], env=one_thread()))
    codes = [process.wait(_PATIENCE) for process in processes]
    if any(codes):
        raise SystemExit("A training beside another one failed.")
    logs = [pl.read_csv(run / "log.csv")["images_per_second"] for run in runs]
    return round(sum(float(rates.median()) for rates in logs), 1)  # type: ignore[arg-type]


@contextmanager
def started(job: Training, arguments: Sequence[str], cache: Path) -> "Iterator[list[subprocess.Popen[bytes]]]":
    """Start the processes of a training; each machine gets a cache of its own."""
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    cores = sorted(os.sched_getaffinity(0))[: job.processes]
    pin = ["taskset", "--cpu-list", ",".join(str(core) for core in cores)]
    if job.machines == 1:
        launch = (
            [sys.executable]
            if job.processes == 1
            else [*torchrun, "--standalone", "--nproc-per-node", str(job.processes)]
        )
        yield [subprocess.Popen([*pin, *launch, *arguments, str(cache)], env=one_thread())]
        return
    with two_machines() as machines:
        yield [
            subprocess.Popen(
                machine.command(*pin, *torchrun, *meeting(rank, machines[0]), *arguments, f"{cache}-{rank}"),
                env=machine.environment(),
            )
            for rank, machine in enumerate(machines)
        ]


def meeting(rank: int, first: Machine) -> list[str]:
    """Return what torchrun must be told on each of two machines."""
    place = ["--master-addr", first.address, "--master-port", "29400"]
    return ["--nnodes", "2", "--node-rank", str(rank), "--nproc-per-node", "1", *place]


def one_thread() -> dict[str, str]:
    """Return the environment of a process with one thread."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    main()
