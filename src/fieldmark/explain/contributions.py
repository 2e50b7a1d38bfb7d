"""What follows from contributions that add up: which parts have to go for the decision to turn."""

from collections.abc import Sequence


def smallest_flip(log_odds: float, differences: Sequence[float]) -> tuple[int, ...] | None:
    """Return the fewest parts without which the log-odds are negative.

    Taking the largest contributions first is exact, not only greedy: of all sets of n parts, the n largest together
    contribute most, so when they do not turn the decision, no n parts do.

    Args:
        log_odds: logit of A minus logit of B, not negative.
        differences: each part's contribution to it.

    Returns:
        The parts' places, largest contribution first; ``None`` where the log-odds stay positive, or just 0, without
        all parts that speak for A.
    """
    order = sorted(range(len(differences)), key=lambda place: -differences[place])
    left = log_odds
    for count, place in enumerate(order, start=1):
        if differences[place] <= 0:
            return None
        left -= differences[place]
        if left < 0:
            return tuple(order[:count])
    return None
