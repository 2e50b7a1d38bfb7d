"""What benchmarks that train have in common: their arguments, their finished runs, a folder for each, and spreads."""

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from fieldmark.training.options import Options
from record import QUICK_RUNS, ROOT, RUNS, Json, RunStore, Scalar, chosen_options

#: MobileNetV2 as its ImageNet weights in the shared folder want it; of a training or a pretraining.
MOBILENET = {"backbone": "mobilenetv2_100", "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}

#: One run to be made: whatever a benchmark tells its runs apart by.
Job = TypeVar("Job")


def argument_parser(
    doc: str | None, only: Collection[str], seeds: str, quick: str = "one epoch, one seed: does it run?"
) -> argparse.ArgumentParser:
    """Return the arguments that all these benchmarks take.

    Args:
        doc: the script's docstring.
        only: what ``--only`` may name.
        seeds: how many seeds there are by default, in words.
        quick: what ``--quick`` does.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=only, help="run one of them; what is stored of the others is kept")
    parser.add_argument("--seeds", type=int, help=f"runs, with seeds 0, 1, ... (default: {seeds})")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("FIELDMARK_SHARED", "../shared")))
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--out", type=Path)
    return parser


class Experiment:
    """Where a benchmark finds what it needs, and keeps what it found.

    Args:
        name: the benchmark's name.
        shared: the folder of real data and weights.
        quick: whether this is a shortened run, whose results are kept apart.
    """

    def __init__(self, name: str, shared: Path, *, quick: bool) -> None:
        self.name = name
        self.shared = shared
        self.quick = quick
        self.store = RunStore(name, QUICK_RUNS if quick else RUNS)
        self.cache = Path.home() / ".cache" / "fieldmark"

    @property
    def mobilenet_weights(self) -> str:
        """The file of MobileNetV2's ImageNet weights."""
        return str(self.shared / "weights" / "mobilenetv2_100.safetensors")

    def portable(self, options: Options) -> str:
        """Return the chosen options as JSON that names no place of this machine."""
        return chosen_options(options).replace(str(self.shared), "SHARED")

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Name a folder for runs, and remove it at the end: the store keeps what counts."""
        path = ROOT / "runs" / f"{self.name}-{os.getpid()}-{time.time_ns()}"
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def gather(
        self,
        jobs: Iterable[Job],
        wanted: Callable[[Job], bool],
        key: Callable[[Job], Mapping[str, Scalar]],
        run: Callable[[Job], dict[str, Json]],
    ) -> Iterator[dict[str, Json]]:
        """Yield the results of jobs: the wanted ones are run where they are not stored, of others what is stored.

        So that results written after ``--only`` never lose what was measured before.

        Args:
            jobs: all that the full benchmark consists of.
            wanted: which of them to run.
            key: everything that decides a job's result.
            run: makes one.
        """
        for job in jobs:
            name = key(job)
            found = self.store.get(name)
            if found is None and wanted(job):
                found = run(job)
                self.store.add(name, found)
            if found is not None:
                yield found


def deviation(values: Sequence[float], digits: int = 2) -> float | None:
    """Return the standard deviation over seeds, rounded; ``None`` of one."""
    return round(statistics.stdev(values), digits) if len(values) > 1 else None
