"""Several trainings that differ in their seed alone: what a single accuracy owes to chance shows only so."""

from dataclasses import dataclass, replace
from pathlib import Path

from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.errors import ConfigError
from fieldmark.models.bundle import INFO_FILE
from fieldmark.seed_results import SEEDS_FILE
from fieldmark.training.config import TrainConfig
from fieldmark.training.initial_backbone import with_initial_backbone
from fieldmark.training.initial_parts import with_initial_parts
from fieldmark.training.observer import SilentObserver, TrainObserver
from fieldmark.training.run_folder import BUNDLE, CONFIG_FILE, check_run, seed_folder, seed_folders
from fieldmark.training.train import TrainResult, train

#: What the folder of several seeds may hold beside them.
_BESIDE = (SEEDS_FILE, "report.html")


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One of several trainings.

    Attributes:
        seed: its seed.
        run: its folder.
        result: what it came to; ``None`` where it had finished before.
    """

    seed: int
    run: Path
    result: TrainResult | None


def train_seeds(
    data: Path | str | Table,
    out: Path | str,
    config: TrainConfig,
    *,
    seeds: int = 3,
    cache: Path | str,
    reader: str | None = None,
    resume: bool = False,
    observer: TrainObserver | None = None,
) -> tuple[SeedRun, ...]:
    """Train the same with several seeds, into ``out/seed-0``, ``out/seed-1`` and so on.

    All see the same splits: where the data has none, those that ``config.seed`` makes.

    Args:
        data: a table, or anything that ``read_table`` reads.
        out: the folder of them all; new or empty, unless ``resume``.
        config: the options; its seed is the first one, and a time limit is that of each training.
        seeds: how many trainings, 1 or more.
        cache: folder of decoded pictures, shared by runs.
        reader: name of the reader; by default the format is recognised.
        resume: leave out what has finished, go on with what has not, and begin what is missing.
        observer: hears what happens.

    Raises:
        DataError, ConfigError, ModelError, TrainingError: as ``train`` does; also ConfigError of a folder that holds
            something else, such as a single run. What can be checked is checked before the first training.
    """
    if seeds < 1:
        raise ConfigError(f"{seeds} trainings are none.", "Give 1 or more.")
    out = Path(out)
    _check_folder(out)
    table = data if isinstance(data, Table) else read_table(data, reader=reader, seed=config.seed)
    resolved = with_initial_parts(with_initial_backbone(config))
    numbers = range(config.seed, config.seed + seeds)
    for seed in numbers:
        check_run(seed_folder(out, seed), replace(resolved, seed=seed), table, resume=resume)
    hears = observer if observer is not None else SilentObserver()
    runs = []
    for place, seed in enumerate(numbers, 1):
        run = seed_folder(out, seed)
        if (run / BUNDLE / INFO_FILE).is_file():
            hears.message(f"Seed {seed} ({place} of {seeds}) has finished before.")
            runs.append(SeedRun(seed, run, None))
            continue
        hears.message(f"Seed {seed} ({place} of {seeds}) ...")
        result = train(table, run, replace(config, seed=seed), cache=cache, resume=resume, observer=observer)
        runs.append(SeedRun(seed, run, result))
    return tuple(runs)


def _check_folder(out: Path) -> None:
    """Refuse a folder that holds anything but seeds."""
    if (out / CONFIG_FILE).is_file():
        raise ConfigError(f"{out} holds a single run.", "Name another --out for several seeds.")
    known = {*seed_folders(out), *(out / name for name in _BESIDE)}
    foreign = sorted(set(out.iterdir()) - known) if out.is_dir() else []
    if foreign:
        raise ConfigError(f"{out} holds something else, such as {foreign[0].name}.", "Name an empty or new --out.")
