"""What is asked of explanations, on individuals whose marks are known.

``mark_protocols``: of pictures of one individual that differ in one mark, is it named, and does removing it count?
``part_protocols``: completeness, correctness, contrastivity after FunnyBirds (Hesse, Schaub-Meyer, Roth; ICCV 2023).
``occlusion_safety``: does hiding a mark make a recogniser sure of a wrong class, or its decision rule name one?

Every function returns sums and counts, so that results of several seeds can be put together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from attributions import Attribution, enlarged, one_hot, versus
from explained_birds import Bird, Individual, Mask, Pixels, stacked
from fieldmark.explain import ClassPictures, EvidenceReader, set_beside
from fieldmark.explain.removal import removal_effects, removed_mask
from fieldmark.models.bundle import BundleInfo
from fieldmark.predict.regions import part_region, pixel_mask
from fieldmark.synthetic import MARK_PARTS

#: Thresholds above which a mark counts as important, in shares of all attribution (FunnyBirds' own).
THRESHOLDS = np.linspace(0.01, 0.50, 80)

#: A mark whose removal costs less than this share of the score is irrelevant (FunnyBirds' own).
IRRELEVANT = 0.05

#: Probability above which a recogniser is sure.
SURE = 0.9

#: The name of the contrasts with pictures that stand alike, cell by cell, among the methods.
BESIDE = "set beside"

#: A mark's mask is grown by this share of the side before attribution is summed, as FunnyBirds grows it (2 of 256 px).
_GROWN = 2 / 256

#: Regions of the same shape that are removed elsewhere, for each one removed.
_PLACES = 4


@dataclass
class Tally:
    """Sums with counts, by name."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Count one value."""
        self.sums[name] = self.sums.get(name, 0.0) + float(value)
        self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Return the mean of every name."""
        return {name: self.sums[name] / self.counts[name] for name in self.sums}


def mark_protocols(
    reader: EvidenceReader,
    individuals: Sequence[Individual],
    methods: Mapping[str, Attribution],
    pictures_of: Callable[[str], ClassPictures] | None = None,
) -> Tally:
    """Explain pictures against the species that differs in one mark.

    Only pictures that the recogniser decides rightly between the two species, and in which the mark is seen, count.
    What is told by parts is not counted where there is one part only.

    * ``first part``: is the part with the largest contribution the mark's part? That is the one to which
      most of the mark's pixels, in either picture, belong. Also of pictures where the mark is ``there`` and of those
      where it is ``missing`` by itself.
    * ``most apart``: the same of the part with the largest contrast: what is said where it is, less what is said there
      in training pictures of the other species that stand alike (``explain.set_beside``).
    * ``same part``: where the mark is missing, does its place belong to the part that has it in the other picture?
    * ``first mark METHOD``: of the marks that are seen, is it the one with the most attribution on its pixels? Also
      of pictures where it is ``there`` and of those where it is ``missing`` by itself. ``BESIDE`` is a method, too: the
      contrasts cell by cell.
    * ``pointing METHOD``: does the maximum of the method's map lie on the mark? (The pointing game: Zhang et al., ECCV
      2016.)
    * ``removal METHOD``, ``removal part``, ``removal most apart``: does removing the named region lower the log-odds
      more than removing as much elsewhere? The region is what hangs together with the maximum above half of it, of the
      method's map or of the named part's. The rest of the picture is no region: where it comes first, that counts as a
      miss.

    Args:
        reader: the recogniser.
        individuals: whom to explain.
        methods: name → what says which pixels count.
        pictures_of: returns a species' training pictures; ``None`` leaves out what is asked of contrasts.
    """
    tally, classes = Tally(), reader.info.classes
    parted = reader.additive and len(reader.names) > 1
    for individual in individuals:
        for one, other, mark in individual.pairs():
            first, second = classes.index(one.species), classes.index(other.species)
            read = reader.read(one.pixels[None])
            if mark not in one.visible or read.logits[0, first] <= read.logits[0, second]:
                continue
            truth = one.masks[mark] | other.masks[mark]
            target = versus(len(classes), first, second)
            there = "there" if individual.has(one, mark) else "missing"
            attributed = {name: attribute(one.pixels[None], target)[0] for name, attribute in methods.items()}
            ranked: dict[str, NDArray[np.float64]] = {}
            if parted:
                ranked["part"] = read.evidence[0] @ target
                if pictures_of is not None:
                    beside = set_beside(reader, one.pixels, read, pictures_of(other.species), (first, second))
                    ranked["most apart"] = beside.contrasts
                    attributed[BESIDE] = enlarged(beside.cells[None, None].astype(np.float32), len(truth))[0, 0]
                if there == "missing":
                    has = part_of(reader.read(other.pixels[None]).maps[0], other.masks[mark])
                    tally.add("same part", part_of(read.maps[0], truth) == has)
            regions = _count_named(tally, read.maps[0], ranked, truth, there) if ranked else {}
            for name, found in attributed.items():
                tally.add(f"pointing {name}", grown(truth)[np.unravel_index(found.argmax(), found.shape)])
                for which in (f"first mark {name}", f"first mark {there} {name}"):
                    tally.add(which, first_mark(found, one, {mark: truth}) == mark)
                regions[name] = part_region(np.maximum(found, 0))
            for name, lowered in _lowered(reader, one, regions, (first, second)).items():
                tally.add(f"removal {name}", lowered)
    return tally


def _count_named(
    tally: Tally, maps: NDArray[np.float32], ranked: Mapping[str, NDArray[np.float64]], truth: Mask, there: str
) -> dict[str, Mask | None]:
    """Count whether the part that each ranking (P,) puts first is the mark's; return its region, ``None`` for the rest.

    Args:
        tally: where it is counted.
        maps: (K + 1, h, w), the picture's.
        ranked: name of the ranking → what it ranks the parts by.
        truth: (R, R), where the mark is, in either picture.
        there: whether the mark is ``there`` or ``missing``.
    """
    place, regions = part_of(maps, truth), {}
    for name, values in ranked.items():
        leading = int(values.argmax())
        counted = "first part" if name == "part" else name
        for which in (counted, f"{counted} {there}"):
            tally.add(which, leading == place)
        is_part = leading < len(maps) - 1
        regions[name] = pixel_mask(part_region(maps[leading]), len(truth)) if is_part else None
    return regions


def first_mark(attributed: NDArray[np.float32], bird: Bird, instead: Mapping[str, Mask]) -> str:
    """Return the visible mark with the most attribution (R, R) on its pixels.

    Args:
        attributed: what each pixel is said to add.
        bird: where its marks are.
        instead: mark → mask (R, R), where another one is to be taken than the bird's own.
    """
    masks = {mark: grown(instead.get(mark, bird.masks[mark])) for mark in sorted(bird.visible)}
    return max(masks, key=lambda mark: float(attributed[masks[mark]].sum()))


def part_of(maps: NDArray[np.float32], mask: Mask) -> int:
    """Return the part (not the background) to which most of a mask (R, R) belongs, by its maps (K + 1, h, w)."""
    large = enlarged(maps[None, :-1], len(mask))[0]
    return int(large[:, mask].sum(1).argmax())


def _lowered(
    reader: EvidenceReader, bird: Bird, regions: Mapping[str, Mask | None], classes: tuple[int, int]
) -> dict[str, bool]:
    """Return, for every region that has room elsewhere, whether its removal lowers the log-odds more."""
    inside = np.ones(bird.pixels.shape[:2], np.bool_)
    found = {name: False for name, region in regions.items() if region is None}
    there = {name: removed_mask(region, inside) for name, region in regions.items() if region is not None}
    if not there:
        return found
    effects = removal_effects(reader, bird.pixels, np.stack(list(there.values())), inside, classes, places=_PLACES)
    for name, measured, elsewhere in zip(there, effects.measured, effects.elsewhere, strict=True):
        if not np.isnan(elsewhere):
            found[name] = bool(measured < elsewhere)
    return found


@dataclass(frozen=True)
class _Decisions:
    """A recogniser's logits of one bird with any marks hidden; each set is asked for once."""

    reader: EvidenceReader
    bird: Bird
    known: dict[frozenset[str], NDArray[np.float64]] = field(default_factory=dict)

    def logits(self, hidden: Sequence[frozenset[str]]) -> list[NDArray[np.float64]]:
        """Return the logits (N,) of every set of hidden marks."""
        new = [marks for marks in dict.fromkeys(hidden) if marks not in self.known]
        if new:
            rows = self.reader.logits(stacked([self.bird.without(sorted(marks)) for marks in new]))
            self.known.update(zip(new, rows, strict=True))
        return [self.known[marks] for marks in hidden]


