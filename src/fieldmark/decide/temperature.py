"""Temperature scaling: one number that makes probabilities mean what they say.

Guo, Pleiss, Sun & Weinberger, *On Calibration of Modern Neural Networks*, ICML 2017, section 4.2.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Floats = NDArray[np.float64]
Indices = NDArray[np.integer]

#: Smallest and largest temperature: beyond, either only the first guess or nothing at all is left.
LIMITS = (0.05, 20.0)


def scaled_softmax(logits: Floats, temperature: float) -> Floats:
    """Return the probabilities (B, N) of logits (B, N) at a temperature."""
    return np.asarray(softmax(logits / temperature, axis=1))


def fit_temperature(logits: Floats, truth: Indices) -> float:
    """Return the temperature under which held-out rows are most likely.

    Args:
        logits: (B, N), of rows that no weight was learned from; B at least 1.
        truth: (B,) class indices.

    Returns:
        A number within ``LIMITS``, found to three digits.
    """

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-np.take_along_axis(scaled, truth[:, None], axis=1).mean())

    low, high = np.log(LIMITS)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
