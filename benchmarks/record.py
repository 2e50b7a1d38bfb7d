"""What every benchmark writes: a table on the screen, one JSON file, and runs that survive an interruption."""

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fieldmark.training.options import Options

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
RUNS = RESULTS / "runs"
QUICK_RUNS = RESULTS / "quick" / "runs"

#: A value that JSON can hold.
Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure.

    Attributes:
        metric: what was measured, with its unit where it has one.
        value: the figure, or the mean of several runs; ``None`` where it could not be measured.
        spread: standard deviation over runs, in the unit of ``value``; ``None`` of a single run.
        goal: what was asked for, in words, such as ``">= 85"``.
        anchor: what to compare with, such as a published figure and its source.
        holds: whether the goal was met; ``None`` where there is no goal.
    """

    metric: str
    value: float | None
    spread: float | None = None
    goal: str | None = None
    anchor: str | None = None
    holds: bool | None = None


def write_results(
    name: str, rows: Sequence[Row], *, out: Path | None, quick: bool, notes: Mapping[str, str] | None = None
) -> Path:
    """Print the rows and write them with the commit, the machine and the command that made them.

    Args:
        name: the benchmark's name, which names its file.
        rows: what was measured.
        out: the file to write; by default ``benchmarks/results/NAME.json``, of a quick run ``results/quick/NAME.json``,
            so that a quick run never takes the place of a full one.
        quick: whether this was a shortened run.
        notes: further facts by name, such as the protocol.

    Returns:
        The file, written atomically.

    Raises:
        ValueError: a figure is infinite or not a number; write ``None`` instead.
    """
    path = out or (RESULTS / "quick" if quick else RESULTS) / f"{name}.json"
    content = {
        "name": name,
        "commit": commit(),
        "machine": machine(),
        "command": command(sys.argv),
        "quick": quick,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "notes": dict(notes or {}),
        "rows": [asdict(row) for row in rows],
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    _print_rows(name, rows)
    print(f"written: {_portable(str(path.resolve()))}")
    return path


def commit() -> str:
    """Return the commit's hash, with ``+changes`` where other tracked files than results differ from it."""
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+changes" if changed else head


def machine() -> dict[str, str | int | float]:
    """Return what the figures depend on: processor, cores, memory in GiB, system, Python, torch, its threads."""
    return {
        "cpu": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "threads": _threads(),
    }


def command(argv: Sequence[str]) -> str:
    """Return the command line with paths as seen from the repository, so that it runs in any clone.

    Args:
        argv: the script's path and its arguments.
    """
    return shlex.join(["python", *(_portable(argument) for argument in argv)])


def chosen_options(options: Options) -> str:
    """Return the options that differ from their defaults, as JSON: it stays the same when options are added."""
    chosen = {
        entry.name: getattr(options, entry.name)
        for entry in fields(options)
        if getattr(options, entry.name) != _default(entry)
    }
    return json.dumps(chosen, sort_keys=True)


def _default(entry: Field[object]) -> object:
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


class RunStore:
    """Finished runs of a long benchmark, so that starting it again repeats none.

    One JSON line a run, in ``benchmarks/results/runs/NAME.jsonl``, which is committed: what took hours outlives the
    machine that it ran on. A line that was cut off by a crash counts as a run that never finished.

    Args:
        name: the benchmark's name.
        folder: where the file lies.
    """

    def __init__(self, name: str, folder: Path = RUNS) -> None:
        self._path = folder / f"{name}.jsonl"

    def get(self, key: Mapping[str, Scalar]) -> dict[str, Json] | None:
        """Return the result stored last under a key; ``None`` where there is none.

        Args:
            key: everything that decides the result, such as the seed and the options.
        """
        found = None
        for line in self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # cut off by a crash
            if entry["key"] == dict(key):
                found = entry["result"]
        return found

    def add(self, key: Mapping[str, Scalar], result: Mapping[str, Json]) -> None:
        """Append a finished run; it is on the disk when this returns.

        Args:
            key: everything that decides the result.
            result: what was measured.

        Raises:
            ValueError: a figure is infinite or not a number.
        """
        line = json.dumps({"key": dict(key), "result": dict(result)}, ensure_ascii=False, allow_nan=False)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        before = self._path.read_bytes() if self._path.exists() else b""
        start = "\n" if before and not before.endswith(b"\n") else ""
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, f"{start}{line}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)


def _print_rows(name: str, rows: Sequence[Row]) -> None:
    table = Table(title=name, title_justify="left")
    for heading in ("metric", "value", "spread", "goal", "anchor", "holds"):
        table.add_column(heading, justify="right" if heading in ("value", "spread") else "left")
    for row in rows:
        figures = ("–" if figure is None else f"{figure:.4g}" for figure in (row.value, row.spread))
        holds = {None: "–", True: "yes", False: "NO"}[row.holds]
        table.add_row(row.metric, *figures, row.goal or "–", row.anchor or "–", holds)
    Console().print(table)


def _portable(argument: str) -> str:
    """Replace an absolute path, alone or after ``=``, by one relative to the repository; of others keep the name."""
    before, equals, value = argument.rpartition("=")
    path = Path(value)
    if not path.is_absolute():
        return argument
    if path.is_relative_to(ROOT):
        short = path.relative_to(ROOT).as_posix()
    elif len(ROOT.parts) > 2 and path.is_relative_to(ROOT.parent):
        short = f"../{path.relative_to(ROOT.parent).as_posix()}"
    else:
        short = path.name
    return before + equals + short


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    for line in listing.read_text().splitlines() if listing.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _threads() -> int:
    torch = sys.modules.get("torch")  # asked only where the benchmark uses it: importing it takes seconds
    if torch is not None:
        return int(torch.get_num_threads())
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