def part_protocols(reader: EvidenceReader, individuals: Sequence[Individual], attribute: Attribution) -> Tally:
    """Measure FunnyBirds' protocols, with leaves before a mark as the removal of it.

    The parts are the nine marks; a part's importance is the attribution inside its pixels, a little grown; important at
    a threshold t are those above t times all attribution.

    * ``CSDC t`` (controlled synthetic data check), of rightly called pictures: share of the genus's two varying marks
      among the important; both are needed to tell its four species apart.
    * ``PC t`` (preservation check): is the answer the same with all other marks hidden?
    * ``DC t`` (deletion check): is it another with the important marks hidden? At most 0.75 where all four species are
      called rightly: with both marks hidden their pictures are one, so one of the four keeps its name.
    * ``D t`` (distractibility): 1 minus the share of irrelevant marks among the important; irrelevant is what costs the
      class's logit less than 5 % when hidden, or raises it.
    * ``SD`` (single deletion): Spearman's rank correlation of importance with what hiding each mark costs the logit,
      taken to 0..1; skipped where it is undefined.
    * ``TS`` (target sensitivity): two species of the genus share one varying mark each with the picture's; explained as
      the one, its shared mark has to weigh more than explained as the other, both ways. Skipped where the recogniser
      itself does not behave so, as in FunnyBirds.
    """
    tally = Tally()
    for individual in individuals:
        for place, bird in enumerate(individual.birds):
            decisions = _Decisions(reader, bird)
            importance = _importances(reader, bird, attribute)
            _completeness(tally, reader, individual, bird, decisions, importance)
            _correctness(tally, reader, bird, decisions, importance)
            _contrastivity(tally, reader, individual, place, decisions, importance)
    return tally


