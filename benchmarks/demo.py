"""The demo as a user runs it: how accurate, how long, and how far one gets without looking at marks.

    python benchmarks/demo.py

Runs `fieldmark demo` in a process of its own, in a new folder, and reads what it left there.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fieldmark.data.table import Table
from fieldmark.results import EvalResult
from record import Row, write_results

#: Smallest accuracy in per cent, most minutes without the install, fewest species.
LEAST_ACCURACY, MOST_MINUTES, FEWEST_SPECIES = 85.0, 4.0, 24


def main() -> None:
    """Run the demo once and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the short demo: does it run?")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fieldmark-demo-"))
    try:
        started = time.monotonic()
        command = [sys.executable, "-m", "fieldmark", "demo", "--out", str(folder / "demo")]
        subprocess.run([*command, *(["--quick"] if arguments.quick else [])], check=True)
        minutes = (time.monotonic() - started) / 60
        found = EvalResult.load(folder / "demo" / "run")
        table = Table.load(folder / "demo" / "run" / "table.parquet")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    accuracy, species = 100 * found.top1, len(table.classes)
    interval = found.intervals["top1"]
    rows = [
        Row(
            "top-1 (%)",
            round(accuracy, 2),
            goal=f">= {LEAST_ACCURACY:g}",
            anchor=f"95 % interval {100 * interval.low:.1f} to {100 * interval.high:.1f}",
            holds=accuracy >= LEAST_ACCURACY,
        ),
        Row("species", species, goal=f">= {FEWEST_SPECIES}", holds=species >= FEWEST_SPECIES),
        Row("without the install (min)", round(minutes, 2), goal=f"< {MOST_MINUTES:g}", holds=minutes < MOST_MINUTES),
        *(Row(f"rank {rank} (%)", round(100 * value, 2)) for rank, value in found.accuracy_by_rank.items()),
        Row("leaks between splits", len(found.leaks), goal="0", holds=not found.leaks),
        Row("test pictures", found.n),
    ]
    write_results("demo", rows, out=arguments.out, quick=arguments.quick, notes={"fingerprint": found.fingerprint})


if __name__ == "__main__":
    main()
