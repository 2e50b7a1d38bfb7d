"""`fieldmark demo`."""

from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.terminal import Quiet, Terminal, open_terminal
from fieldmark.errors import ConfigError
from fieldmark.training.config import TrainConfig


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What a demo generates and how it trains.

    Attributes:
        species: number of generated species.
        train: pictures of each species for training and validation.
        test: pictures of each species for the test.
        size: side of the pictures in pixels.
        config: the training options.
    """

    species: int
    train: int
    test: int
    size: int
    config: TrainConfig


#: The whole demo: below four minutes on two cores.
DEMO = DemoSettings(
    species=24,
    train=60,
    test=20,
    size=128,
    config=TrainConfig(
        backbone="resnet10t",
        backbone_options={"channels": (32, 64, 96, 128)},
        resolution=96,
        epochs=25,
        batch_size=32,
    ),
)

#: A taste of it: below half a minute, and with poor accuracy.
QUICK_DEMO = DemoSettings(
    species=8,
    train=24,
    test=8,
    size=96,
    config=TrainConfig(
        backbone="resnet10t",
        backbone_options={"channels": (16, 32, 48, 64)},
        resolution=64,
        epochs=6,
        batch_size=16,
    ),
)

#: Share of the training pictures that decisions are fitted on: the birds, like CUB's, have no validation split.
_HELD_OUT = 0.15

#: What a demo's folder holds; a folder with anything else in it belongs to someone else.
_BIRDS, _RUN, _CACHE = "birds", "run", "cache"
_OURS = frozenset({_BIRDS, _BIRDS + ".partial", _RUN, _CACHE})


def demo(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(help="Folder for everything.", show_default="demo, or demo-quick with --quick")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer species and epochs, to see it work.")] = False,
    quiet: Quiet = False,
) -> None:
    """Go the whole way on generated lookalikes, offline.

    Draws birds, trains on them, evaluates and writes the report.

    What is finished in the folder is used again: the drawn birds, and the epochs already trained; evaluation
    and report are made anew. Delete the folder, or name another, to begin from nothing.

    Examples:
      fieldmark demo
      fieldmark demo --quick
      fieldmark demo --out somewhere-else
    """
    terminal = open_terminal(context, quiet)
    settings = QUICK_DEMO if quick else DEMO
    folder = out or Path("demo-quick" if quick else "demo")
    _check_ours(folder, _OURS)
    run_demo(terminal, folder, settings)


def run_demo(terminal: Terminal, folder: Path, settings: DemoSettings) -> None:
    """Draw birds, train on them, evaluate and report, in one folder.

    Args:
        terminal: where to tell of it.
        folder: where everything goes.
        settings: what to draw and how to train.
    """
    from fieldmark.cli.stages import calibrate_run, evaluate_run, train_run
    from fieldmark.synthetic import generate_birds

    if (folder / _BIRDS).is_dir():
        terminal.note(f"Using what is already in {folder}; delete it to begin from nothing.")
    else:
        terminal.note(f"Drawing {settings.species} species that differ in one or two marks ...")
    with terminal.progress("Drawing birds") as progress:
        birds = generate_birds(
            folder / _BIRDS,
            species=settings.species,
            train=settings.train,
            test=settings.test,
            size=settings.size,
            progress=progress,
        )
    terminal.note("Training ...")
    run, cache = folder / _RUN, folder / _CACHE
    config = replace(settings.config, holdout=_HELD_OUT)
    train_run(terminal, birds, run, config, cache=cache, resume=True)
    calibrate_run(terminal, run, cache=cache)
    evaluate_run(terminal, run, cache=cache)


def _check_ours(folder: Path, ours: Set[str]) -> None:
    """Refuse a folder that holds anything but a demo."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file.", "Name a folder with --out.")
    entries = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    foreign = [name for name in entries if name not in ours and not name.startswith(".")]
    if foreign:
        raise ConfigError(f"{folder} holds something else, such as {foreign[0]}.", "Name another folder with --out.")
