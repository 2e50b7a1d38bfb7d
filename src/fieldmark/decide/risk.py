"""The class of least expected cost in place of the most probable one.

Conditional risk minimisation (Duda & Hart, 1973; for lineages: Karthik et al., *No Cost Likelihood Manipulation at Test
Time for Making Better Mistakes*, ICLR 2021, equation 1). It needs calibrated probabilities and nothing else: no other
training, and no other network.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def expected_costs(probabilities: Floats, costs: Floats) -> NDArray[np.float64]:
    """Return what calling a sample each of the classes costs on average, if the probabilities are right.

    Args:
        probabilities: (B, N); rows sum to 1.
        costs: (N, N): what it costs to call a sample of class i class j, at place [i, j]; any unit.

    Returns:
        (B, N), in the unit of ``costs``.

    Raises:
        ValueError: the costs are not those of N classes.
    """
    classes = probabilities.shape[1]
    if costs.shape != (classes, classes):
        raise ValueError(f"{classes} classes need costs of shape ({classes}, {classes}), not {costs.shape}")
    expected: NDArray[np.float64] = probabilities.astype(np.float64) @ costs
    return expected


def least_risk(probabilities: Floats, costs: Floats) -> NDArray[np.int64]:
    """Return the class of least expected cost of every sample.

    Where every mistake costs the same it is the most probable class; of equal costs the class of lower index is taken,
    as ``argmax`` does of equal probabilities.

    Args:
        probabilities: (B, N); rows sum to 1.
        costs: (N, N): what it costs to call a sample of class i class j, at place [i, j].

    Returns:
        (B,) class indices.

    Raises:
        ValueError: the costs are not those of N classes.
    """
    cheapest: NDArray[np.int64] = expected_costs(probabilities, costs).argmin(axis=1).astype(np.int64)
    return cheapest
