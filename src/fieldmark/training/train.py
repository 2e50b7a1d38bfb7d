"""Supervised training: from a table to a run folder with a bundle."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.leaks import find_leaks
from fieldmark.data.reading import read_table
from fieldmark.data.splits import hold_out
from fieldmark.data.table import Table
from fieldmark.errors import DataError
from fieldmark.models.bundle import BundleInfo, save_bundle
from fieldmark.models.recognizer import Recognizer
from fieldmark.records import Leak, Preprocessing
from fieldmark.training.assembly import build_model, make_task, model_spec
from fieldmark.training.attribute_targets import check_attributes
from fieldmark.training.checkpoint import TrainingState
from fieldmark.training.config import TrainConfig
from fieldmark.training.initial_backbone import origin_of, with_initial_backbone
from fieldmark.training.initial_parts import with_initial_parts
from fieldmark.training.keypoint_targets import check_keypoints
from fieldmark.training.loop import Loop
from fieldmark.training.observer import SilentObserver, TrainObserver
from fieldmark.training.options import flat_options
from fieldmark.training.processes import make_fabric
from fieldmark.training.rank_targets import check_lineage
from fieldmark.training.run_folder import BUNDLE, check_run, make_run
from fieldmark.training.schedule import deadline_of
from fieldmark.training.supervised_model import SupervisedBatch


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
    data: Path | str | Table,
    out: Path | str,
    config: TrainConfig,
    *,
    cache: Path | str,
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
    out, cache = Path(out), Path(cache)
    config = with_initial_parts(with_initial_backbone(config))
    fabric = make_fabric(config.precision)
    hears = observer if observer is not None and fabric.global_rank == 0 else SilentObserver()
    table = data if isinstance(data, Table) else read_table(data, reader=reader, seed=config.seed)
    table = hold_out(table, config.holdout, config.seed)
    _check_trainable(table)
    _check_tasks(table, config)
    check_run(out, config, table, resume=resume)
    recognizer, preprocessing = build_model(config, len(table.classes), table.part_names)
    images = _cache(table, preprocessing, cache, hears)
    leaks = find_leaks(images.table, images)
    if leaks:
        hears.message(f"Leaks between splits: {len(leaks):,}; see `fieldmark data check`.")
    fabric.barrier()  # no process may find the run made by another one before it has looked
    if fabric.global_rank == 0:
        make_run(out, config, table)
    fabric.barrier()
    task = make_task(fabric, config, recognizer, images, preprocessing, out, hears)
    state = Loop[SupervisedBatch](fabric, config, task, out, hears).run(deadline_of(config.time_limit, started))
    if fabric.global_rank == 0:
        info = _bundle_info(config, images.table, preprocessing, recognizer.evidence_names, state)
        save_bundle(out / BUNDLE, cast("Recognizer", task.average.module), info)
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


def _check_tasks(table: Table, config: TrainConfig) -> None:
    """Check that the data have what is to be learned beside the classes."""
    if config.keypoints:
        check_keypoints(table)
    if config.rank_weight:
        check_lineage(table)
    if config.attribute_weight:
        check_attributes(table)


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


def _bundle_info(
    config: TrainConfig, table: Table, preprocessing: Preprocessing, part_names: tuple[str, ...], state: TrainingState
) -> BundleInfo:
    training = flat_options(config)
    if config.init != "none":
        training["weights"] = origin_of(Path(config.init), table.fingerprint())
    if config.occlusion:
        training["occluders"] = ", ".join(config.occluders)
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
        model=asdict(model_spec(config, len(names), table.part_names)),
        rank_names=table.rank_names,
        lineage=table.lineage_of(),
        part_names=part_names,
        training=training,
        data_fingerprint=table.fingerprint(),
        results=results,
    )
