"""What a recogniser can be trusted with, and what not, in sentences with a verdict."""

import math
from dataclasses import dataclass

from fieldmark.report.wording import enumeration, percent
from fieldmark.results import DecisionResult, EvalResult

#: Largest gap between confidence and accuracy with which probabilities are taken at their word.
CALIBRATED = 0.05

#: Standard errors by which a share may miss what was promised and still be chance.
_ERRORS = 1.96


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that a recogniser may be trusted with.

    Attributes:
        what: the thing, in a few words.
        kept: whether it may be; ``None`` where that can't be said.
        value: what was found.
        note: what was promised, and more.
    """

    what: str
    kept: bool | None
    value: str
    note: str


def verdicts(result: EvalResult) -> tuple[Verdict, ...]:
    """Return what a result says of each thing; of a bundle without a rule only of the probabilities."""
    calibrated = Verdict(
        "Its probabilities",
        result.ece <= CALIBRATED,
        f"{percent(result.ece)} off",
        "mean gap between confidence and accuracy (ECE)",
    )
    found = result.decisions
    if found is None:
        return (calibrated,)
    flags = tuple(
        Verdict(
            f"Flagging {flag.name}",
            None,
            f"{percent(flag.sensitivity)} found",
            f"chosen for {flag.chosen_for}; {percent(flag.specificity)} of the others not flagged",
        )
        for flag in found.flags
    )
    return (calibrated, _sets(found, result.n), _names(found, result.n), _refusals(found, result.n), *flags)


def _sets(found: DecisionResult, count: int) -> Verdict:
    return Verdict(
        "Its sets of candidates",
        found.coverage >= found.promised_coverage - _chance(found.promised_coverage, count),
        f"{percent(found.coverage)} hold the true class",
        f"promised {percent(found.promised_coverage, 0)}; {found.mean_size:.1f} candidates on average. Class by class "
        f"{100 * found.class_gap:.1f} points off; least {found.worst_class}, {percent(found.worst_coverage, 0)}",
    )


def _names(found: DecisionResult, count: int) -> Verdict:
    given = [
        f"{percent(rank.named, 0)} at rank {rank.name}" + (f" ({percent(rank.right, 0)} right)" if rank.named else "")
        for rank in reversed(found.ranks)
    ]
    shares = f"{enumeration(given)}, {percent(found.unnamed, 0)} without a name"
    if found.precision is None:
        return Verdict("The names it is certain of", None, "none given", f"no rank is certain enough: {shares}")
    named = max(1, round(count * (1 - found.unnamed)))
    return Verdict(
        "The names it is certain of",
        found.precision >= found.promised_precision - _chance(found.promised_precision, named),
        f"{percent(found.precision)} right",
        f"promised {percent(found.promised_precision, 0)}: {shares}",
    )


def _refusals(found: DecisionResult, count: int) -> Verdict:
    return Verdict(
        "Knowing what it knows",
        found.rejected <= found.promised_rejected + _chance(found.promised_rejected, count),
        f"{percent(found.rejected)} refused",
        f"of pictures that all show known classes; promised {percent(found.promised_rejected, 0)}. Whether it refuses "
        "unknown classes can't be told from these pictures",
    )


def _chance(share: float, count: int) -> float:
    """Return by how much the share of so many pictures may differ by chance."""
    return _ERRORS * math.sqrt(share * (1 - share) / count)
