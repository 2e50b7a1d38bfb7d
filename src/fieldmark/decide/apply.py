"""From scores to decisions, by a rule: the same for every predictor."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fieldmark.decide.conformal import SET_SCORES, candidate_sets
from fieldmark.decide.novelty import Said, novelty
from fieldmark.decide.ranks import ranks_of
from fieldmark.decide.rule import DecisionRule
from fieldmark.errors import DataError
from fieldmark.records import Decision

Floats = NDArray[np.float64]


class Decider:
    """Applies a rule to what a network says.

    Args:
        rule: the thresholds.
        classes: the N class names, in the order of the logits.
        rank_names: the names of the ranks, coarse to fine.
        lineage: class → names, coarse to fine, ending in the class.

    Raises:
        DataError: the rule is of another number of classes.
    """

    def __init__(
        self,
        rule: DecisionRule,
        classes: Sequence[str],
        rank_names: Sequence[str],
        lineage: Mapping[str, Sequence[str]],
    ) -> None:
        if len(rule.class_thresholds) != len(classes):
            raise DataError(
                f"The decision rule is of {len(rule.class_thresholds)} classes, not of {len(classes)}.",
                "Fit it again: fieldmark calibrate RUN.",
            )
        self.rule = rule
        self._classes = tuple(classes)
        self._ranks = ranks_of(classes, rank_names, lineage)
        self._thresholds = np.array(rule.class_thresholds)
        self._places = {name: index for index, name in enumerate(classes)}

    def sets(self, probabilities: Floats) -> NDArray[np.bool_]:
        """Say which classes are in the conformal set of each picture: (B, N)."""
        rule = self.rule
        scores = SET_SCORES[rule.set_score](probabilities, rule.penalty, rule.free_candidates)
        return candidate_sets(scores, self._thresholds)

    def __call__(self, said: Said) -> tuple[Decision, ...]:
        """Return one decision for each of B pictures."""
        strange = novelty(self.rule.scales, said)
        sets = self.sets(said.probabilities)
        certain = self._certain(said.probabilities)
        return tuple(
            Decision(
                known=bool(score <= self.rule.novelty_threshold),
                novelty=float(score),
                candidates=self._named(inside, row),
                rank=rank,
                name=name,
                confidence=confidence,
                flagged=self._flagged(row),
            )
            for score, inside, row, (rank, name, confidence) in zip(
                strange, sets, said.probabilities, certain, strict=True
            )
        )

    def _named(self, inside: NDArray[np.bool_], row: Floats) -> tuple[str, ...]:
        order = np.argsort(-row, kind="stable")
        return tuple(self._classes[index] for index in order if inside[index])

    def _flagged(self, row: Floats) -> tuple[str, ...]:
        points = self.rule.operating_points
        return tuple(point.name for point in points if row[self._places[point.name]] >= point.threshold)

    def _certain(self, probabilities: Floats) -> list[tuple[str | None, str | None, float | None]]:
        """Return the deepest rank that is certain enough, its name and its probability, of each picture."""
        found: list[tuple[str | None, str | None, float | None]] = [(None, None, None)] * len(probabilities)
        for rank in self._ranks:  # coarse to fine: a deeper one replaces what was found
            threshold = self.rule.rank_thresholds.get(rank.name)
            if threshold is None:
                continue
            nodes = rank.probabilities(probabilities)
            best = nodes.argmax(axis=1)
            confidence = nodes[np.arange(len(nodes)), best]
            for place in np.flatnonzero(confidence >= threshold):
                found[place] = (rank.name, rank.names[best[place]], float(min(confidence[place], 1.0)))
        return found
