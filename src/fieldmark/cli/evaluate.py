"""`fieldmark evaluate`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import CacheFolder, Quiet, ReaderName, Terminal, cache_folder, open_terminal


class ResultFormat(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


def evaluate(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run's folder, or one of several seeds.")],
    path: Annotated[
        Path | None, typer.Argument(help="Other data to evaluate on.", show_default="the data it was trained on")
    ] = None,
    split: Annotated[str, typer.Option(help="The rows to evaluate: train, val or test.")] = "test",
    reader: ReaderName = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Measure what occlusion, bad light and hidden parts do, too.")
    ] = False,
    robustness_pictures: Annotated[
        int | None,
        typer.Option(
            help="Measure robustness on so many pictures, as many of each class as far as there are; 0 takes all.",
            show_default="200",
        ),
    ] = None,
    output: Annotated[ResultFormat, typer.Option("--format", help="How to print the result.")] = ResultFormat.TABLE,
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Measure how well a run recognises, and write its report.

    Leaks between splits are looked for first and printed with the accuracy. Writes evaluation.json and report.html
    into the run's folder, with --robustness also robustness.json. Of the folder of several seeds every seed is
    evaluated, and mean, spread and interval are printed and written into seeds.json.

    Examples:
      fieldmark evaluate runs/first
      fieldmark evaluate runs/first --split val
      fieldmark evaluate runs/three-seeds
      fieldmark evaluate runs/first --robustness --robustness-pictures 100
      fieldmark evaluate runs/first other-photos/ --format json > result.json
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.cli.evaluation_output import print_evaluation
    from fieldmark.cli.robustness_stage import measure_robustness, print_robustness, refuse_seeds
    from fieldmark.cli.stages import evaluate_as
    from fieldmark.report import write_report
    from fieldmark.training.run_folder import seed_folders

    measured = robustness or robustness_pictures is not None
    if seed_folders(run):
        if measured:
            refuse_seeds(run)
        _evaluate_seeds(terminal, run, path, reader, split, output, cache_folder(cache))
        return
    with terminal.progress(f"Evaluating split {split}") as progress:
        result = evaluate_as(run, path, reader, split=split, cache=cache_folder(cache), progress=progress)
    robust = None
    if measured:
        robust = measure_robustness(
            terminal, run, path, reader, split=split, cache=cache_folder(cache), pictures=robustness_pictures
        )
    report = write_report(run)
    if output is ResultFormat.JSON:
        terminal.result((robust or result).to_json())
    else:
        print_evaluation(terminal, result)
        if robust is not None:
            print_robustness(terminal, robust)
    terminal.note(f"Report: {report}")


def _evaluate_seeds(
    terminal: Terminal, run: Path, path: Path | None, reader: str | None, split: str, output: ResultFormat, cache: Path
) -> None:
    from fieldmark.cli.evaluation_output import print_seeds
    from fieldmark.cli.stages import evaluate_seeds_as

    seeds = evaluate_seeds_as(terminal, run, path, reader, split=split, cache=cache)
    if output is ResultFormat.JSON:
        terminal.result(seeds.to_json())
    else:
        print_seeds(terminal, seeds, run)
    terminal.note(f"Report: {run / 'report.html'}")
