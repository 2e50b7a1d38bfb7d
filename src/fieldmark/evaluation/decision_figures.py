"""From decisions to figures: how far what a rule promises was kept on evaluated pictures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fieldmark.decide import DecisionRule, OperatingPoint
from fieldmark.decide.ranks import Rank, ranks_of
from fieldmark.evaluation.outcome import Outcome
from fieldmark.models.bundle import BundleInfo
from fieldmark.records import Decision
from fieldmark.results import DecisionResult, FlagDecisions, RankDecisions


def measure_decisions(outcome: Outcome, rule: DecisionRule, info: BundleInfo) -> DecisionResult:
    """Compare the decisions of an outcome with its truths.

    Args:
        outcome: the evaluated rows, all of known classes, with their decisions.
        rule: what was decided by.
        info: the bundle.
    """
    decisions = outcome.decisions
    names = [outcome.classes[index] for index in outcome.truth]
    covered = np.array([name in row.candidates for name, row in zip(names, decisions, strict=True)])
    sizes = np.array([len(row.candidates) for row in decisions])
    by_class = _class_coverage(covered, outcome.truth)
    worst = min(by_class, key=lambda index: (by_class[index], index))
    ranks = ranks_of(outcome.classes, info.rank_names, info.lineage)
    right = _right_names(ranks, decisions, outcome.truth)
    named = np.array([row.name is not None for row in decisions])
    depth = {rank.name: place for place, rank in enumerate(ranks, start=1)}
    return DecisionResult(
        promised_coverage=rule.coverage,
        coverage=float(covered.mean()),
        class_gap=float(np.mean([abs(value - rule.coverage) for value in by_class.values()])),
        worst_class=outcome.classes[worst],
        worst_coverage=by_class[worst],
        mean_size=float(sizes.mean()),
        single=float((sizes == 1).mean()),
        promised_rejected=1 - rule.known_share,
        rejected=float(np.mean([not row.known for row in decisions])),
        score=rule.score,
        promised_precision=rule.precision,
        precision=_mean(right[named]),
        ranks=tuple(_of_rank(rank, rule, decisions, right) for rank in ranks),
        unnamed=float((~named).mean()),
        mean_depth=float(np.mean([depth.get(row.rank or "", 0) for row in decisions]) / len(ranks)),
        flags=tuple(_of_flag(point, names, decisions) for point in rule.operating_points),
        fitted_on=f"{rule.rows:,} pictures of {rule.source}",
    )


def _class_coverage(covered: NDArray[np.bool_], truth: NDArray[np.int64]) -> dict[int, float]:
    return {int(index): float(covered[truth == index].mean()) for index in np.unique(truth)}


def _right_names(ranks: Sequence[Rank], decisions: Sequence[Decision], truth: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say of every row whether the name that it was given is its own: (B,); ``False`` without a name."""
    by_name = {rank.name: rank for rank in ranks}
    own = [
        row.rank is not None and by_name[row.rank].names[by_name[row.rank].node_of_class[index]] == row.name
        for row, index in zip(decisions, truth, strict=True)
    ]
    return np.array(own, dtype=bool)


def _of_rank(rank: Rank, rule: DecisionRule, decisions: Sequence[Decision], right: NDArray[np.bool_]) -> RankDecisions:
    here = np.array([row.rank == rank.name for row in decisions])
    return RankDecisions(rank.name, rule.rank_thresholds.get(rank.name), float(here.mean()), _mean(right[here]))


def _of_flag(point: OperatingPoint, names: Sequence[str], decisions: Sequence[Decision]) -> FlagDecisions:
    flagged = np.array([point.name in row.flagged for row in decisions])
    own = np.array([name == point.name for name in names])
    return FlagDecisions(point.name, point.threshold, point.chosen_for, _mean(flagged[own]), _mean(~flagged[~own]))


def _mean(values: NDArray[np.bool_]) -> float | None:
    return float(values.mean()) if len(values) else None
