"""`fieldmark pretrain`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.option_flags import FlagValue, options_from_flags, with_flags_of
from fieldmark.cli.terminal import CacheFolder, Quiet, ReaderName, cache_folder, open_terminal
from fieldmark.training.pretrain_config import PretrainConfig


@with_flags_of(PretrainConfig)
def pretrain(
    context: typer.Context,
    flags: Mapping[str, FlagValue],
    path: Annotated[Path, typer.Argument(help="Folder or file of pictures, sounds or texts, labelled or not.")],
    out: Annotated[Path, typer.Option(help="The run's folder: new, or empty.")],
    reader: ReaderName = None,
    config: Annotated[Path | None, typer.Option(help="JSON file of these options; flags go over it.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
    evaluate: Annotated[bool, typer.Option(help="Probe the features and write the report afterwards.")] = True,
    compare_weights: Annotated[
        Path | None, typer.Option(help="Safetensors file of a network whose features are probed beside these.")
    ] = None,
    compare_backbone: Annotated[str, typer.Option(help="That network's name.")] = "mobilenetv2_100",
    compare_option: Annotated[
        list[str] | None, typer.Option(help="Keyword argument of that network; may be repeated.", metavar="NAME=VALUE")
    ] = None,
    compare_mean: Annotated[str | None, typer.Option(help="Mean that its weights want.", metavar="R,G,B")] = None,
    compare_std: Annotated[
        str | None, typer.Option(help="Standard deviation that its weights want.", metavar="R,G,B")
    ] = None,
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Learn features by reconstruction, without labels.

    Every row outside the split `test` is learned from, labelled or not. Afterwards the reconstructions and, where
    there are labels, probes of the frozen features are put into the report. `fieldmark train --init RUN` begins
    from what was learned.

    Examples:
      fieldmark pretrain photos/ --out runs/pretrained
      fieldmark pretrain photos/ --out runs/pretrained --resume
      fieldmark pretrain photos/ --out runs/small --backbone resnet10t --resolution 96 --time-limit 30m
      fieldmark pretrain mnist/ --autoencoder dense --grey --resolution 28 --out runs/dense
      fieldmark pretrain recordings/ --autoencoder recurrent --out runs/sounds
      fieldmark train photos/ --init runs/pretrained --out runs/first
    """
    terminal = open_terminal(context, quiet)
    options = options_from_flags(PretrainConfig, flags, config)

    from fieldmark.cli.pretraining_stages import compared_network, evaluate_pretraining_run, pretrain_run
    from fieldmark.cli.stages import is_first_process

    folder = cache_folder(cache)
    compared = compared_network(compare_weights, compare_backbone, compare_option, compare_mean, compare_std)
    pretrain_run(terminal, path, out, options, cache=folder, reader=reader, resume=resume)
    if evaluate and is_first_process():
        evaluate_pretraining_run(terminal, out, cache=folder, compared=compared)