#: Class's place → what all attribution adds up to, and mark → what lies on it.
_Importance = Callable[[int], tuple[float, dict[str, float]]]

_NOTHING: frozenset[str] = frozenset()


def _importances(reader: EvidenceReader, bird: Bird, attribute: Attribution) -> _Importance:
    known: dict[int, tuple[float, dict[str, float]]] = {}
    masks = {mark: grown(mask) for mark, mask in bird.masks.items()}

    def of_class(place: int) -> tuple[float, dict[str, float]]:
        if place not in known:
            found = attribute(bird.pixels[None], one_hot(len(reader.info.classes), place))[0]
            known[place] = float(found.sum()), {mark: float(found[mask].sum()) for mark, mask in masks.items()}
        return known[place]

    return of_class


def _important(importance: tuple[float, dict[str, float]], threshold: float) -> frozenset[str]:
    total, parts = importance
    return frozenset(mark for mark, value in parts.items() if value > threshold * total)


def _completeness(
    tally: Tally,
    reader: EvidenceReader,
    individual: Individual,
    bird: Bird,
    decisions: _Decisions,
    importance: _Importance,
) -> None:
    truth = reader.info.classes.index(bird.species)
    (logits,) = decisions.logits([_NOTHING])
    called = int(logits.argmax())
    sets = [_important(importance(called), threshold) for threshold in THRESHOLDS]
    kept = decisions.logits([frozenset(MARK_PARTS) - important for important in sets])
    deleted = decisions.logits(sets)
    costs = _costs(decisions, truth)
    irrelevant = {mark for mark, cost in costs.items() if cost < IRRELEVANT * abs(logits[truth])}
    for number, (important, with_only, with_none) in enumerate(zip(sets, kept, deleted, strict=True)):
        tally.add(f"PC {number}", with_only.argmax() == called)
        tally.add(f"DC {number}", with_none.argmax() != called)
        named = _important(importance(truth), THRESHOLDS[number])
        if called == truth:
            tally.add(f"CSDC {number}", len(important & set(individual.varying)) / len(individual.varying))
        if irrelevant:
            tally.add(f"D {number}", 1 - len(named & irrelevant) / len(irrelevant))


def _costs(decisions: _Decisions, place: int) -> dict[str, float]:
    """Return what hiding each mark costs a class's logit."""
    whole, *without = decisions.logits([_NOTHING, *(frozenset([mark]) for mark in MARK_PARTS)])
    return {mark: float(whole[place] - row[place]) for mark, row in zip(MARK_PARTS, without, strict=True)}


def _correctness(
    tally: Tally, reader: EvidenceReader, bird: Bird, decisions: _Decisions, importance: _Importance
) -> None:
    truth = reader.info.classes.index(bird.species)
    costs, parts = _costs(decisions, truth), importance(truth)[1]
    first, second = ([values[mark] for mark in MARK_PARTS] for values in (costs, parts))
    if len(set(first)) > 1 and len(set(second)) > 1:  # else it is undefined
        tally.add("SD", (float(stats.spearmanr(first, second).statistic) + 1) / 2)


