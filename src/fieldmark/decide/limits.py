"""What a decision rule lets one rely on, in sentences for a model card."""

from fieldmark.decide.rule import DecisionRule


def limits_of(rule: DecisionRule, temperature: float) -> tuple[str, ...]:
    """Say in sentences what a rule lets one rely on, and what not.

    Args:
        rule: the thresholds.
        temperature: of the probabilities that it holds for.
    """
    certain = [f"{rank} from {value:.0%} on" for rank, value in rule.rank_thresholds.items() if value is not None]
    ranks = ", ".join(certain) if certain else "at no rank"
    points = [
        f"`{point.name}` is flagged from a probability of {point.threshold:.1%} on ({point.chosen_for}): of the "
        f"held-out pictures {_share(point.sensitivity)} of its own, not {_share(point.specificity)} of the others."
        for point in rule.operating_points
    ]
    return (
        f"Probabilities were calibrated on {rule.rows:,} held-out pictures ({rule.source}), at temperature "
        f"{temperature:.3g}.",
        f"The set of candidates holds the true class of {rule.coverage:.0%} of pictures like those, over all classes; "
        f"of a single class it may be fewer.",
        f"A picture is called unknown where its novelty (`{rule.score}`) is above that of {rule.known_share:.0%} of "
        f"pictures of known classes: {1 - rule.known_share:.0%} of these are refused too, and an unknown class that "
        f"looks like a known one may pass as it.",
        f"A name is given at the deepest rank that is certain enough ({ranks}), so that {rule.precision:.0%} of the "
        f"names given are right.",
        *points,
        "All this is promised for pictures like the held-out ones. With other cameras or places, measure again.",
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
