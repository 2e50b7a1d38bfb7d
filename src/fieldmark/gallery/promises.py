"""What a bundle promises, fitted again for other classes: temperature, sets, unknowns, ranks, operating points."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldmark.decide import (
    DecisionRule,
    HeldOut,
    OperatingPoint,
    RuleOptions,
    fit_rule,
    limits_of,
    scaled_softmax,
)
from fieldmark.decide.conformal import SET_SCORES, THRESHOLDS, fewest_rows
from fieldmark.decide.fitting import FEWEST_ROWS
from fieldmark.errors import BundleError, ConfigError, DataError
from fieldmark.gallery.stored import StoredPictures
from fieldmark.models.bundle import BundleInfo
from fieldmark.models.reference import Reference
from fieldmark.predict.deciding import RULE_FILE
from fieldmark.predict.neighbours import Neighbours

#: How an operating point tells the sensitivity that it was chosen for.
_SENSITIVITY = re.compile(r"sensitivity ([0-9.e-]+)")


@dataclass(frozen=True)
class Promises:
    """What a bundle promises.

    Attributes:
        rule: its thresholds; ``None`` where nothing is promised.
        temperature: of the probabilities.
        limits: sentences for the model card.
        lost: why there is no rule any more; empty where there is one, or where there was none before.
    """

    rule: DecisionRule | None
    temperature: float
    limits: tuple[str, ...] = ()
    lost: str = ""


@dataclass(frozen=True)
class HeldPictures:
    """Pictures that thresholds may be fitted on.

    Attributes:
        logits: (n, N), each by rows that were not fitted to it.
        labels: their classes.
        similarities: (n, K) to the nearest reference pictures, nearest first.
        added: the classes that were added.
    """

    logits: NDArray[np.float64]
    labels: Sequence[str]
    similarities: NDArray[np.float64]
    added: Sequence[str] = ()


def read_rule(bundle: Path) -> DecisionRule | None:
    """Read a bundle's rule; ``None`` where it has none.

    Raises:
        BundleError: it can't be read.
    """
    path = bundle / RULE_FILE
    if not path.is_file():
        return None
    try:
        return DecisionRule.from_json(path.read_text(encoding="utf-8"))
    except (OSError, DataError) as error:
        reason = error.message if isinstance(error, DataError) else str(error.strerror)
        raise BundleError(f"{path}: {reason}", "Fit it again: fieldmark calibrate RUN.") from error


def fit_again(before: DecisionRule | None, info: BundleInfo, held: HeldPictures) -> Promises:
    """Fit for a bundle's classes what was promised of others before, on held-out pictures.

    A bundle without a rule keeps its temperature. Thresholds that were fitted in folds can't be fitted again, since the
    networks of the folds are gone, unless there are held-out pictures enough, too.

    Args:
        before: the rule that there was.
        info: the bundle with its new classes.
        held: held-out pictures of these.
    """
    if before is None:
        return Promises(None, info.temperature)
    if len(held.labels) < FEWEST_ROWS:
        lost = (
            f"Its decisions were fitted on {before.source}; for other classes that takes {FEWEST_ROWS} held-out "
            f"pictures, and there are {len(held.labels)}, so it decides nothing any more."
        )
        return Promises(None, info.temperature, (lost,), lost)
    truth = np.array([info.classes.index(label) for label in held.labels], dtype=np.int64)
    source = f"held-out pictures of {len(set(held.labels))} classes"
    options = options_of(before, info.classes)
    try:
        rule, temperature = fit_rule(
            HeldOut(held.logits, truth, held.similarities, source), info.classes, info.rank_names, info.lineage, options
        )
    except ConfigError as error:  # a point that was promised on other rows may be out of reach on these
        lost = f"Its decisions can't be fitted again: {error.message}"
        return Promises(None, info.temperature, (lost,), lost)
    if any(name in info.classes for name in held.added):
        rule = kept_apart(rule, temperature, held, info.classes)
    return Promises(rule, temperature, limits_of(rule, temperature))


def kept_apart(rule: DecisionRule, temperature: float, held: HeldPictures, classes: Sequence[str]) -> DecisionRule:
    """Return a rule whose sets keep their coverage of the trained and of the added classes, each by themselves.

    Added classes are less surely recognised, and their share of the held-out pictures is not that of new ones: one
    threshold would be too wide for the trained classes and too narrow for the added ones. Of too few pictures to
    promise anything the threshold stays that of all.

    Args:
        rule: fitted on all held-out pictures.
        temperature: of its probabilities.
        held: the held-out pictures.
        classes: the N class names.
    """
    truth = np.array([classes.index(label) for label in held.labels], dtype=np.int64)
    probabilities = scaled_softmax(held.logits, temperature)
    scores = SET_SCORES[rule.set_score](probabilities, rule.penalty, rule.free_candidates)
    own = np.take_along_axis(scores, truth[:, None], axis=1)[:, 0]
    thresholds = np.array(rule.class_thresholds)
    is_added = np.array([name in held.added for name in classes])
    for group, by in ((~is_added, rule.thresholds_by), (is_added, "all")):
        rows = group[truth]
        if rows.sum() >= fewest_rows(rule.coverage):
            fitted = THRESHOLDS[by](own[rows], truth[rows], len(classes), rule.coverage, 0)
            thresholds[group] = fitted[group]
    return replace(rule, class_thresholds=tuple(float(value) for value in thresholds))


def options_of(rule: DecisionRule, classes: Sequence[str]) -> RuleOptions:
    """Return what a rule was fitted for, as far as it concerns classes that are still there."""
    points = [point for point in rule.operating_points if point.name in classes]
    sensitivities = {point.name: wanted for point in points if (wanted := _sensitivity(point)) is not None}
    costs = {point.name: 1 / point.threshold - 1 for point in points if point.name not in sensitivities}
    return RuleOptions(
        coverage=rule.coverage,
        precision=rule.precision,
        known_share=rule.known_share,
        score=rule.score,
        neighbours=rule.neighbours,
        sensitivities=sensitivities,
        costs=costs,
    )


def _sensitivity(point: OperatingPoint) -> float | None:
    found = _SENSITIVITY.fullmatch(point.chosen_for)
    return float(found[1]) if found else None


def held_similarities(
    reference: Reference | None, seen: StoredPictures, rule: DecisionRule | None, own: Sequence[str]
) -> NDArray[np.float64]:
    """Return the similarities (n, K) of pictures to the nearest reference pictures, a picture itself left out.

    Args:
        reference: the pictures to compare with.
        seen: n pictures.
        rule: says how many are looked for.
        own: the pictures' ids among the reference pictures; empty where a picture is none of them.
    """
    if reference is None or rule is None or not len(reference.ids):
        return np.empty((len(seen), 0))
    wanted = min(rule.neighbours, len(reference.ids) - 1) or 1
    embedding = seen.embedding.astype(np.float32)
    similarities, places = Neighbours(reference.embeddings).nearest(embedding, wanted + 1)
    found = np.empty((len(seen), min(wanted, similarities.shape[1])))
    for row, name in enumerate(own):
        others = np.array([reference.ids[place] != name or not name for place in places[row]])
        found[row] = similarities[row][others][: found.shape[1]]
    return found
