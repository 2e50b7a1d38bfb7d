"""A run's field guide, from its evidence to its pages: what joins the layers that collect, build and render."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fieldmark.data.cache import CachedImages
from fieldmark.data.table import SPLITS
from fieldmark.errors import ConfigError, DataError, ModelError, unknown_name
from fieldmark.explain import EvidenceReader, evidence_of_rows, load_images, load_reader
from fieldmark.explain.guide import GuideSource, LabelledEvidence, PartPictures, build_guide
from fieldmark.guide_results import DEFAULT_PAIRS, DEFAULT_TILES, GUIDE_FILE, GUIDE_FOLDER, MARK_SPLITS
from fieldmark.models.bundle import BundleInfo
from fieldmark.record_files import replace_folder
from fieldmark.records import Progress
from fieldmark.report.guide import write_guide_site
from fieldmark.results import RESULT_FILE, EvalResult

#: The splits that may tell how reliable marks are, the best first.
_HELD_OUT_SPLITS = ("test", "val")

#: Pictures whose part vectors, which the guide has no use for, are in memory at once.
_CHUNK = 512


def write_guide(
    run: Path | str,
    *,
    cache: Path | str,
    out: Path | str | None = None,
    splits: Sequence[str] = MARK_SPLITS,
    held_out: str | None = None,
    pairs: int = DEFAULT_PAIRS,
    tiles: int = DEFAULT_TILES,
    device: str = "cpu",
    reading: Progress | None = None,
    building: Progress | None = None,
) -> Path:
    """Write a run's field guide: a static site that shows which marks tell the classes apart.

    An older guide in the same folder is replaced as a whole.

    Args:
        run: the run's folder, with its bundle and its table.
        cache: folder of decoded pictures, shared by runs.
        out: the guide's folder; by default RUN/guide.
        splits: the splits that marks are taken from.
        held_out: the split that tells how reliable they are; by default test, or val where test has no labels. It is
            left out of ``splits``.
        pairs: the most pairs of lookalikes.
        tiles: the most tiles of one mark.
        device: where the network runs, as torch names it.
        reading: told how far decoding, then reading, has come.
        building: told how far the guide has come.

    Returns:
        The guide's first page.

    Raises:
        BundleError: the run has no bundle, or it can't be read.
        ConfigError: an unknown split or device, or a number out of range.
        DataError: the run has no table, no labelled pictures in ``splits``, or ``out`` holds something else.
        ModelError: the recogniser has no parts whose evidence adds up.
    """
    run, cache = Path(run), Path(cache)
    folder = run / GUIDE_FOLDER if out is None else Path(out)
    _check_folder(folder)
    _check_splits([*splits, *([held_out] if held_out else [])])
    reader = load_reader(run, device=device)
    _check_parts(reader)
    images = load_images(run, reader, cache, progress=reading)
    tested = held_out or next((name for name in _HELD_OUT_SPLITS if len(_rows(images, [name], reader.info))), None)
    taken = tuple(name for name in dict.fromkeys(splits) if name != tested)
    marks = _evidence(reader, images, taken, reading)
    tests = _evidence(reader, images, (tested,) if tested else (), reading)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    source = _source(run, reader.info, images, taken, tested)
    pictures = _pictures(images, reader.info, partial)
    guide = build_guide(source, marks, tests, pictures, pairs=pairs, tiles=tiles, progress=building)
    guide.save(partial)
    index = write_guide_site(guide, partial)
    replace_folder(partial, folder)
    return folder / index.name


def _source(
    run: Path, info: BundleInfo, images: CachedImages, taken: tuple[str, ...], tested: str | None
) -> GuideSource:
    return GuideSource(
        title=run.resolve().name.encode("utf-8", "replace").decode(),  # a folder's name need not be text
        info=info,
        fingerprint=images.table.fingerprint(),
        mark_splits=taken,
        held_out_split=tested,
        confusion=_confusion(run, info),
    )


def _pictures(images: CachedImages, info: BundleInfo, folder: Path) -> PartPictures:
    paths = dict(images.table.frame.select("id", "path").iter_rows())
    return PartPictures(paths, images.table.root, info.preprocessing, folder)


def _check_folder(folder: Path) -> None:
    """Refuse to replace a folder that holds anything but a guide."""
    if folder.exists() and not (folder / GUIDE_FILE).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} holds something else than a guide.", "Name another folder with --out, or empty it.")


def _check_splits(names: Sequence[str]) -> None:
    for name in names:
        if name not in SPLITS:
            raise unknown_name("split", name, SPLITS)


def _check_parts(reader: EvidenceReader) -> None:
    info = reader.info
    if not reader.additive:
        raise ModelError(
            f"The head {info.model.get('head')!r} gives one sum for the whole picture, so no part of it is a mark.",
            "Train with a head that adds up the evidence of parts.",
        )
    if len(info.part_names) - bool(info.model.get("rest")) < 2:
        raise ModelError(
            f"The only part of this recogniser is the {info.part_names[0]}, so it goes by no marks.",
            "Train a recogniser with parts.",
        )


def _rows(images: CachedImages, splits: Sequence[str], info: BundleInfo) -> NDArray[np.int64]:
    """Return the places of the rows of some splits whose class the bundle knows."""
    wanted = pl.col("split").is_in(list(splits)) & pl.col("label").is_in(list(info.classes))
    return np.flatnonzero(images.table.frame.select(wanted.fill_null(False)).to_series().to_numpy()).astype(np.int64)


def _evidence(
    reader: EvidenceReader, images: CachedImages, splits: Sequence[str], progress: Progress | None
) -> LabelledEvidence:
    """Read the evidence of some splits' labelled pictures; there may be none."""
    info = reader.info
    rows = _rows(images, splits, info)
    slots, classes = len(info.part_names), len(info.classes)
    evidence = np.zeros((len(rows), slots, classes), np.float32)
    presence, boxes = np.zeros((len(rows), slots), np.float32), np.zeros((len(rows), slots, 4), np.float32)
    predicted: list[str] = []
    for start in range(0, len(rows), _CHUNK):
        read = evidence_of_rows(reader, images, rows[start : start + _CHUNK])
        place = slice(start, start + len(read))
        evidence[place], presence[place], boxes[place] = read.evidence, read.presence, read.boxes
        predicted.extend(read.predicted)
        if progress is not None:
            progress(place.stop, len(rows))
    frame = images.table.frame[rows.tolist()]
    index = {name: place for place, name in enumerate(info.classes)}
    return LabelledEvidence(
        ids=tuple(frame["id"]),
        labels=np.array([index[label] for label in frame["label"]], dtype=np.int64),
        predicted=np.array([index[label] for label in predicted], dtype=np.int64),
        evidence=evidence,
        presence=presence,
        boxes=boxes,
        groups=tuple(frame["group"]),
    )


def _confusion(run: Path, info: BundleInfo) -> NDArray[np.int64] | None:
    """Return the counts of the run's evaluation, if there was one with the bundle's classes."""
    if not (run / RESULT_FILE).is_file():
        return None
    result = EvalResult.load(run)
    if result.classes != info.classes:
        raise ConfigError(
            f"{run / RESULT_FILE} is of other classes than the bundle.", f"Evaluate again: fieldmark evaluate {run}."
        )
    counts = np.zeros((len(info.classes), len(info.classes)), dtype=np.int64)
    for truth, predicted, count in result.confusion:
        counts[truth, predicted] = count
    return counts
