"""The folder of a run: made once, never overwritten, taken up again only with the same options and data."""

import dataclasses
from pathlib import Path

from fieldmark.data.table import Table
from fieldmark.errors import ConfigError
from fieldmark.training.options import Options, load_options, options_to_json

CONFIG_FILE = "config.json"
TABLE_FILE = "table.parquet"
LOG_FILE = "log.csv"
CHECKPOINTS = "checkpoints"
BUNDLE = "bundle"

#: What a pretraining rebuilds, drawn every few epochs.
PROGRESS = "progress"

#: What the folder of one of several seeds is called before its number, seen from the folder of them all.
_SEED = "seed-"

#: Options that may differ when a run is taken up again.
_MAY_CHANGE = ("time_limit",)


def check_run(out: Path, config: Options, table: Table, *, resume: bool) -> None:
    """Check that a run may be made in a folder, or that the run in it may go on; nothing is written.

    Args:
        out: the run's folder.
        config: the options of this start.
        table: the rows of this start.
        resume: take up the run that is there, if there is one.

    Raises:
        ConfigError: the folder is in use and ``resume`` is not given, or it holds a run of other options or data.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file.", "Name a folder with --out.")
    if (out / CONFIG_FILE).is_file():
        if not resume:
            raise ConfigError(f"{out} already holds a run.", "Go on with it (--resume) or name another --out.")
        _check_same(out, config, table)
    elif out.is_dir() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty and holds no run.", "Name an empty or new folder with --out.")


def make_run(out: Path, config: Options, table: Table) -> None:
    """Make a run's folder with its options and its table; one that is there stays as it is."""
    if (out / CONFIG_FILE).is_file():
        return
    out.mkdir(parents=True, exist_ok=True)
    table.save(out / TABLE_FILE)
    partial = out / (CONFIG_FILE + ".partial")
    partial.write_text(options_to_json(config), encoding="utf-8")
    partial.replace(out / CONFIG_FILE)


def seed_folder(out: Path, seed: int) -> Path:
    """Return the folder of one seed's run inside the folder of several."""
    return out / f"{_SEED}{seed}"


def seed_folders(out: Path) -> tuple[Path, ...]:
    """Return the runs of several seeds in a folder, by seed, finished or not; none where it holds a single run."""
    if (out / CONFIG_FILE).is_file() or (out / BUNDLE).is_dir():
        return ()
    numbered = ((path.name.removeprefix(_SEED), path) for path in out.glob(f"{_SEED}*") if path.is_dir())
    return tuple(path for _, path in sorted((int(number), path) for number, path in numbered if number.isdecimal()))


def _check_same(out: Path, config: Options, table: Table) -> None:
    before = load_options(type(config), out / CONFIG_FILE)
    changed = [
        f"{entry.name} was {getattr(before, entry.name)!r}, now {getattr(config, entry.name)!r}"
        for entry in dataclasses.fields(before)
        if entry.name not in _MAY_CHANGE and getattr(before, entry.name) != getattr(config, entry.name)
    ]
    if changed:
        raise ConfigError(
            f"The run in {out} had other options: {'; '.join(changed)}.",
            "Give the same, or name another --out.",
        )
    if Table.load(out / TABLE_FILE).fingerprint() != table.fingerprint():
        raise ConfigError(f"The run in {out} was made from other data.", "Give the same data, or name another --out.")