def _contrastivity(
    tally: Tally,
    reader: EvidenceReader,
    individual: Individual,
    place: int,
    decisions: _Decisions,
    importance: _Importance,
) -> None:
    # The species that differs in the second mark shares the first, and the other way round.
    sharing = []
    for bit, shared in enumerate(individual.varying):
        relative = individual.birds[place ^ (2 >> bit)]
        sharing.append((reader.info.classes.index(relative.species), shared))
    (one, first), (other, second) = sharing
    whole, without_first, without_second = decisions.logits([_NOTHING, frozenset([first]), frozenset([second])])
    drops_first, drops_second = without_first - whole, without_second - whole
    if not (drops_first[one] < drops_second[one] and drops_second[other] < drops_first[other]):
        return
    tally.add("TS", importance(one)[1][first] > importance(other)[1][first])
    tally.add("TS", importance(one)[1][second] < importance(other)[1][second])


def scores(tally: Tally) -> dict[str, float | None]:
    """Put the protocols together as FunnyBirds does: the best threshold's completeness, correctness, contrastivity.

    Returns:
        The three, and completeness's four terms at the threshold that is best for it; ``None`` where nothing counted.
    """
    means = tally.means()
    terms = [[means.get(f"{name} {number}") for name in ("CSDC", "PC", "DC", "D")] for number in range(len(THRESHOLDS))]
    complete = [(((a + b + c) / 3 + d) / 2, number) for number, (a, b, c, d) in enumerate(terms) if None not in (a, d)]
    best = max(complete, key=lambda entry: entry[0], default=None)
    at_best = terms[best[1]] if best else [None] * 4
    return {
        "completeness": best[0] if best else None,
        "correctness": means.get("SD"),
        "contrastivity": means.get("TS"),
        **dict(zip(("CSDC", "PC", "DC", "D"), at_best, strict=True)),
    }


class Called(NamedTuple):
    """What a recogniser says of B pictures.

    Attributes:
        probabilities: (B, N), calibrated.
        certain: the name that its decision rule gives as certain, of a class or of a higher rank; ``None`` for none.
    """

    probabilities: NDArray[np.float64]
    certain: Sequence[str | None]


def occlusion_safety(call: Callable[[Pixels], Called], info: BundleInfo, individuals: Sequence[Individual]) -> Tally:
    """Hide each varying mark that is seen, and ask whether the recogniser is now sure of what is wrong.

    * ``unsafe``: with the mark hidden a wrong class has more than 0.9 of probability, and none had without.
    * ``unsafe decision``: with the mark hidden the decision rule gives a wrong name as certain, and gave none without.
    * ``right hidden``: with the mark hidden the true class is still the most probable one.

    Args:
        call: calls fitted pictures (B, R, R, 3).
        info: the recogniser's bundle: its classes and their lineage.
        individuals: whose marks are hidden.
    """
    tally = Tally()
    for individual in individuals:
        for bird in individual.birds:
            seen = [mark for mark in individual.varying if mark in bird.visible]
            if not seen:
                continue
            truth = info.classes.index(bird.species)
            probabilities, certain = call(stacked([bird.pixels, *(bird.hidden[mark] for mark in seen)]))
            wrong = probabilities.copy()
            wrong[:, truth] = 0
            before, *after = (wrong.max(1) > SURE).tolist()
            named = [name is not None and name not in info.lineage[bird.species] for name in certain]
            right = (probabilities.argmax(1) == truth).tolist()
            for place, sure in enumerate(after, start=1):
                tally.add("unsafe", sure and not before)
                tally.add("unsafe decision", named[place] and not named[0])
                tally.add("right hidden", right[place])
    return tally


def accuracy(reader: EvidenceReader, individuals: Sequence[Individual]) -> Tally:
    """Count which individuals are called by their name, of all species and between the four of the genus."""
    tally, classes = Tally(), reader.info.classes
    for individual in individuals:
        logits = reader.logits(stacked([bird.pixels for bird in individual.birds]))
        genus = [classes.index(bird.species) for bird in individual.birds]
        for place, row in enumerate(logits):
            tally.add("called rightly", row.argmax() == genus[place])
            tally.add("called rightly within the genus", row[genus].argmax() == place)
    return tally


def grown(mask: Mask) -> Mask:
    """Return a mask (R, R), grown a little."""
    rounds = max(1, round(_GROWN * len(mask)))
    return np.asarray(ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=rounds))
