"""Conformal sets: the classes that a picture may show, sized so that the true one is missed no more often than wanted.

Split conformal prediction (Vovk et al., 2005): a class is a candidate where its score is no larger than a quantile of
the true classes' scores on held-out rows. Scores: RAPS (Angelopoulos, Bates, Malik & Jordan, ICLR 2021) and LAC, one
minus the probability (Sadinle, Lei & Wasserman, JASA 2019). Thresholds of all rows together, of each class, between
the two (INTERP-Q: Ding, Fermanian & Salmon, *Conformal Prediction for Long-Tailed Classification*, 2025), or of
clusters of classes with scores alike (Ding, Angelopoulos, Bates, Jordan & Tibshirani, NeurIPS 2023).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.integer]

#: Rows of a class with which its own threshold weighs as much as that of all rows. Fewer held-out rows make a quantile
#: so rough that sets grow faster than classes even out: benchmarks/decisions.py.
_EQUAL_WEIGHT = 50

#: Largest score that counts: a class with this threshold is always a candidate. JSON holds no infinity.
ALWAYS = 1e6


def raps_scores(probabilities: Floats, penalty: float, free: int) -> Floats:
    """Return how much is more probable than each class: (B, N), 0 for the most probable.

    RAPS without its random share of the class's own probability, so that one picture has one set, and the most
    probable class is always in it: Σ of the probabilities ranked before the class + penalty · (rank − free)₊, equation
    4 at u = 0. The quantile of the same scores keeps the coverage valid; it can only be larger than wanted, where the
    first guess is right more often than that.

    Args:
        probabilities: (B, N); rows sum to 1.
        penalty: what each rank beyond ``free`` adds; 0 is APS.
        free: ranks without penalty, at least 1.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    ranks = np.arange(1, probabilities.shape[1] + 1)
    scores = np.empty_like(probabilities)
    np.put_along_axis(scores, order, before + penalty * np.maximum(ranks - free, 0), axis=1)
    return scores


def lac_scores(probabilities: Floats, penalty: float, free: int) -> Floats:  # noqa: ARG001 - all scores are called alike
    """Return one minus the probability of each class: (B, N)."""
    return np.asarray(1 - probabilities)


#: Score of sets → what computes it from (probabilities, penalty, free candidates).
SET_SCORES: dict[str, Callable[[Floats, float, int], Floats]] = {"raps": raps_scores, "lac": lac_scores}


def conformal_quantile(scores: Floats, coverage: float) -> float:
    """Return the ⌈(n + 1) · coverage⌉-th smallest of n scores; ``ALWAYS`` where n is too small for one.

    Args:
        scores: (n,), of the true classes of held-out rows.
        coverage: in 0..1.
    """
    place = int(np.ceil((len(scores) + 1) * coverage - 1e-9))
    return ALWAYS if place > len(scores) else float(np.sort(scores)[max(place, 1) - 1])


def fewest_rows(coverage: float) -> int:
    """Return how many held-out rows a threshold needs: fewer leave nothing but the set of all classes."""
    return int(np.ceil(1 / (1 - coverage) - 1 - 1e-9))


def candidate_sets(scores: Floats, thresholds: Floats) -> NDArray[np.bool_]:
    """Say which classes are candidates: (B, N); where none would be, the one of the smallest score is.

    Args:
        scores: (B, N).
        thresholds: (N,), the largest score with which a class is a candidate.
    """
    sets = scores <= thresholds
    empty = np.flatnonzero(~sets.any(axis=1))
    sets[empty, scores[empty].argmin(axis=1)] = True
    return np.asarray(sets)


def all_thresholds(own: Floats, truth: Indices, classes: int, coverage: float, seed: int = 0) -> Floats:  # noqa: ARG001
    """Return one threshold for all classes: (N,).

    Args:
        own: (n,) scores of the true classes of held-out rows.
        truth: (n,) class indices.
        classes: N.
        coverage: in 0..1.
        seed: of clusters; all ways of fitting are called alike.
    """
    return np.full(classes, conformal_quantile(own, coverage))


