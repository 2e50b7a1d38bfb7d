"""Fit a run's decisions on rows that its weights were not learned from, and put them into its bundle."""

import shutil
from pathlib import Path

from fieldmark.data.cache import cache_images
from fieldmark.data.table import Table
from fieldmark.decide import DecisionRule, RuleOptions, fit_rule, limits_of
from fieldmark.decide.fitting import FEWEST_ROWS
from fieldmark.errors import ConfigError, DataError
from fieldmark.evaluation.held_out import OutputPredictor, held_out_folds, held_out_split
from fieldmark.models.bundle import read_info
from fieldmark.predict import load_predictor
from fieldmark.predict.deciding import record_decisions
from fieldmark.records import Progress
from fieldmark.training.config import TrainConfig
from fieldmark.training.observer import TrainObserver
from fieldmark.training.options import load_options
from fieldmark.training.run_folder import CONFIG_FILE, TABLE_FILE
from fieldmark.training.train import train

#: Where the networks of the folds are trained, seen from the run's folder; it goes when they are done.
FOLDS_FOLDER = "folds"


def has_held_out_rows(run: Path) -> bool:
    """Say whether a run has validation rows enough to fit decisions on."""
    table = run / TABLE_FILE
    return table.is_file() and len(Table.load(table).split("val").labelled()) >= FEWEST_ROWS


def fit_decisions(
    run: Path | str,
    *,
    cache: Path | str,
    options: RuleOptions | None = None,
    folds: int = 0,
    progress: Progress | None = None,
    observer: TrainObserver | None = None,
) -> DecisionRule:
    """Fit a run's temperature and decision rule, and put them with reference pictures into its bundle.

    They are fitted on the validation split, which no weight was learned from, or on training rows by networks that are
    trained again without them, fold by fold. The test split is not read.

    Args:
        run: the run's folder, with its bundle and its table.
        cache: folder of decoded pictures, shared by runs.
        options: what the rule is fitted for.
        folds: networks to train again, each without one fold of the training rows; 0 takes the validation split.
        progress: told how many pictures are done.
        observer: hears of the trainings.

    Returns:
        The rule.

    Raises:
        BundleError: the run has no bundle, or it can't be read.
        DataError: the run's table is missing, or there are too few held-out rows.
        ConfigError: an unknown score or class, or a share that so few rows can't promise.
    """
    if folds == 1 or folds < 0:
        raise ConfigError(f"There can't be {folds} folds.", "Give 2 or more, or 0 for the validation split.")
    wanted = options or RuleOptions()
    run, cache = Path(run), Path(cache)
    predictor = load_predictor(run)
    table = _table_of(run)
    images = cache_images(table, predictor.info.preprocessing, cache)
    held, reference = held_out_split(predictor, images, wanted.neighbours, progress=progress)
    if folds:
        trainer = _FoldTrainer(run, cache, observer)
        held = held_out_folds(trainer, table, cache, folds, wanted.neighbours, seed=wanted.seed)
    info = predictor.info
    rule, temperature = fit_rule(held, info.classes, info.rank_names, info.lineage, wanted)
    record_decisions(run, rule, temperature, reference, limits_of(rule, temperature))
    shutil.rmtree(run / FOLDS_FOLDER, ignore_errors=True)
    return rule


class _FoldTrainer:
    """Trains a run again without one fold, in a folder inside the run; what was trained before is used again."""

    def __init__(self, run: Path, cache: Path, observer: TrainObserver | None) -> None:
        if not (run / CONFIG_FILE).is_file():
            raise DataError(f"{run} does not say how it was trained.", "Give the folder that `train --out` wrote.")
        self._run, self._cache, self._observer = run, cache, observer
        self._config = load_options(TrainConfig, run / CONFIG_FILE)

    def __call__(self, table: Table, number: int) -> OutputPredictor:
        out = self._run / FOLDS_FOLDER / str(number)
        train(table, out, self._config, cache=self._cache, resume=True, observer=self._observer)
        return load_predictor(out)


def _table_of(run: Path) -> Table:
    if not (run / TABLE_FILE).is_file():
        read_info(run)  # a run that isn't there is the graver fault
        raise DataError(
            f"{run} does not say which data it was trained on.", "Give the folder that `train --out` wrote."
        )
    return Table.load(run / TABLE_FILE)
