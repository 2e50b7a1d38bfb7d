"""From the parts' evidence to a guide."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

import fieldmark
from fieldmark.errors import ConfigError, DataError
from fieldmark.explain.guide.choosing import clear_examples, in_turn
from fieldmark.explain.guide.evidence import LabelledEvidence
from fieldmark.explain.guide.key import Split, find_splits, right_way, walk
from fieldmark.explain.guide.lookalikes import ChosenPair, choose_pairs, logit_distances, nearest
from fieldmark.explain.guide.marks import Evidence, class_marks, splitting_marks
from fieldmark.explain.guide.tiles import PictureSource
from fieldmark.guide_results import (
    DEFAULT_PAIRS,
    DEFAULT_TILES,
    Branch,
    Guide,
    GuideClass,
    Key,
    KeyStep,
    LookalikePair,
    Part,
    Tile,
)
from fieldmark.models.bundle import BundleInfo
from fieldmark.models.part_names import is_placeholder
from fieldmark.records import Progress

#: Lookalikes that a class's marks are measured against.
_LOOKALIKES = 3

#: Below this many held-out pictures of a class, its figures say little.
_FEW = 5


@dataclass(frozen=True)
class GuideSource:
    """Where a guide's pictures and figures come from.

    Attributes:
        title: the run's name.
        info: the bundle: classes, lineage and part names.
        fingerprint: fingerprint of the data.
        mark_splits: the splits that the marks are taken from.
        held_out_split: the split that tells how reliable they are; ``None`` where there is none.
        confusion: (N, N) counts of truth and prediction in the run's evaluation; ``None`` without one.
    """

    title: str
    info: BundleInfo
    fingerprint: str
    mark_splits: tuple[str, ...]
    held_out_split: str | None
    confusion: NDArray[np.int64] | None = None


def build_guide(
    source: GuideSource,
    marks: LabelledEvidence,
    held_out: LabelledEvidence,
    pictures: PictureSource,
    *,
    pairs: int = DEFAULT_PAIRS,
    tiles: int = DEFAULT_TILES,
    seed: int = 0,
    progress: Progress | None = None,
) -> Guide:
    """Find the marks that tell the classes apart.

    Args:
        source: what the evidence is of.
        marks: evidence on the pictures that marks are found in.
        held_out: evidence on pictures that tell how reliable they are; without rows where there are none.
        pictures: writes tiles and whole pictures.
        pairs: the most pairs of lookalikes, 0 or more.
        tiles: the most tiles of one mark, 1 or more.
        seed: of the bootstrap and of the drawing of pictures.
        progress: told how many pages' worth is done.

    Raises:
        ConfigError: ``pairs`` or ``tiles`` is out of range.
        DataError: there are no pictures to find marks in.
    """
    _check(marks, pairs, tiles)
    info = source.info
    rest = bool(info.model.get("rest"))
    parts = tuple(range(len(info.part_names) - rest))
    evidence = Evidence(marks, held_out, info.classes, frozenset(parts), pictures, tiles)
    distances = logit_distances(evidence.means)
    lineages = [info.lineage.get(name, ()) for name in info.classes]
    chosen = choose_pairs(distances, source.confusion, lineages, pairs)
    told = _counter(progress, len(info.classes) + len(chosen) + 1)
    classes = []
    for index in range(len(info.classes)):
        classes.append(_class(evidence, index, nearest(distances, index, _LOOKALIKES), lineages[index]))
        told()
    shown_pairs = []
    for pair in chosen:
        shown_pairs.append(_pair(evidence, pair, source.confusion, seed=seed))
        told()
    key = _key(evidence, find_splits(marks, lineages, parts, seed=seed), lineages)
    told()
    return Guide(
        title=source.title,
        classes=tuple(classes),
        parts=tuple(_part(evidence, place, name) for place, name in enumerate(info.part_names)),
        pairs=tuple(shown_pairs),
        key=key,
        rank_names=info.rank_names,
        mark_splits=source.mark_splits,
        held_out_split=source.held_out_split,
        fingerprint=source.fingerprint,
        fieldmark_version=fieldmark.__version__,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        warnings=_warnings(evidence, source.held_out_split),
    )


def _check(marks: LabelledEvidence, pairs: int, tiles: int) -> None:
    if pairs < 0 or tiles < 1:
        raise ConfigError(
            f"A guide can't have {pairs} pairs with {tiles} tiles.", "Ask for 0 or more pairs and 1 or more tiles."
        )
    if not len(marks):
        raise DataError("There are no labelled pictures to find marks in.", "Name splits that have some with --split.")


def _counter(progress: Progress | None, total: int) -> Callable[[], None]:
    """Return what tells, each time it is called, that one more step is over."""
    done = itertools.count(1)

    def step() -> None:
        if progress is not None:
            progress(next(done), total)

    return step


def _class(evidence: Evidence, index: int, lookalikes: Sequence[int], lineage: tuple[str, ...]) -> GuideClass:
    rows = evidence.marks.rows(index)
    marks, exemplars = class_marks(evidence, index, lookalikes) if len(rows) else ((), ())
    return GuideClass(
        name=evidence.names[index],
        lineage=lineage,
        pictures=len(rows),
        held_out=len(evidence.held_out.rows(index)),
        lookalikes=tuple(evidence.names[other] for other in lookalikes),
        exemplars=exemplars,
        marks=marks,
    )


def _pair(evidence: Evidence, pair: ChosenPair, confusion: NDArray[np.int64] | None, *, seed: int) -> LookalikePair:
    first, second = pair.first, pair.second
    marks, exemplars = splitting_marks(evidence, first, second, seed=seed)
    mistakes = evaluated = None
    if confusion is not None:
        mistakes = int(confusion[first, second] + confusion[second, first])
        evaluated = int(confusion[[first, second]].sum())
    return LookalikePair(
        first=evidence.names[first],
        second=evidence.names[second],
        reason=pair.reason,
        mistakes=mistakes,
        evaluated=evaluated,
        total=sum(mark.effect.value for mark in marks),
        marks=marks,
        first_exemplar=exemplars[0],
        second_exemplar=exemplars[1],
    )


def _part(evidence: Evidence, index: int, name: str) -> Part:
    """Describe a part, with tiles of the pictures in which it is surest there, one class after the other."""
    rest = index not in evidence.parts
    table = evidence.marks
    choices = []
    for label in () if rest else np.unique(table.labels):
        rows = table.rows(int(label))
        rows = rows[table.shown[rows, index]]
        choices.append(clear_examples(rows, table.presence[rows, index].astype(np.float64), table.groups_of(rows), 2))
    tiles = tuple(evidence.tile(table, row, index) for row in in_turn(choices, evidence.tiles))
    return Part(index, name, named=not is_placeholder(name), rest=rest, tiles=tiles)


def _key(evidence: Evidence, splits: Sequence[Split], lineages: Sequence[Sequence[str]]) -> Key:
    table = evidence.held_out
    tested = table.rows(*{index for split in splits for index in (*split.first_classes, *split.second_classes)})
    truth = table.labels[tested]
    reached = walk(splits, table)
    return Key(
        steps=tuple(_step(evidence, split, lineages) for split in splits),
        right=int((reached[tested] == truth).sum()),
        recognised=int((table.predicted[tested] == truth).sum()),
        total=len(tested),
    )


def _step(evidence: Evidence, split: Split, lineages: Sequence[Sequence[str]]) -> KeyStep:
    sent_right = right_way(split, evidence.held_out)
    sides = ((split.first, split.first_step, 1.0), (split.second, split.second_step, -1.0))
    first, second = (
        Branch(
            groups=_group_names(groups, [*split.first, *split.second], evidence.names, lineages),
            classes=tuple(evidence.names[index] for group in groups for index in group),
            step=step,
            tiles=_key_tiles(evidence, split, groups, sign),
        )
        for groups, step, sign in sides
    )
    return KeyStep(split.part, first, second, right=int(sent_right.sum()), total=len(sent_right))


def _group_names(
    groups: Sequence[Sequence[int]],
    together: Sequence[Sequence[int]],
    names: Sequence[str],
    lineages: Sequence[Sequence[str]],
) -> tuple[str, ...]:
    """Name groups by the first rank at which those of a step differ; a class by itself by its own name."""
    depth = 0
    paths = [lineages[group[0]] for group in together]
    while all(len(path) > depth for path in paths) and len({path[depth] for path in paths}) == 1:
        depth += 1
    return tuple(
        names[group[0]] if len(group) == 1 or len(lineages[group[0]]) <= depth else lineages[group[0]][depth]
        for group in groups
    )


def _key_tiles(evidence: Evidence, split: Split, groups: Sequence[Sequence[int]], sign: float) -> tuple[Tile, ...]:
    """Return tiles of a step's part from all classes of one side in turn."""
    table = evidence.marks
    choices = []
    for index in (index for group in groups for index in group):
        rows = table.rows(index)
        rows = rows[table.shown[rows, split.part]]
        scores = sign * (split.scores(table, rows) - split.threshold)
        rows, scores = rows[scores > 0], scores[scores > 0]
        choices.append(clear_examples(rows, scores, table.groups_of(rows), evidence.tiles))
    return tuple(evidence.tile(table, row, split.part) for row in in_turn(choices, evidence.tiles))


def _warnings(evidence: Evidence, held_out_split: str | None) -> tuple[str, ...]:
    """Say what limits the guide."""
    found = []
    if held_out_split is None:
        found.append("There are no held-out pictures, so nothing here tells how reliable the marks are.")
    counts = np.bincount(evidence.held_out.labels, minlength=len(evidence.names))
    few = int(((counts < _FEW) & (np.bincount(evidence.marks.labels, minlength=len(evidence.names)) > 0)).sum())
    if few and held_out_split is not None:
        found.append(
            f"{few} of {len(evidence.names)} classes have fewer than {_FEW} held-out pictures: "
            "their figures can be far off."
        )
    missing = len(evidence.names) - len(np.unique(evidence.marks.labels))
    if missing:
        found.append(f"{missing} of {len(evidence.names)} classes have no pictures here; the key leaves them out.")
    return tuple(found)
