"""An audit on the terminal, and the network that it is made with."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.audit_kinds import KINDS
from fieldmark.audit_results import AuditResult
from fieldmark.cli.option_flags import read_channels
from fieldmark.cli.terminal import Terminal, printable
from fieldmark.errors import ConfigError

if TYPE_CHECKING:
    from fieldmark.audit import Repair
    from fieldmark.audit.network import FrozenNetwork

#: Classes, leaks and findings that the tables name; JSON names them all.
SHOWN = 20


def network_for(
    weights: Path | None, run: Path | None, backbone: str | None, mean: str | None, std: str | None, device: str
) -> "FrozenNetwork | None":
    """Load the network that the options name; ``None`` where they name none.

    Raises:
        ConfigError: both a file and a run, or options of a file without one.
    """
    if weights is not None and run is not None:
        raise ConfigError("--weights and --run name two networks.", "Give one of them.")
    if weights is None and (backbone is not None or mean is not None or std is not None):
        raise ConfigError("--backbone, --mean and --std tell of --weights.", "Give --weights FILE too.")
    if weights is None and run is None:
        return None
    from fieldmark.audit.network import network_from_run, network_from_weights

    if run is not None:
        return network_from_run(run, device=device)
    means, deviations = (None if text is None else read_channels(text) for text in (mean, std))
    return network_from_weights(weights or Path(), backbone, mean=means, std=deviations, device=device)


def print_audit(terminal: Terminal, result: AuditResult) -> None:
    """Print what is in the data, then each kind of finding with the worst of it."""
    terminal.table(["", ""], [[name, value] for name, value in result.overview()])
    _print_classes(terminal, result)
    _print_list(terminal, "Broken pictures", [f"{row.path}: {row.reason}" for row in result.broken])
    _print_list(terminal, "Files left out", [f"{row.path}: {row.reason}" for row in result.skipped])
    leaks = [
        f"{leak.kind}: {leak.first} ({leak.first_split}) - {leak.second} ({leak.second_split})" for leak in result.leaks
    ]
    _print_list(terminal, "Leaks between splits", leaks, limit=SHOWN)
    suspects = [
        f"{entry.row.path}: {entry.row.label} ({entry.probability:.0%}), looks like {entry.suggested} "
        f"({entry.suggested_probability:.0%})"
        for entry in result.confident
    ]
    _print_list(terminal, "Suspicious labels", suspects, limit=SHOWN)
    counts = result.counts()
    rows = [
        [kind.title, "-" if name in result.not_looked_for else f"{counts[name]:,}", _advice(result, name)]
        for name, kind in KINDS.items()
    ]
    terminal.table(["audit", "found", "what to do"], rows)
    _print_list(terminal, "Notes", list(result.notes))
    if result.faults:
        _print_list(terminal, "Faults", list(result.faults))
    else:
        terminal.result("No faults found.")


def print_repair(terminal: Terminal, repair: "Repair", out: Path, listing: Path, *, as_json: bool) -> None:
    """Say what was left out of the new table and why; beside JSON on stderr, in one line."""
    reasons = Counter(row.reason.partition(":")[0] for row in repair.dropped)
    words = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items())) or "nothing"
    summary = f"New table: {out}, {len(repair.table):,} rows; dropped: {words}. All reasons: {listing}"
    if as_json:
        terminal.note(summary)
        return
    _print_list(terminal, "Dropped", [f"{row.path}: {row.reason}" for row in repair.dropped], limit=SHOWN)
    terminal.result(summary)


def _advice(result: AuditResult, name: str) -> str:
    if name in result.not_looked_for:
        return f"not looked for: {result.not_looked_for[name]}"
    return KINDS[name].advice if result.counts()[name] else ""


def _print_classes(terminal: Terminal, result: AuditResult) -> None:
    if not result.classes:
        return
    columns = ["class", "train", "val", "test", "no split"]
    ordered = sorted(result.classes, key=lambda entry: (-entry.rows, entry.name))
    shown = ordered if len(ordered) <= SHOWN else ordered[: SHOWN // 2] + ordered[-SHOWN // 2 :]
    rows = [[entry.name, *(f"{count:,}" for count in entry.counts)] for entry in shown]
    part = "" if len(shown) == len(ordered) else f", the {SHOWN // 2} largest and the {SHOWN // 2} smallest"
    terminal.table(columns, rows, title=f"Rows of each class{part}")


def _print_list(terminal: Terminal, title: str, lines: Sequence[str], limit: int | None = None) -> None:
    if not lines:
        return
    terminal.result(f"{title}:")
    for line in lines[:limit]:
        terminal.result(f"  {printable(line)}")
    if limit is not None and len(lines) > limit:
        terminal.result(f"  and {len(lines) - limit:,} more; --format json names them all")
    terminal.result("")
