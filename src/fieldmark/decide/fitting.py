"""Fit a decision rule on held-out rows: temperature, sets, novelty, ranks and operating points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fieldmark.decide.choice import choose_sets
from fieldmark.decide.conformal import SET_SCORES, THRESHOLDS, conformal_quantile
from fieldmark.decide.novelty import DEFAULT_SCORE, Said, fit_scales, measures_of, needs_reference, novelty
from fieldmark.decide.operating import point_for_cost, point_for_sensitivity
from fieldmark.decide.ranks import fit_rank_thresholds, ranks_of
from fieldmark.decide.rule import DecisionRule, OperatingPoint
from fieldmark.decide.temperature import fit_temperature, scaled_softmax
from fieldmark.errors import ConfigError, DataError, unknown_name

Floats = NDArray[np.float64]

#: How far beyond the picture that sets it a threshold lies. Without, that picture, and a rank of one name only, whose
#: probability is 1 up to rounding, would be decided otherwise by another order of sums: another batch, another engine.
_ROUNDING = 1e-5

#: Held-out rows below which no rule is fitted: thresholds of so few would promise what they can't keep.
FEWEST_ROWS = 30

#: Parts that held-out rows are divided into, so that no row is scaled by a temperature that it was fitted on.
_FOLDS = 5


@dataclass(frozen=True)
class HeldOut:
    """What a network says of rows that none of its weights was learned from.

    Attributes:
        logits: (B, N), before any temperature.
        truth: (B,) class indices.
        similarities: (B, K) cosine similarities to the nearest reference pictures, nearest first; K is 0 without any.
        source: which rows these are, in words, such as ``"split val"``.
    """

    logits: Floats
    truth: NDArray[np.int64]
    similarities: Floats
    source: str


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """What a rule is fitted for.

    Attributes:
        coverage: share of pictures whose set shall hold the true class, in 0..1.
        thresholds_by: whom the sets' thresholds are fitted for, a name in ``THRESHOLDS``.
        precision: share of the names given at any rank that shall be right, in 0..1.
        known_share: share of pictures of known classes that shall count as known, in 0..1.
        score: how novelty is scored, a name in ``SCORES``.
        neighbours: how many reference pictures are looked for.
        sensitivities: class → share of its pictures that shall be flagged.
        costs: class → what missing one of its pictures costs, in false alarms.
        seed: of folds and clusters.
    """

    coverage: float = 0.9
    thresholds_by: str = "interpolated"
    precision: float = 0.95
    known_share: float = 0.95
    score: str = DEFAULT_SCORE
    neighbours: int = 1
    sensitivities: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        measures_of(self.score)
        if self.thresholds_by not in THRESHOLDS:
            raise unknown_name("way to fit thresholds", self.thresholds_by, THRESHOLDS)
        for name in ("coverage", "precision", "known_share"):
            value = getattr(self, name)
            if not 0.5 <= value < 1:
                raise ConfigError(
                    f"The {name.replace('_', ' ')} can't be {value:g}.", "Give a share from 0.5 on and below 1."
                )
        if self.neighbours < 1:
            raise ConfigError(f"There can't be {self.neighbours} neighbours.", "Give a whole number of 1 or more.")


def fit_rule(
    held: HeldOut,
    classes: Sequence[str],
    rank_names: Sequence[str],
    lineage: Mapping[str, Sequence[str]],
    options: RuleOptions,
) -> tuple[DecisionRule, float]:
    """Fit a rule and the temperature that it needs.

    The temperature is fitted on all rows; what the other thresholds are fitted on are probabilities under temperatures
    of the other folds, which is what new pictures will get.

    Args:
        held: the rows.
        classes: the N class names, in the order of the logits.
        rank_names: the names of the ranks, coarse to fine.
        lineage: class → names, coarse to fine, ending in the class.
        options: what it is fitted for.

    Returns:
        The rule, and the temperature of the probabilities that it holds for.

    Raises:
        DataError: too few rows, or a score that needs reference pictures without any.
        ConfigError: an operating point of an unknown class, or one that so few rows can't promise.
    """
    _check(held, options)
    temperature = fit_temperature(held.logits, held.truth)
    folds = stratified_folds(held.truth, _FOLDS, options.seed)
    probabilities = _cross_scaled(held, folds)
    said = Said(held.logits, probabilities, held.similarities)
    scales = fit_scales(options.score, said)
    chosen = choose_sets(probabilities, held.truth, options.coverage, options.thresholds_by, folds, options.seed)
    scores = SET_SCORES[chosen.score](probabilities, chosen.penalty, chosen.free)
    own = np.take_along_axis(scores, held.truth[:, None], axis=1)[:, 0]
    thresholds = THRESHOLDS[chosen.by](own, held.truth, len(classes), options.coverage, options.seed)
    certain = fit_rank_thresholds(ranks_of(classes, rank_names, lineage), probabilities, held.truth, options.precision)
    rule = DecisionRule(
        coverage=options.coverage,
        set_score=chosen.score,
        penalty=chosen.penalty,
        free_candidates=chosen.free,
        class_thresholds=tuple(float(value) for value in thresholds),
        thresholds_by=chosen.by,
        score=options.score,
        scales=scales,
        neighbours=options.neighbours,
        novelty_threshold=conformal_quantile(novelty(scales, said), options.known_share) + _ROUNDING,
        known_share=options.known_share,
        precision=options.precision,
        rank_thresholds={rank: None if value is None else value - _ROUNDING for rank, value in certain.items()},
        rows=len(held.truth),
        source=held.source,
        operating_points=_operating_points(probabilities, held.truth, classes, options),
    )
    return rule, temperature


def stratified_folds(truth: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Number the fold of every row: (B,), each class spread evenly over folds."""
    generator = np.random.default_rng(seed)
    order = np.lexsort((generator.random(len(truth)), truth))
    fold = np.empty(len(truth), dtype=np.int64)
    fold[order] = np.arange(len(truth)) % count
    return fold


