"""Whether probabilities mean what they say."""

import numpy as np
from numpy.typing import NDArray

from fieldmark.metrics.bootstrap import Measure

Indices = NDArray[np.integer]
Floats = NDArray[np.float64]

#: Probabilities below this count as this, so that one certain mistake does not make the likelihood infinite.
SMALLEST_PROBABILITY = 1e-12

#: Number of bins of the calibration error.
CALIBRATION_BINS = 15


def expected_calibration_error(probabilities: Floats, truth: Indices, bins: int = CALIBRATION_BINS) -> float:
    """Return the gap between confidence and accuracy of the top class, in 0..1.

    Confidences are put in ``bins`` bins of equal width, ((m - 1) / M, m / M]; the gaps are averaged by the bins'
    numbers of samples (Guo et al., *On Calibration of Modern Neural Networks*, ICML 2017, equation 3).

    Args:
        probabilities: (B, N); rows sum to 1.
        truth: (B,) class indices.
        bins: number of bins.
    """
    return weighted_calibration_error(probabilities, truth, bins)(np.ones(len(truth)))


def weighted_calibration_error(probabilities: Floats, truth: Indices, bins: int = CALIBRATION_BINS) -> Measure:
    """Return what measures the expected calibration error of weighted samples.

    Args:
        probabilities: (B, N); rows sum to 1.
        truth: (B,) class indices.
        bins: number of bins.
    """
    confidence = probabilities.max(axis=1)
    excess = confidence - (probabilities.argmax(axis=1) == truth)
    places = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)

    def measure(weights: Floats) -> float:
        surplus = np.bincount(places, weights=weights * excess, minlength=bins)
        return float(np.abs(surplus).sum() / weights.sum())

    return measure


def negative_log_likelihood(probabilities: Floats, truth: Indices) -> float:
    """Return the mean of ``-log p(truth)`` in nats; probabilities below ``SMALLEST_PROBABILITY`` count as it.

    Args:
        probabilities: (B, N); rows sum to 1.
        truth: (B,) class indices.
    """
    own = np.take_along_axis(probabilities, truth[:, None], axis=1)
    return float(-np.log(np.maximum(own, SMALLEST_PROBABILITY)).mean())
