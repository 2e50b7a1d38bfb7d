"""`fieldmark train`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.option_flags import FlagValue, options_from_flags, with_flags_of
from fieldmark.cli.terminal import CacheFolder, Quiet, ReaderName, cache_folder, open_terminal
from fieldmark.training.config import TrainConfig


@with_flags_of(TrainConfig)
def train(
    context: typer.Context,
    flags: Mapping[str, FlagValue],
    path: Annotated[Path, typer.Argument(help="Folder or file of labelled pictures.")],
    out: Annotated[Path, typer.Option(help="The run's folder: new, or empty.")],
    reader: ReaderName = None,
    config: Annotated[Path | None, typer.Option(help="JSON file of training options; flags go over it.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=2, help="Train so many times, from --seed on, into --out/seed-0 and so on.", show_default="one"
        ),
    ] = None,
    evaluate: Annotated[bool, typer.Option(help="Evaluate and write the report after training.")] = True,
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Train a recogniser on labelled pictures.

    Afterwards decisions are fitted on the validation rows (see `fieldmark calibrate`), the split `test` is evaluated
    (`val` where there is none) and the report written. The run's folder holds config.json, log.csv, checkpoints, the
    bundle that predicts, evaluation.json and report.html.

    The accuracy of one training owes something to chance. --seeds 3 trains three times and tells mean, spread and
    interval; with --resume what has finished is left out and what has not goes on. A time limit is that of each seed.

    Examples:
      fieldmark train photos/ --out runs/first
      fieldmark train photos/ --out runs/first --resume
      fieldmark train photos/ --out runs/three --seeds 3
      fieldmark train photos/ --out runs/quick --time-limit 30m --resolution 128
      fieldmark train photos/ --out runs/mobile --backbone mobilenetv2_100 --weights mobilenetv2.safetensors
      fieldmark train cub/ --out runs/small --backbone resnet10t --backbone-option "channels=[16,32,64,96]"
    """
    terminal = open_terminal(context, quiet)
    options = options_from_flags(TrainConfig, flags, config)

    from fieldmark.cli.stages import (
        calibrate_run,
        evaluate_run,
        evaluate_seeds_run,
        is_first_process,
        train_run,
        train_seeds_run,
    )

    folder = cache_folder(cache)
    if seeds is not None:
        train_seeds_run(terminal, path, out, options, seeds=seeds, cache=folder, reader=reader, resume=resume)
        if evaluate and is_first_process():
            evaluate_seeds_run(terminal, out, cache=folder)
        return
    train_run(terminal, path, out, options, cache=folder, reader=reader, resume=resume)
    if not is_first_process():
        return
    calibrate_run(terminal, out, cache=folder)
    if evaluate:
        evaluate_run(terminal, out, cache=folder)
