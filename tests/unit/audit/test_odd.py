import numpy as np

from fieldmark.audit.odd import ODD, oddness


def test_what_lies_far_from_its_nearest_is_odd() -> None:
    cosines = np.random.default_rng(0).uniform(0.7, 0.8, (100, 5))
    cosines[17] = 0.1
    scores = oddness(cosines)
    assert np.flatnonzero(scores >= ODD).tolist() == [17]


def test_scores_are_robust_deviations_above_the_median() -> None:
    distance = np.concatenate([np.arange(99) / 1000, [0.9]])
    scores = oddness(1 - np.repeat(distance[:, None], 3, 1))
    middle = np.median(distance)
    spread = 1.4826 * np.median(np.abs(distance - middle))
    assert np.allclose(scores, (distance - middle) / spread)


def test_among_few_or_equal_pictures_none_is_odd() -> None:
    few = np.full((10, 5), 0.8)
    few[0] = 0
    assert (oddness(few) == 0).all()
    assert (oddness(np.full((50, 5), 0.8)) == 0).all()