def class_thresholds(own: Floats, truth: Indices, classes: int, coverage: float, seed: int = 0) -> Floats:
    """Return a threshold of each class: (N,); classes with too few rows share that of all rows.

    The arguments are those of ``all_thresholds``.
    """
    shared = all_thresholds(own, truth, classes, coverage, seed)
    counts = np.bincount(truth, minlength=classes)
    enough = np.flatnonzero(counts >= fewest_rows(coverage))
    for index in enough:
        shared[index] = conformal_quantile(own[truth == index], coverage)
    return shared


def cluster_thresholds(own: Floats, truth: Indices, classes: int, coverage: float, seed: int = 0) -> Floats:
    """Return thresholds of clusters of classes whose scores are alike: (N,).

    One part of the rows finds the clusters, k-means on the classes' quantiles weighted by the roots of their counts,
    the other the thresholds (Ding et al., algorithm 1; numbers of clusters and rows as in their appendix). Classes
    with too few rows, and clusters with too few, share the threshold of all rows. The arguments are those of
    ``all_thresholds``.
    """
    counts = np.bincount(truth, minlength=classes)
    rare = counts < fewest_rows(coverage)
    usual = counts[~rare]
    if not len(usual):
        return all_thresholds(own, truth, classes, coverage, seed)
    share = len(usual) / (75 + len(usual))
    clusters = int(usual.min() * share / 2)
    if clusters < 2:
        return all_thresholds(own, truth, classes, coverage, seed)
    generator = np.random.default_rng(seed)
    finding = _share_of_each(truth, share, generator)
    cluster_of = _clusters(own[finding], truth[finding], ~rare, clusters, coverage, seed)
    rest_own, rest_of = own[~finding], cluster_of[truth[~finding]]
    thresholds = np.full(classes, conformal_quantile(rest_own, coverage))
    for cluster in range(clusters):
        inside = rest_of == cluster
        if inside.sum() >= fewest_rows(coverage):
            thresholds[cluster_of == cluster] = conformal_quantile(rest_own[inside], coverage)
    return thresholds


def interpolated_thresholds(own: Floats, truth: Indices, classes: int, coverage: float, seed: int = 0) -> Floats:
    """Return thresholds between that of each class and that of all rows: (N,), nearer to its own the more rows it has.

    Of few rows that of the class is rough, and sets of it are large without being right more evenly. The arguments are
    those of ``all_thresholds``.
    """
    counts = np.bincount(truth, minlength=classes)
    weights = counts / (counts + _EQUAL_WEIGHT)
    of_all = all_thresholds(own, truth, classes, coverage, seed)
    of_each = class_thresholds(own, truth, classes, coverage, seed)
    return np.asarray(weights * of_each + (1 - weights) * of_all)


#: Whom thresholds are fitted for → what fits them.
THRESHOLDS: dict[str, Callable[[Floats, Indices, int, float, int], Floats]] = {
    "interpolated": interpolated_thresholds,
    "all": all_thresholds,
    "class": class_thresholds,
    "cluster": cluster_thresholds,
}


def _share_of_each(truth: Indices, share: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Choose a share of each class's rows: (n,) booleans."""
    chosen = np.zeros(len(truth), dtype=bool)
    for index in np.unique(truth):
        rows = generator.permutation(np.flatnonzero(truth == index))
        chosen[rows[: round(share * len(rows))]] = True
    return chosen


def _clusters(
    own: Floats, truth: Indices, usual: NDArray[np.bool_], clusters: int, coverage: float, seed: int
) -> NDArray[np.int64]:
    """Return each class's cluster: (N,); -1 for classes without one."""
    from sklearn.cluster import KMeans

    found = np.full(len(usual), -1, dtype=np.int64)
    members = [index for index in np.flatnonzero(usual) if (truth == index).any()]
    if len(members) < clusters:
        return found
    levels = np.unique([0.5, 0.6, 0.7, 0.8, 0.9, coverage])
    points = np.stack([np.quantile(own[truth == index], levels) for index in members])
    weights = np.sqrt([(truth == index).sum() for index in members])
    clusters = min(clusters, len(np.unique(points, axis=0)))
    fitted = KMeans(clusters, random_state=seed, n_init=10).fit(points, sample_weight=weights)
    found[members] = fitted.labels_
    return found
