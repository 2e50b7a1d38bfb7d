"""What a recogniser says of rows that its weights were not learned from: the ground that decisions are fitted on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.leaks import find_leaks
from fieldmark.data.splits import folds
from fieldmark.data.table import Table
from fieldmark.decide import HeldOut
from fieldmark.evaluation.leakage import leaks_of
from fieldmark.models.bundle import BundleInfo
from fieldmark.models.reference import Reference, chosen_rows, normalised
from fieldmark.predict.contract import NetworkOutputs
from fieldmark.predict.neighbours import Neighbours
from fieldmark.records import Progress

#: Reference pictures of each class that a bundle keeps: beyond, the nearest one hardly comes nearer.
REFERENCES_PER_CLASS = 100

#: Pictures handed to the predictor at once.
_CHUNK = 128

#: What the validation rows are called.
_VALIDATION = "split val"

#: From a table with its splits to what predicts for it: trains a network on the rows of split train.
Trainer = Callable[[Table, int], "OutputPredictor"]


class OutputPredictor(Protocol):
    """What is asked of a predictor here."""

    @property
    def info(self) -> BundleInfo:
        """The bundle that it predicts with."""
        ...

    def outputs(self, pixels: NDArray[np.uint8]) -> NetworkOutputs:
        """Return all that the network says of fitted pictures (B, R, R, 3)."""
        ...


@dataclass(frozen=True)
class Counted:
    """Adds up the progress of several pieces of work.

    Attributes:
        progress: told how far all of it has come; ``None`` tells nobody.
        total: pictures in all.
        before: pictures done in earlier pieces.
    """

    progress: Progress | None
    total: int
    before: int = 0

    def __call__(self, done: int) -> None:
        """Tell that ``done`` pictures of this piece are done."""
        if self.progress is not None:
            self.progress(self.before + done, self.total)


def held_out_split(
    predictor: OutputPredictor, images: CachedImages, neighbours: int, *, progress: Progress | None = None
) -> tuple[HeldOut, Reference]:
    """Return what a predictor says of the validation rows, and the reference pictures among the training rows.

    Rows that are training pictures too, or share a group with some, are left out: the network knows them.

    Args:
        predictor: gives the outputs.
        images: the pictures of the table that it was trained on.
        neighbours: reference pictures that are looked for, for each row.
        progress: told how many pictures are done.
    """
    train, held = _places(images.table, "train"), _unleaked(images, _places(images.table, "val"))
    truth = _classes_of(predictor.info, images.table, train)
    train = train[chosen_rows(truth, REFERENCES_PER_CLASS)]
    total = len(train) + len(held)
    reference = reference_pictures(predictor, images, train, Counted(progress, total))
    if not len(held):
        return _nothing(len(predictor.info.classes)), reference
    logits, embedding = _said(predictor, images, held, Counted(progress, total, len(train)))
    nearest = Neighbours(reference.embeddings).nearest(embedding, neighbours)[0]
    return HeldOut(logits, _classes_of(predictor.info, images.table, held), nearest, _VALIDATION), reference


def held_out_folds(train: Trainer, table: Table, cache: Path, count: int, neighbours: int, *, seed: int = 0) -> HeldOut:
    """Return what networks say of training rows that they were not trained on: one network a fold.

    Args:
        train: trains a network on a table's rows of split train, given the number of the fold.
        table: the table that the run was trained on.
        cache: folder of decoded pictures.
        count: number of folds, 2 or more.
        neighbours: reference pictures that are looked for, for each row.
        seed: chooses which row lies in which fold.
    """
    rows = table.split("train").labelled()
    parts = []
    for number, (_, held) in enumerate(folds(rows, count, seed), start=1):
        fold_table = _with_fold(table, set(rows.frame["id"].gather(held)))
        predictor = train(fold_table, number)
        images = cache_images(fold_table, predictor.info.preprocessing, cache)
        parts.append(held_out_split(predictor, images, neighbours)[0])
    width = min(part.similarities.shape[1] for part in parts)
    return HeldOut(
        logits=np.concatenate([part.logits for part in parts]),
        truth=np.concatenate([part.truth for part in parts]),
        similarities=np.concatenate([part.similarities[:, :width] for part in parts]),
        source=f"{count} folds of split train",
    )


def reference_pictures(
    predictor: OutputPredictor, images: CachedImages, places: NDArray[np.int64], progress: Counted
) -> Reference:
    """Return some labelled rows as reference pictures.

    Args:
        predictor: gives the embeddings.
        images: the pictures.
        places: of the rows in them.
        progress: told how many are done.
    """
    _, embedding = _said(predictor, images, places, progress)
    ids = images.table.frame["id"].gather(places).to_list()
    kept = normalised(embedding).astype(np.float16).astype(np.float32)  # as the bundle keeps them
    return Reference(normalised(kept), _classes_of(predictor.info, images.table, places), tuple(ids))


def _said(
    predictor: OutputPredictor, images: CachedImages, places: NDArray[np.int64], progress: Counted
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return the logits (B, N) and embeddings (B, C) of rows; maps and vectors are not kept."""
    logits, embeddings = [], []
    for start in range(0, len(places), _CHUNK):
        found = predictor.outputs(np.asarray(images.pixels[places[start : start + _CHUNK]]))
        logits.append(found.logits)
        embeddings.append(found.embedding)
        progress(min(start + _CHUNK, len(places)))
    return np.concatenate(logits), np.concatenate(embeddings)


def _nothing(classes: int) -> HeldOut:
    return HeldOut(np.empty((0, classes)), np.empty(0, np.int64), np.empty((0, 0)), _VALIDATION)


def _places(table: Table, split: str) -> NDArray[np.int64]:
    wanted = table.frame.select(((pl.col("split") == split) & pl.col("label").is_not_null()).fill_null(False))
    return np.flatnonzero(wanted.to_series().to_numpy()).astype(np.int64)


def _classes_of(info: BundleInfo, table: Table, places: NDArray[np.int64]) -> NDArray[np.int64]:
    numbers = {name: index for index, name in enumerate(info.classes)}
    return np.array([numbers[label] for label in table.frame["label"].gather(places)], dtype=np.int64)


def _unleaked(images: CachedImages, held: NDArray[np.int64]) -> NDArray[np.int64]:
    """Leave out held-out rows that are in the training split too, by picture or by group."""
    leaks = [leak for leak in leaks_of("val", find_leaks(images.table, images)) if leak.first_split == "train"]
    frame = images.table.frame
    groups = frame.filter(pl.col("split") == "train")["group"].drop_nulls().unique().to_list()
    ids = [leak.second for leak in leaks]
    leaked = frame.select((pl.col("id").is_in(ids) | pl.col("group").is_in(groups)).fill_null(False))
    return np.asarray(held[~leaked.to_series().to_numpy()[held]])


def _with_fold(table: Table, held: set[str]) -> Table:
    """Make some training rows the only validation rows; former ones are in no split."""
    split = (
        pl.when(pl.col("id").is_in(list(held)))
        .then(pl.lit("val"))
        .when(pl.col("split") == "val")
        .then(None)
        .otherwise(pl.col("split"))
    )
    return replace(table, frame=table.frame.with_columns(split.alias("split")))
