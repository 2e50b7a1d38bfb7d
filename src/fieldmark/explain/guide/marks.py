"""The marks of a class and those that split a pair, with the pictures that show them.

Marks are found in some pictures (``marks``) and put to the test in others (``held_out``), which nothing was learned
from. The middle from which a part's leaning is measured always comes from the former.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fieldmark.explain.guide.choosing import clear_examples
from fieldmark.explain.guide.evidence import Contrast, LabelledEvidence, class_means
from fieldmark.explain.guide.tiles import PictureSource
from fieldmark.guide_results import Exemplar, Mark, SplittingMark, Tally, Tile
from fieldmark.metrics import auroc, mean_difference_intervals

#: Marks of a class, and of a pair, that are illustrated.
ILLUSTRATED = 3

#: A mark is worth a picture from this share of the strongest one's effect on.
_WORTH_SHOWING = 1 / 3

#: A mark helps against those lookalikes against which it has at least this share of its largest effect.
_HELPS = 0.5

#: Pictures shown in which a mark points the wrong way.
_COUNTER_EXAMPLES = 4


@dataclass(frozen=True)
class Evidence:
    """Everything that marks are taken from.

    Attributes:
        marks: the pictures that marks are found in.
        held_out: pictures that tell how reliable they are; without rows where there are none.
        names: the N class names.
        parts: the P slots' indices that are parts; the rest of the picture is none.
        pictures: where tiles come from.
        tiles: the most tiles of one mark.
    """

    marks: LabelledEvidence
    held_out: LabelledEvidence
    names: Sequence[str]
    parts: frozenset[int]
    pictures: PictureSource
    tiles: int

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """What each part gives each class in the mean over each class's pictures: (N, P, N)."""
        return class_means(self.marks)

    def tile(self, table: LabelledEvidence, row: int, part: int) -> Tile:
        """Return the tile of a part."""
        return self.pictures.tile(table, row, part, self.names[table.labels[row]])

    def clear_tiles(self, rows: NDArray[np.intp], scores: NDArray[np.float64], part: int) -> tuple[Tile, ...]:
        """Return tiles of a part from the pictures that show it clearly, given how much it says in each."""
        usable = self.marks.shown[rows, part] & (scores > 0)
        rows, scores = rows[usable], scores[usable]
        chosen = clear_examples(rows, scores, self.marks.groups_of(rows), self.tiles)
        return tuple(self.tile(self.marks, row, part) for row in chosen)

    def exemplars(
        self, rows: NDArray[np.intp], leaning: NDArray[np.float64], parts: Sequence[int], limit: int
    ) -> tuple[Exemplar, ...]:
        """Return whole pictures that show some parts: those with most of them in sight, then the clearest.

        Args:
            rows: (m,) the pictures to choose from.
            leaning: (m, P) what their parts say.
            parts: the parts that should be seen.
            limit: the most pictures.
        """
        if not len(rows):
            return ()
        in_sight = (self.marks.shown[rows][:, list(parts)] & (leaning[:, list(parts)] > 0)).sum(axis=1)
        sure = leaning.sum(axis=1)
        scores = in_sight + 0.5 * (sure - sure.min()) / max(float(np.ptp(sure)), 1e-12)
        best = scores >= np.quantile(scores, 0.5)
        chosen = clear_examples(rows[best], scores[best], self.marks.groups_of(rows[best]), limit)
        return tuple(self.pictures.exemplar(self.marks, row, self.names[self.marks.labels[row]]) for row in chosen)


def class_marks(
    evidence: Evidence, index: int, lookalikes: Sequence[int]
) -> tuple[tuple[Mark, ...], tuple[Exemplar, ...]]:
    """Return a class's marks against its lookalikes, the strongest first, and some whole pictures of it.

    Args:
        evidence: what marks are taken from.
        index: a class that has pictures.
        lookalikes: the classes it must be told from; none where it is the only one.
    """
    rows, tested = evidence.marks.rows(index), evidence.held_out.rows(index)
    contrasts = [Contrast.between(evidence.means, index, other) for other in lookalikes]
    if not contrasts:
        nothing = np.zeros((len(rows), evidence.marks.presence.shape[1]))
        return (), evidence.exemplars(rows, nothing, sorted(evidence.parts), evidence.tiles)
    leanings = np.stack([contrast.leaning(evidence.marks, rows) for contrast in contrasts])  # (R, m, P)
    strengths = leanings.mean(axis=(0, 1))
    order = [int(part) for part in np.argsort(-strengths, kind="stable")]
    telling = _illustrated(order, strengths, strengths > 0, evidence.parts)
    marks = []
    for part in order:
        effects = np.array([contrast.effect[part] for contrast in contrasts])
        helped = np.flatnonzero((effects > 0) & (effects >= _HELPS * effects.max())).tolist()
        tallies = [
            _tally(evidence.held_out, tested, contrasts[place].leaning(evidence.held_out, tested), part)
            for place in helped
        ]
        shown = part in telling
        marks.append(
            Mark(
                part=part,
                strength=float(strengths[part]),
                against=tuple(evidence.names[lookalikes[place]] for place in helped),
                tally=_sum(tallies),
                tiles=evidence.clear_tiles(rows, leanings[helped, :, part].mean(axis=0), part) if shown else (),
            )
        )
    return tuple(marks), evidence.exemplars(rows, leanings.mean(axis=0), telling, evidence.tiles)


