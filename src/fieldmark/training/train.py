"""Supervised training: from a table to a run folder with a bundle."""

import copy
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch.nn import functional

from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.leaks import find_leaks
from fieldmark.data.reading import read_table
from fieldmark.data.table import Table
from fieldmark.errors import DataError
from fieldmark.models.bundle import BundleInfo, save_bundle
from fieldmark.models.recognizer import Recognizer
from fieldmark.records import Leak, Preprocessing
from fieldmark.training.assembly import build_model, make_trainer, model_spec
from fieldmark.training.checkpoint import TrainingState, latest_checkpoint, load_checkpoint
from fieldmark.training.config import TrainConfig
from fieldmark.training.loop import Trainer
from fieldmark.training.observer import SilentObserver, TrainObserver
from fieldmark.training.processes import make_fabric
from fieldmark.training.run_folder import BUNDLE, CHECKPOINTS, check_run, make_run
from fieldmark.training.schedule import Plan, plan_epochs

#: Share of the time limit kept for the last validation and for writing the bundle.
_TIME_RESERVE = 0.04

#: Steps timed to plan a limited training; the first is not counted.
_TIMED_STEPS = 4


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a training run came to.

    Attributes:
        run: its folder.
        epochs: epochs trained, over all starts.
        seconds: time they took.
        val_top1: share of validation rows that the kept weights get right, in 0..1; ``None`` without such rows.
        leaks: rows of different splits that show the same picture or share a group.
    """

    run: Path
    epochs: int
    seconds: float
    val_top1: float | None
    leaks: tuple[Leak, ...]


def train(
    data: Path | Table,
    out: Path,
    config: TrainConfig,
    *,
    cache: Path,
    reader: str | None = None,
    resume: bool = False,
    observer: TrainObserver | None = None,
) -> TrainResult:
    """Train a recogniser on the labelled training rows and write it as ``out/bundle``.

    Args:
        data: a table, or anything that ``read_table`` reads.
        out: the run's folder; new or empty, unless ``resume``.
        config: the options.
        cache: folder of decoded pictures, shared by runs.
        reader: name of the reader; by default the format is recognised.
        resume: go on from the last checkpoint in ``out``; on one machine the final weights are the same, bit for
            bit, as those of an uninterrupted run.
        observer: hears what happens.

    Raises:
        DataError: the data can't be read, or has no labelled training rows of two classes.
        ConfigError: options that contradict each other, the run's earlier options or its data.
        ModelError: the network or its weights can't be had.
        TrainingError: the loss is not a number, or exploded.
    """
    started = time.monotonic()
    fabric = make_fabric(config)
    hears = observer if observer is not None and fabric.global_rank == 0 else SilentObserver()
    table = data if isinstance(data, Table) else read_table(data, reader=reader, seed=config.seed)
    _check_trainable(table)
    check_run(out, config, table, resume=resume)
    recognizer, preprocessing = build_model(config, len(table.classes))
    images = _cache(table, preprocessing, cache, hears)
    leaks = find_leaks(images.table, images)
    if leaks:
        hears.message(f"{len(leaks)} leaks between splits: see `fieldmark data check`.")
    fabric.barrier()  # no process may find the run made by another one before it has looked
    if fabric.global_rank == 0:
        make_run(out, config, table)
    fabric.barrier()
    trainer = make_trainer(fabric, config, recognizer, images, preprocessing, out, hears)
    state = _begin(trainer, deadline=_deadline(config, started))
    state = trainer.run(state, _deadline(config, started))
    if fabric.global_rank == 0:
        info = _bundle_info(config, images.table, preprocessing, state)
        save_bundle(out / BUNDLE, cast("Recognizer", trainer.average.module), info)
    fabric.barrier()
    last = state.rows[-1].get("val_top1")
    top1 = float(last) if isinstance(last, int | float) else None
    return TrainResult(out, state.plan.total, state.seconds, top1, leaks)


def _check_trainable(table: Table) -> None:
    rows = table.split("train").labelled().frame
    if rows["label"].n_unique() < 2:
        raise DataError(
            f"Training needs labelled rows of two classes or more in split 'train'; there are {rows.height} rows of "
            f"{rows['label'].n_unique()}.",
            "Label some rows, or check how the data was read: fieldmark data check PATH.",
        )


def _cache(table: Table, preprocessing: Preprocessing, folder: Path, observer: TrainObserver) -> CachedImages:
    images = cache_images(
        table,
        preprocessing,
        folder,
        progress=lambda done, total: observer.progress("Decoding pictures", done, total),
    )
    for row in images.broken:
        observer.message(f"Left out: {row.path}: {row.reason}")
    return images


def _deadline(config: TrainConfig, started: float) -> float | None:
    if config.time_limit is None:
        return None
    return started + 60 * config.time_limit * (1 - _TIME_RESERVE)


def _begin(trainer: Trainer, deadline: float | None) -> TrainingState:
    """Return the state to begin with: the last checkpoint's, or a fresh one with as many epochs as fit."""
    checkpoint = latest_checkpoint(trainer.out / CHECKPOINTS)
    if checkpoint is not None:
        state = load_checkpoint(checkpoint, trainer.recognizer, trainer.average, trainer.optimizer)
        trainer.average.n_averaged.fill_(state.averaged)
        trainer.observer.message(f"Going on after epoch {state.plan.next_epoch} of {state.plan.total}.")
        return state
    config = trainer.config
    plan = Plan(config.epochs, config.finish_epochs)
    if deadline is not None:
        costs = [_epoch_cost(trainer, side) for side in (config.resolution, config.final_resolution)]
        plan = plan_epochs(config, deadline - time.monotonic(), costs[0], costs[1])
        plan = trainer.fabric.broadcast(plan)
        if plan.total < config.total_epochs:
            trainer.observer.message(f"{plan.total} of {config.total_epochs} epochs fit the time limit.")
    return TrainingState(plan, rows=(), seconds=0.0, processor_seconds=0.0, averaged=0)


def _epoch_cost(trainer: Trainer, resolution: int) -> float:
    """Time a few steps on a copy of the model and return the seconds of an epoch."""
    model = copy.deepcopy(trainer.recognizer).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], fused=True)
    times = []
    batches = trainer.batches(epoch=0, resolution=resolution)
    for _, (x, targets) in zip(range(_TIMED_STEPS), batches, strict=False):
        started = time.monotonic()
        with trainer.fabric.autocast():
            loss = functional.cross_entropy(model(x), targets)
        trainer.fabric.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.monotonic() - started)
    return sorted(times[1:] or times)[len(times[1:]) // 2] * trainer.steps * 1.1


def _bundle_info(config: TrainConfig, table: Table, preprocessing: Preprocessing, state: TrainingState) -> BundleInfo:
    training = {key: value for key, value in asdict(config).items() if isinstance(value, str | int | float | bool)}
    training["epochs_trained"] = state.plan.total
    training["seconds"] = round(state.seconds, 1)
    training["cpu_hours"] = round(state.processor_seconds / 3600, 4)
    results: dict[str, float] = {}
    if state.rows and isinstance(state.rows[-1].get("val_top1"), float):
        results["val_top1"] = float(state.rows[-1]["val_top1"] or 0.0)
    names: Sequence[str] = table.classes
    return BundleInfo(
        classes=tuple(names),
        preprocessing=preprocessing,
        model=asdict(model_spec(config, len(names))),
        rank_names=table.rank_names,
        lineage=table.lineage_of(),
        training=training,
        data_fingerprint=table.fingerprint(),
        results=results,
    )
