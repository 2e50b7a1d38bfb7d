"""What several commands do: train, evaluate, report."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.cli.evaluation_output import counted, seeds_lines, summary_line
from fieldmark.cli.progress import in_words
from fieldmark.cli.terminal import Terminal, percent
from fieldmark.errors import ConfigError

if TYPE_CHECKING:
    from fieldmark.records import Progress
    from fieldmark.results import EvalResult
    from fieldmark.seed_results import SeedsResult
    from fieldmark.training.config import TrainConfig
    from fieldmark.training.train import TrainResult

#: Splits to evaluate after training, the best first.
_EVALUATED = ("test", "val")


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
    accuracy = _accuracy(result)
    epochs = "1 epoch" if result.epochs == 1 else f"{result.epochs} epochs"
    terminal.note(f"Trained {epochs} in {in_words(result.seconds)}{accuracy}: {result.run}")


def _accuracy(result: "TrainResult") -> str:
    """Return the validation accuracy with the leaks beside it, also where no evaluation follows; may be empty."""
    if result.val_top1 is None:
        return ""
    leaks = counted(len(result.leaks), "leak")
    return f", validation accuracy {percent(result.val_top1)} ({leaks} between splits)"


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


def train_seeds_run(
    terminal: Terminal,
    data: Path,
    out: Path,
    config: "TrainConfig",
    *,
    seeds: int,
    cache: Path,
    reader: str | None = None,
    resume: bool = False,
) -> None:
    """Train several seeds, showing the progress, and tell what they came to; arguments are those of ``train_seeds``."""
    from fieldmark.cli.observer import RichObserver
    from fieldmark.training.seeds import train_seeds

    quieten_lightning()
    with RichObserver(terminal) as observer:
        runs = train_seeds(data, out, config, seeds=seeds, cache=cache, reader=reader, resume=resume, observer=observer)
    for run in runs:
        if run.result is not None:
            seconds, accuracy = in_words(run.result.seconds), _accuracy(run.result)
            terminal.note(f"Seed {run.seed} trained in {seconds}{accuracy}: {run.run}")
    if is_first_process():
        for run in runs:
            calibrate_run(terminal, run.run, cache=cache)


def evaluate_run(terminal: Terminal, run: Path, *, cache: Path) -> None:
    """Evaluate a fresh run on its own data, write its report and print both; nothing where no row can be evaluated."""
    from fieldmark.evaluation import evaluate
    from fieldmark.report import write_report

    split = _evaluated_split(terminal, run)
    if split is None:
        return
    with terminal.progress(f"Evaluating split {split}") as progress:
        result = evaluate(run, split=split, cache=cache, progress=progress)
    report = write_report(run)
    terminal.result(summary_line(result))
    terminal.result(f"Report: {report}")


def evaluate_seeds_run(terminal: Terminal, folder: Path, *, cache: Path) -> None:
    """Evaluate fresh seeds on their own data, write their reports and print mean, spread and which bundle to use."""
    from fieldmark.training.run_folder import seed_folders

    split = _evaluated_split(terminal, seed_folders(folder)[0])
    if split is None:
        return
    result = evaluate_seeds_as(terminal, folder, None, None, split=split, cache=cache)
    for line in seeds_lines(result, folder):
        terminal.result(line)
    terminal.result(f"Report: {folder / 'report.html'}")


def _evaluated_split(terminal: Terminal, run: Path) -> str | None:
    """Return the split to evaluate a fresh run on; ``None``, with a warning, where no row can be evaluated."""
    from fieldmark.data.table import Table
    from fieldmark.training.run_folder import TABLE_FILE

    labelled = Table.load(run / TABLE_FILE).labelled().counts()
    split = next((name for name in _EVALUATED if labelled.get(name)), None)
    if split is None:
        terminal.warn("There are no labelled rows in split test or val, so nothing was evaluated.")
    return split


def evaluate_seeds_as(
    terminal: Terminal, folder: Path, data: Path | None, reader: str | None, *, split: str, cache: Path
) -> "SeedsResult":
    """Evaluate every seed in a folder and write the report of each and of all."""
    from fieldmark.evaluation import evaluate_seeds
    from fieldmark.report import write_report, write_seeds_report

    if reader is not None and data is None:
        raise ConfigError("--reader needs PATH.", "Name the data that it should read.")
    with terminal.progress(f"Evaluating split {split}, seed by seed") as progress:
        result = evaluate_seeds(folder, data, split=split, cache=cache, reader=reader, progress=progress)
    for run in result.runs:
        write_report(folder / run)
    write_seeds_report(folder)
    return result


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
