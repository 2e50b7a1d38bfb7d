"""Robustness of a recogniser: accuracy under occlusion, in bad light, and with parts hidden."""

import datetime
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

import fieldmark
from fieldmark.augment import FRACTIONS, LIGHTS, OCCLUDERS, TRAINED_LIGHTS
from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.keypoints import boxes_of, keypoints_of
from fieldmark.data.table import Table
from fieldmark.errors import ConfigError
from fieldmark.evaluation.classification import check_classes, check_rows, table_of
from fieldmark.evaluation.corruptions import (
    ANNOTATED,
    CLEAN,
    DISCOVERED,
    LIGHT,
    OCCLUSION,
    Condition,
    Pixels,
    Subject,
    views,
)
from fieldmark.evaluation.part_regions import annotated_regions, discovered_regions
from fieldmark.metrics import accuracy_interval, area_under_curve, mean_interval, relative_degradation
from fieldmark.models.bundle import BundleInfo
from fieldmark.predict import Predictor, load_predictor
from fieldmark.record_files import replace_folder
from fieldmark.records import Progress
from fieldmark.robustness_results import (
    PICTURE_FOLDER,
    CorruptedPicture,
    HiddenPart,
    LightScores,
    OcclusionCurve,
    RobustnessResult,
)

#: Pictures that are corrupted where nothing else is asked for: each goes through the network about a hundred times.
DEFAULT_PICTURES = 200

#: Hidden parts that are shown, the dearest first.
_SHOWN_PARTS = 6

#: Shares of the object at which each occluder is shown.
_SHOWN_FRACTIONS = (0.3, 0.6)

_THUMBNAIL = 160


@dataclass
class _Answers:
    """What was answered: of each condition, the rows and whether the answer was right; and one picture to show."""

    right: dict[Condition, dict[int, bool]] = field(default_factory=lambda: defaultdict(dict))
    areas: dict[Condition, list[float]] = field(default_factory=lambda: defaultdict(list))
    label: str | None = None
    shown: dict[Condition, tuple[Pixels, str]] = field(default_factory=dict)

    def of(self, condition: Condition) -> NDArray[np.float64]:
        """Return the answers to a condition that every picture was in, 1 where right, in the pictures' order."""
        answers = self.right[condition]
        return np.array([answers[row] for row in sorted(answers)], np.float64)


def evaluate_robustness(
    run: Path | str,
    data: Path | str | None = None,
    *,
    split: str = "test",
    cache: Path | str,
    reader: str | None = None,
    pictures: int | None = DEFAULT_PICTURES,
    seed: int = 0,
    progress: Progress | None = None,
) -> RobustnessResult:
    """Measure what occlusion, bad light and hidden parts do to a run; write robustness.json and robustness/ into it.

    Args:
        run: the run's folder, with its bundle.
        data: anything that ``read_table`` reads; by default the table that the run was trained on.
        split: the split whose labelled rows are evaluated.
        cache: folder of decoded pictures, shared by runs.
        reader: name of the reader of ``data``; by default the format is recognised.
        pictures: evaluate so many, as many of each class as far as there are; ``None`` takes all.
        seed: of occluders, shadows, places, the choice of pictures and the bootstrap.
        progress: told how many pictures are done.

    Raises:
        BundleError: the run has no bundle, or it can't be read.
        ConfigError: fewer than one picture.
        DataError: no such data, no labelled rows in the split, or classes that the bundle does not know.
    """
    if pictures is not None and pictures < 1:
        raise ConfigError(f"Robustness can't be measured on {pictures} pictures.", "Ask for 1 or more.")
    run, cache = Path(run), Path(cache)
    predictor = load_predictor(run)
    info = predictor.info
    table = table_of(run, data, reader=reader, seed=seed)
    check_rows(table, split)
    check_classes(table, split, info)
    images = cache_images(table, info.preprocessing, cache)
    rows, available = _rows(images.table, split, pictures, seed)
    answers = _Answers()
    for done, subject in enumerate(_subjects(images, rows, predictor)):
        _ask(predictor, subject, done, str(images.table.frame["label"][int(rows[done])]), answers, seed)
        if progress is not None:
            progress(done + 1, len(rows))
    frame = images.table.frame[rows.tolist()]
    result = RobustnessResult(
        fingerprint=images.table.fingerprint(),
        split=split,
        n=len(rows),
        available=available,
        boxes=float(frame["box"].is_not_null().mean() or 0.0),
        clean=accuracy_interval(answers.of(Condition(CLEAN)) > 0, groups=frame["group"].to_list(), seed=seed),
        fractions=FRACTIONS,
        curves=_curves(answers, frame, info, seed),
        lights=_lights(answers, info),
        parts=_parts(answers),
        resolution=info.preprocessing.resolution,
        seed=seed,
        fieldmark_version=fieldmark.__version__,
        evaluated_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        label=answers.label,
        examples=_write_examples(answers, run),
    )
    result.save(run)
    return result


def _rows(table: Table, split: str, pictures: int | None, seed: int) -> tuple[NDArray[np.int64], int]:
    """Choose rows, class by class in turn; and say of how many."""
    frame = table.frame
    wanted = frame.select(((pl.col("split") == split) & pl.col("label").is_not_null()).fill_null(False))
    places = np.flatnonzero(wanted.to_series().to_numpy())
    shuffled = np.random.default_rng(seed).permutation(places)
    turns: dict[str, int] = defaultdict(int)
    order = []
    for place in shuffled.tolist():
        label = frame["label"][place]
        order.append((turns[label], place))
        turns[label] += 1
    order.sort(key=lambda entry: entry[0])  # stable: within a round as they were shuffled
    return np.array([place for _, place in order[:pictures]], np.int64), len(places)