def splitting_marks(
    evidence: Evidence, first: int, second: int, *, seed: int = 0
) -> tuple[tuple[SplittingMark, ...], tuple[Exemplar, Exemplar]]:
    """Return what every part says between two classes that have pictures, the largest effect first, and one of each.

    Args:
        evidence: what marks are taken from.
        first: index of a class.
        second: index of another.
        seed: of the bootstrap.
    """
    contrast = Contrast.between(evidence.means, first, second)
    sides = [(rows, contrast.leaning(evidence.marks, rows)) for rows in map(evidence.marks.rows, (first, second))]
    effects = mean_difference_intervals(
        sides[0][1],
        sides[1][1],
        first_groups=evidence.marks.groups_of(sides[0][0]),
        second_groups=evidence.marks.groups_of(sides[1][0]),
        seed=seed,
    )
    order = sorted(range(len(effects)), key=lambda part: (-effects[part].value, part))
    values, lows = (np.array([getattr(effect, end) for effect in effects]) for end in ("value", "low"))
    telling = _illustrated(order, values, lows > 0, evidence.parts)
    tested = [
        (rows, contrast.leaning(evidence.held_out, rows)) for rows in map(evidence.held_out.rows, (first, second))
    ]
    marks = tuple(
        SplittingMark(
            part=part,
            effect=effects[part],
            auroc=_auroc(tested[0][1][:, part], tested[1][1][:, part]),
            first=_tally(evidence.held_out, tested[0][0], tested[0][1], part),
            second=_tally(evidence.held_out, tested[1][0], -tested[1][1], part),
            first_tiles=evidence.clear_tiles(sides[0][0], sides[0][1][:, part], part) if part in telling else (),
            second_tiles=evidence.clear_tiles(sides[1][0], -sides[1][1][:, part], part) if part in telling else (),
            counter_examples=_counter_examples(evidence, contrast, part) if part in telling else (),
        )
        for part in order
    )
    exemplars = [
        evidence.exemplars(rows, sign * leaning, telling, 1)[0]
        for sign, (rows, leaning) in zip((1, -1), sides, strict=True)
    ]
    return marks, (exemplars[0], exemplars[1])


def _illustrated(
    order: Sequence[int], effects: NDArray[np.float64], telling: NDArray[np.bool_], parts: frozenset[int]
) -> list[int]:
    """Return the first parts that tell something worth a picture; the rest of the picture has none."""
    candidates = [part for part in order if part in parts and telling[part]]
    return [part for part in candidates if effects[part] >= _WORTH_SHOWING * effects[candidates[0]]][:ILLUSTRATED]


def _tally(table: LabelledEvidence, rows: NDArray[np.intp], leaning: NDArray[np.float64], part: int) -> Tally:
    """Count on how many pictures a part points to the class that a positive leaning stands for."""
    seen, right = table.seen[rows, part], leaning[:, part] > 0
    return Tally(int((seen & right).sum()), int((seen & ~right).sum()), int((~seen).sum()))


def _sum(tallies: Iterable[Tally]) -> Tally:
    counted = [(0, 0, 0), *((tally.right, tally.wrong, tally.hidden) for tally in tallies)]
    right, wrong, hidden = (sum(column) for column in zip(*counted, strict=True))
    return Tally(right, wrong, hidden)


def _auroc(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    if not len(first) or not len(second):
        return None
    return auroc(np.concatenate([first, second]), np.arange(len(first) + len(second)) < len(first))


def _counter_examples(evidence: Evidence, contrast: Contrast, part: int) -> tuple[Tile, ...]:
    """Return pictures of either class in which the part points to the other: held-out ones first, the worst first."""
    found: list[Tile] = []
    for table in (evidence.held_out, evidence.marks):
        rows = table.rows(contrast.first, contrast.second)
        leaning = contrast.leaning(table, rows)[:, part]
        wrong = np.where(table.labels[rows] == contrast.first, -leaning, leaning)
        order = np.argsort(-wrong, kind="stable")
        chosen = [int(rows[place]) for place in order if wrong[place] > 0 and table.shown[rows[place], part]]
        found += [evidence.tile(table, row, part) for row in chosen[: _COUNTER_EXAMPLES - len(found)]]
    return tuple(found)
