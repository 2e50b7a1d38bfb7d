"""How little a picture is like those of the known classes: scores that reject unknowns.

A score is the sum of one or more measures, each standardised on rows of known classes, so that measures of different
units weigh the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from fieldmark.decide.rule import MeasureScale
from fieldmark.errors import unknown_name

Floats = NDArray[np.float64]

#: GEN's exponent, and how many of the most probable classes it looks at (Liu et al., section 4).
_GEN_POWER, _GEN_CLASSES = 0.1, 100

#: Smallest deviation that a measure is divided by.
_SMALLEST = 1e-9


@dataclass(frozen=True)
class Said:
    """What a network said of B pictures.

    Attributes:
        logits: (B, N), before any temperature.
        probabilities: (B, N), calibrated.
        similarities: (B, K) cosine similarities to the K nearest reference pictures, nearest first; K is 0 where the
            bundle has none.
    """

    logits: Floats
    probabilities: Floats
    similarities: Floats


def max_softmax(said: Said) -> Floats:
    """Return 1 − max p (Hendrycks & Gimpel, ICLR 2017)."""
    return np.asarray(1 - said.probabilities.max(axis=1))


def gen(said: Said) -> Floats:
    """Return the generalised entropy Σ p^γ (1 − p)^γ of the most probable classes (Liu et al., CVPR 2023, eq. 4)."""
    best = -np.sort(-said.probabilities, axis=1)[:, :_GEN_CLASSES]
    clipped = np.clip(best, 0.0, 1.0)
    return np.asarray((clipped**_GEN_POWER * (1 - clipped) ** _GEN_POWER).sum(axis=1))


def energy(said: Said) -> Floats:
    """Return the free energy −log Σ exp(logit) (Liu et al., NeurIPS 2020, equation 4, at temperature 1)."""
    return -np.asarray(logsumexp(said.logits, axis=1))


def knn(said: Said) -> Floats:
    """Return 1 − the cosine similarity to the K-th nearest reference picture (Sun et al., ICML 2022, section 3)."""
    return np.asarray(1 - said.similarities[:, -1])


#: Measure → what computes it, (B,) from what was said; higher is stranger.
MEASURES: dict[str, Callable[[Said], Floats]] = {
    "max_softmax": max_softmax,
    "gen": gen,
    "energy": energy,
    "knn": knn,
}

#: Score → the measures that it adds up.
SCORES: Mapping[str, tuple[str, ...]] = {
    "max_softmax": ("max_softmax",),
    "gen": ("gen",),
    "energy": ("energy",),
    "knn": ("knn",),
    "gen+knn": ("gen", "knn"),
}

DEFAULT_SCORE = "gen+knn"

#: Measures that look at the nearest reference pictures.
_OF_NEIGHBOURS = frozenset({"knn"})


def needs_reference(score: str) -> bool:
    """Say whether a score looks at reference pictures.

    Raises:
        ConfigError: an unknown score.
    """
    return bool(_OF_NEIGHBOURS & set(measures_of(score)))


def measures_of(score: str) -> tuple[str, ...]:
    """Return the measures that a score adds up.

    Raises:
        ConfigError: an unknown score.
    """
    if score not in SCORES:
        raise unknown_name("score of unknowns", score, SCORES)
    return SCORES[score]


def fit_scales(score: str, said: Said) -> tuple[MeasureScale, ...]:
    """Standardise each measure of a score on rows of known classes.

    Args:
        score: a name in ``SCORES``.
        said: of held-out rows of known classes.

    Raises:
        ConfigError: an unknown score.
    """
    scales = []
    for name in measures_of(score):
        values = MEASURES[name](said)
        scales.append(MeasureScale(name, float(values.mean()), max(float(values.std()), _SMALLEST)))
    return tuple(scales)


def novelty(scales: tuple[MeasureScale, ...], said: Said) -> Floats:
    """Return how strange each picture is: (B,), about 0 for the known, higher for the stranger."""
    parts = [(MEASURES[scale.measure](said) - scale.mean) / scale.deviation for scale in scales]
    return np.asarray(np.sum(parts, axis=0))