def _subjects(images: CachedImages, rows: NDArray[np.int64], predictor: Predictor) -> Iterator[Subject]:
    boxes, keypoints, side = boxes_of(images), keypoints_of(images), images.pixels.shape[1]
    for row in rows.tolist():
        left, top, width, height = (float(value) for value in images.windows[row])
        window, pixels = (left, top, width, height), np.asarray(images.pixels[row])
        known = annotated_regions(images.table.part_names, keypoints, row, boxes[row], window, side)
        maps = predictor.outputs(pixels[None]).maps[0]
        regions = (*known, *discovered_regions(predictor.info.part_names, maps, window, side))
        yield Subject(images.table.frame["id"][row], pixels, window, boxes[row], regions)


def _ask(predictor: Predictor, subject: Subject, row: int, label: str, answers: _Answers, seed: int) -> None:
    """Let the predictor name one picture in all conditions."""
    conditions, corrupted = zip(*views(subject, seed), strict=True)
    classes = predictor.info.classes
    called = [classes[index] for index in predictor.probabilities(np.stack(corrupted)).argmax(1)]
    for condition, name in zip(conditions, called, strict=True):
        answers.right[condition][row] = name == label
    box = max(float(subject.box[2] * subject.box[3]), 1e-6) * subject.pixels[..., 0].size
    for region in subject.regions:
        condition = Condition(region.source, region.name)
        if row in answers.right[condition]:
            answers.areas[condition].append(float(region.mask.sum()) / box)
    if answers.label is None and called[0] == label:
        answers.label = label
        for condition, pixels, name in zip(conditions, corrupted, called, strict=True):
            if _is_shown(condition):
                answers.shown[condition] = (pixels, name)


def _curves(answers: _Answers, frame: pl.DataFrame, info: BundleInfo, seed: int) -> tuple[OcclusionCurve, ...]:
    trained = str(info.training.get("occluders") or "").split(", ")
    clean, groups = answers.of(Condition(CLEAN)), frame["group"].to_list()
    found = []
    for kind in OCCLUDERS:
        scores = np.stack([clean, *(answers.of(Condition(OCCLUSION, kind, share)) for share in FRACTIONS[1:])], 1)
        areas = 100 * area_under_curve(FRACTIONS, scores)  # (n,)
        accuracy = tuple(scores.mean(0).tolist())
        found.append(OcclusionCurve(kind, kind in trained, accuracy, mean_interval(areas, groups=groups, seed=seed)))
    return tuple(found)


def _lights(answers: _Answers, info: BundleInfo) -> tuple[LightScores, ...]:
    clean, trained = float(answers.of(Condition(CLEAN)).mean()), bool(info.training.get("lighting"))
    found = []
    for kind, light in LIGHTS.items():
        scores = tuple(float(answers.of(Condition(LIGHT, kind, level)).mean()) for level in light.levels)
        degradation = relative_degradation(clean, scores)
        found.append(
            LightScores(kind, light.unit, trained and kind in TRAINED_LIGHTS, light.levels, scores, degradation)
        )
    return tuple(found)


def _parts(answers: _Answers) -> tuple[HiddenPart, ...]:
    clean = answers.right[Condition(CLEAN)]
    found = []
    for condition, areas in answers.areas.items():
        hidden, control = answers.right[condition], answers.right[condition._replace(control=True)]
        found.append(
            HiddenPart(
                name=condition.kind,
                source=condition.group,
                n=len(hidden),
                area=float(np.mean(areas)),
                clean=_share([clean[row] for row in hidden]),
                hidden=_share(list(hidden.values())),
                elsewhere=_share(list(control.values())),
            )
        )
    return tuple(sorted(found, key=lambda part: (part.source, part.hidden - part.clean, part.name)))


def _share(right: Sequence[bool]) -> float:
    return float(np.mean(right))


def _is_shown(condition: Condition) -> bool:
    if condition.group == LIGHT:
        return condition.level in (LIGHTS[condition.kind].levels[0], LIGHTS[condition.kind].levels[-1])
    if condition.group == OCCLUSION:
        return condition.level in _SHOWN_FRACTIONS
    return condition.group in (CLEAN, ANNOTATED, DISCOVERED) and not condition.control


def _write_examples(answers: _Answers, run: Path) -> tuple[CorruptedPicture, ...]:
    """Write the pictures to be shown into the run, and say what they are."""
    partial = run / (PICTURE_FOLDER + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    dearest = [Condition(part.source, part.name) for part in _parts(answers)]
    parts = [condition for condition in dearest if condition in answers.shown][:_SHOWN_PARTS]
    others = [condition for condition in answers.shown if condition.group in (CLEAN, OCCLUSION, LIGHT)]
    found = []
    for number, condition in enumerate([*others, *parts]):
        pixels, called = answers.shown[condition]
        name = f"{number:03d}.jpg"
        _thumbnail(pixels).save(partial / name, quality=85, optimize=True)
        right = called == answers.label
        file = f"{PICTURE_FOLDER}/{name}"
        found.append(CorruptedPicture(condition.group, condition.kind, _level(condition), called, right, file))
    replace_folder(partial, run / PICTURE_FOLDER)
    return tuple(found)


def _thumbnail(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(pixels)
    return image if image.width <= _THUMBNAIL else image.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)


def _level(condition: Condition) -> str:
    if condition.group == OCCLUSION:
        return f"{100 * condition.level:.0f} % covered"
    if condition.group == LIGHT:
        return f"{condition.level:g} {LIGHTS[condition.kind].unit}"
    return "" if condition.group == CLEAN else "hidden"
