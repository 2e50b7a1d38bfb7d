"""Operating points: from which probability on a class is flagged, by its sensitivity or by what mistakes cost."""

import numpy as np
from numpy.typing import NDArray

from fieldmark.decide.rule import OperatingPoint
from fieldmark.errors import ConfigError

Floats = NDArray[np.float64]


def point_for_sensitivity(
    name: str, probability: Floats, positive: NDArray[np.bool_], sensitivity: float
) -> OperatingPoint:
    """Return the highest threshold that flags at least the wanted share of a class's pictures.

    Args:
        name: the class.
        probability: (B,) its calibrated probability on held-out rows.
        positive: (B,) whether the row is of the class.
        sensitivity: the wanted share, above 0 and at most 1. Of new pictures it is reached on average: the threshold
            is the conformal quantile, one picture lower than the empirical one.

    Raises:
        ConfigError: a sensitivity out of range, or too few rows of the class to promise it.
    """
    if not 0 < sensitivity <= 1:
        raise ConfigError(
            f"A sensitivity can't be {sensitivity:g}.", "Give a share above 0 and at most 1, such as 0.95."
        )
    own = np.sort(probability[positive])
    missed = int(np.floor((len(own) + 1) * (1 - sensitivity) + 1e-9))  # so many may lie below
    if missed < 1:
        needed = "all that there are would not be enough" if sensitivity == 1 else f"it takes {_rows_for(sensitivity)}"
        raise ConfigError(
            f"{len(own)} held-out pictures of {name} can't promise a sensitivity of {sensitivity:g}; {needed}.",
            "Ask for less, hold out more pictures, or give what a missed one costs instead.",
        )
    return _measured(name, float(own[missed - 1]), probability, positive, f"sensitivity {sensitivity:g}")


def point_for_cost(name: str, probability: Floats, positive: NDArray[np.bool_], cost: float) -> OperatingPoint:
    """Return the threshold that costs least where a missed picture costs ``cost`` times as much as a false alarm.

    Flagging is cheaper where p · cost ≥ 1 − p, so from p = 1 / (1 + cost) on (Elkan, *The Foundations of
    Cost-Sensitive Learning*, IJCAI 2001, equation 2).

    Args:
        name: the class.
        probability: (B,) its calibrated probability on held-out rows.
        positive: (B,) whether the row is of the class.
        cost: above 0.

    Raises:
        ConfigError: a cost that is not above 0.
    """
    if not 0 < cost < np.inf:
        raise ConfigError(f"A missed picture can't cost {cost:g} times a false alarm.", "Give a number above 0.")
    return _measured(name, 1 / (1 + cost), probability, positive, f"a miss costs {cost:g} false alarms")


def _rows_for(sensitivity: float) -> int:
    return int(np.ceil(1 / (1 - sensitivity) - 1 - 1e-9))


def _measured(
    name: str, threshold: float, probability: Floats, positive: NDArray[np.bool_], chosen_for: str
) -> OperatingPoint:
    flagged = probability >= threshold
    return OperatingPoint(
        name=name,
        threshold=threshold,
        sensitivity=float(flagged[positive].mean()) if positive.any() else None,
        specificity=float((~flagged[~positive]).mean()) if (~positive).any() else None,
        chosen_for=chosen_for,
    )
