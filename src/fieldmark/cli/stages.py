"""What several commands do: train, evaluate, report, print."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.cli.decision_output import decision_rows
from fieldmark.cli.progress import in_words
from fieldmark.cli.terminal import Terminal, percent
from fieldmark.errors import ConfigError

if TYPE_CHECKING:
    from fieldmark.records import Progress
    from fieldmark.results import EvalResult
    from fieldmark.training.config import TrainConfig

#: Splits to evaluate after training, the best first.
_EVALUATED = ("test", "val")

#: Confused pairs that a table shows.
_PAIRS = 5


def is_first_process() -> bool:
    """Say whether this process speaks for all of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def train_run(
    terminal: Terminal,
    data: Path,
    out: Path,
    config: "TrainConfig",
    *,
    cache: Path,
    reader: str | None = None,
    resume: bool = False,
) -> None:
    """Train, showing the progress, and tell what it came to; the arguments are those of ``train``."""
    from fieldmark.cli.observer import RichObserver
    from fieldmark.data.table import Table
    from fieldmark.training.run_folder import TABLE_FILE
    from fieldmark.training.train import train

    quieten_lightning()
    with RichObserver(terminal) as observer:
        result = train(data, out, config, cache=cache, reader=reader, resume=resume, observer=observer)
    for row in Table.load(out / TABLE_FILE).skipped:
        terminal.note(f"Left out: {row.path}: {row.reason}")
    accuracy = "" if result.val_top1 is None else f", validation accuracy {percent(result.val_top1)}"
    epochs = "1 epoch" if result.epochs == 1 else f"{result.epochs} epochs"
    terminal.note(f"Trained {epochs} in {in_words(result.seconds)}{accuracy}: {result.run}")


def quieten_lightning() -> None:
    """Keep Lightning from announcing its number format in a line of its own; bar and notes say what matters."""
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)


def calibrate_run(terminal: Terminal, run: Path, *, cache: Path) -> None:
    """Fit a fresh run's decisions on its validation rows; say how to get some where there are too few."""
    from fieldmark.evaluation import fit_decisions, has_held_out_rows

    if not has_held_out_rows(run):
        terminal.note(
            "Too few validation pictures to fit decisions (sets, unknowns): train with --holdout 0.1, or train again "
            f"in folds with `fieldmark calibrate {run} --folds 5`."
        )
        return
    with terminal.progress("Fitting decisions") as progress:
        fit_decisions(run, cache=cache, progress=progress)


def evaluate_run(terminal: Terminal, run: Path, *, cache: Path) -> None:
    """Evaluate a fresh run on its own data, write its report and print both; nothing where no row can be evaluated."""
    from fieldmark.data.table import Table
    from fieldmark.evaluation import evaluate
    from fieldmark.report import write_report
    from fieldmark.training.run_folder import TABLE_FILE

    labelled = Table.load(run / TABLE_FILE).labelled().counts()
    split = next((name for name in _EVALUATED if labelled.get(name)), None)
    if split is None:
        terminal.warn("There are no labelled rows in split test or val, so nothing was evaluated.")
        return
    with terminal.progress(f"Evaluating split {split}") as progress:
        result = evaluate(run, split=split, cache=cache, progress=progress)
    report = write_report(run)
    terminal.result(summary_line(result))
    terminal.result(f"Report: {report}")


def evaluate_as(
    run: Path, data: Path | None, reader: str | None, *, split: str, cache: Path, progress: "Progress"
) -> "EvalResult":
    """Evaluate a run; other data is read as the format that ``reader`` names, if it names one."""
    from fieldmark.evaluation import evaluate, evaluate_predictor

    if reader is None:
        return evaluate(run, data, split=split, cache=cache, progress=progress)
    if data is None:
        raise ConfigError("--reader needs PATH.", "Name the data that it should read.")
    from fieldmark.data.reading import read_table
    from fieldmark.predict import load_predictor

    table = read_table(data, reader=reader)
    return evaluate_predictor(load_predictor(run), table, run, split=split, cache=cache, progress=progress)


def summary_line(result: "EvalResult") -> str:
    """Return accuracy with the number of leaks beside it, as one line."""
    top1 = result.intervals.get("top1")
    interval = f" (95 % interval {percent(top1.low)} to {percent(top1.high)})" if top1 else ""
    return (
        f"Accuracy on {result.n:,} pictures of split {result.split}: {percent(result.top1)}{interval}, "
        f"{counted(len(result.leaks), 'leak')} between splits"
    )


def print_evaluation(terminal: Terminal, result: "EvalResult") -> None:
    """Print an evaluation as tables."""
    rows = [[f"top-1, split {result.split}", percent(result.top1), _interval(result, "top1")]]
    if result.top1_without_leaks is not None and result.leaks:
        rows.append(["top-1 without leaks", percent(result.top1_without_leaks), ""])
    rows.append(["top-5", percent(result.top5), ""])
    rows.append(["macro recall", percent(result.macro_recall), _interval(result, "macro_recall")])
    if len(result.accuracy_by_rank) > 1:
        rows.extend([f"rank {rank}", percent(value), ""] for rank, value in result.accuracy_by_rank.items())
    rows.append(["calibration error", percent(result.ece), ""])
    rows.append(["pictures", f"{result.n:,}", ""])
    rows.append(["leaks between splits", f"{len(result.leaks):,}", ""])
    rows.append(["broken pictures", f"{len(result.broken):,}", ""])
    terminal.table(["measure", "value", "95 % interval"], rows)
    if result.decisions is not None:
        columns = ["decisions", "value", "promised"]
        terminal.table(columns, decision_rows(result.decisions), title="What may be relied on")
    if result.pairs:
        pairs = [
            [pair.first, pair.second, str(pair.first_as_second), str(pair.second_as_first), percent(pair.rate)]
            for pair in result.pairs[:_PAIRS]
        ]
        columns = ["class", "other class", "taken for other", "other taken for it", "share"]
        terminal.table(columns, pairs, title="Most confused pairs")
    for row in result.broken:
        terminal.warn(f"Left out: {row.path}: {row.reason}")
    for warning in result.warnings:
        terminal.warn(f"Note: {warning}")


def _interval(result: "EvalResult", name: str) -> str:
    found = result.intervals.get(name)
    return f"{percent(found.low)} to {percent(found.high)}" if found else ""


def counted(number: int, noun: str) -> str:
    """Return a number of things in words, such as ``"1 epoch"`` or ``"2,000 epochs"``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