def _check(held: HeldOut, options: RuleOptions) -> None:
    if len(held.truth) < FEWEST_ROWS:
        raise DataError(
            f"{len(held.truth)} held-out pictures are too few to fit decisions; it takes {FEWEST_ROWS}.",
            "Hold out more of the training pictures (train --holdout 0.1), or train again in folds "
            "(calibrate --folds 5).",
        )
    if not held.similarities.shape[1] and needs_reference(options.score):
        raise DataError(
            f"The score {options.score} needs reference pictures, and there are none.", "Take the score gen."
        )


def _cross_scaled(held: HeldOut, folds: NDArray[np.int64]) -> Floats:
    """Scale every row by the temperature of the other folds' rows."""
    probabilities = np.empty_like(held.logits)
    for fold in range(_FOLDS):
        inside = folds == fold
        temperature = fit_temperature(held.logits[~inside], held.truth[~inside])
        probabilities[inside] = scaled_softmax(held.logits[inside], temperature)
    return probabilities


def _operating_points(
    probabilities: Floats, truth: NDArray[np.int64], classes: Sequence[str], options: RuleOptions
) -> tuple[OperatingPoint, ...]:
    places = {name: index for index, name in enumerate(classes)}
    twice = sorted(set(options.sensitivities) & set(options.costs))
    if twice:
        raise ConfigError(f"{twice[0]} has both a sensitivity and a cost.", "Give one of them.")
    points = []
    for name, fit, value in (
        *((name, point_for_sensitivity, value) for name, value in options.sensitivities.items()),
        *((name, point_for_cost, value) for name, value in options.costs.items()),
    ):
        if name not in places:
            raise unknown_name("class", name, classes)
        index = places[name]
        points.append(fit(name, probabilities[:, index], truth == index, value))
    return tuple(points)
