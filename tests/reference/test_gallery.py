"""The gallery's mathematics against slow, literal versions and known limits."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from fieldmark.gallery.fitting import OldPictures, caution, evenly, fit_row
from fieldmark.gallery.search import nearest

Floats = np.ndarray


def pictures(
    shots: int = 4, old: int = 60, dim: int = 5, classes: int = 3, seed: int = 0
) -> tuple[Floats, Floats, OldPictures]:
    """Return bases of a new class, the old classes' logits of these, and pictures of the old classes."""
    random = np.random.default_rng(seed)
    centres = 2 * random.normal(size=(classes, dim))
    labels = np.arange(old) % classes
    basis = centres[labels] + random.normal(size=(old, dim))
    new = 2 * random.normal(size=dim) + random.normal(size=(shots, dim))
    return new, new @ centres.T, OldPictures(basis, basis @ centres.T, np.full(old, -1))


def literal(new: Floats, new_logits: Floats, old: OldPictures, ridge: float, favour: float) -> tuple[Floats, float]:
    """Minimise what ``fit_row`` says that it minimises, over the row itself."""
    deviation = old.basis.std(0) * np.sqrt(old.basis.shape[1])
    mean = old.basis.mean(0)

    def loss(values: Floats) -> float:
        row, bias = values[:-1], values[-1]
        ahead = ((new - mean) / deviation) @ row + bias - logsumexp(new_logits, 1)
        behind = logsumexp(old.logits, 1) - ((old.basis - mean) / deviation) @ row - bias
        own = favour * np.logaddexp(0, -ahead).mean()
        others = old.logits.shape[1] * np.logaddexp(0, -behind).mean()
        return float(own + others + ridge / 2 * row @ row)

    found = minimize(loss, np.zeros(new.shape[1] + 1), method="BFGS", options={"gtol": 1e-9, "maxiter": 2000})
    row = found.x[:-1] / deviation
    return row, float(found.x[-1] - row @ mean)


@pytest.mark.parametrize(("ridge", "favour"), [(1e-3, 3.0), (0.1, 1.0), (1.0, 6.0)])
def test_a_row_is_that_of_the_literal_regression(ridge: float, favour: float) -> None:
    new, logits, old = pictures()
    row = fit_row(new, logits, old, ridge=ridge, favour=favour)
    weights, bias = literal(new, logits, old, ridge, favour)
    assert row.weights == pytest.approx(weights, abs=2e-3 * np.abs(weights).max())
    everything = np.concatenate([new, old.basis])
    assert everything @ row.weights + row.bias == pytest.approx(everything @ weights + bias, abs=0.02)


def test_a_picture_s_own_logit_is_that_of_a_row_fitted_without_it() -> None:
    new, logits, old = pictures()
    row = fit_row(new, logits, old)
    for place in range(len(new)):
        rest = np.arange(len(new)) != place
        without = fit_row(new[rest], logits[rest], old)
        assert row.own[place] == pytest.approx(new[place] @ without.weights + without.bias, abs=1e-4)
    learned = new @ row.weights + row.bias
    assert row.own.min() < learned.min() - 1  # the picture that is least like the others says little without itself


def test_pictures_of_classes_that_were_added_before_are_left_out_in_turn() -> None:
    new, logits, old = pictures(shots=3)
    turns = np.full(len(old.basis), -1)
    turns[[7, 8, 20, 21]] = [0, 1, 0, 1]
    row = fit_row(new, logits, OldPictures(old.basis, old.logits, turns))
    assert np.flatnonzero(np.isfinite(row.others)).tolist() == [7, 8, 20, 21]
    rest = np.isin(np.arange(len(old.basis)), [8, 21], invert=True)
    # The second turn leaves out the new class's second picture, too. Entries are scaled by all pictures, as before.
    centre, scale = old.basis.mean(0), old.basis.std(0)
    without = fit_row(
        (new[[0, 2]] - centre) / scale,
        logits[[0, 2]],
        OldPictures((old.basis[rest] - centre) / scale, old.logits[rest], turns[rest]),
    )
    literal_scores = ((old.basis[[8, 21]] - centre) / scale) @ without.weights + without.bias
    assert row.others[[8, 21]] == pytest.approx(literal_scores, rel=0.05)
    assert row.others[8] != pytest.approx(old.basis[8] @ row.weights + row.bias, rel=1e-3)


def test_under_a_strong_ridge_the_row_points_to_the_mean_of_the_new_pictures() -> None:
    """That is imprinting (Qi, Brown and Lowe, CVPR 2018), where all old pictures compete alike."""
    new, _, old = pictures(shots=5)
    level = np.zeros((len(old.basis), 1))
    row = fit_row(new, np.zeros((5, 1)), OldPictures(old.basis, level, old.turns), ridge=1e6)
    scaled = row.weights * old.basis.std(0)
    mean = ((new - old.basis.mean(0)) / old.basis.std(0)).mean(0)
    assert scaled @ mean / np.linalg.norm(scaled) / np.linalg.norm(mean) == pytest.approx(1, abs=1e-6)


def test_a_row_is_of_the_same_scale_as_the_old_logits() -> None:
    """Whatever is added to all old logits is added to the new one: differences, and so decisions, stay."""
    new, logits, old = pictures()
    row = fit_row(new, logits, old)
    shifted = fit_row(new, logits + 7, OldPictures(old.basis, old.logits + 7, old.turns))
    assert shifted.weights == pytest.approx(row.weights, abs=1e-5)
    assert shifted.bias == pytest.approx(row.bias + 7, abs=1e-4)


def test_new_classes_are_recognised_and_old_ones_kept() -> None:
    new, logits, old = pictures(shots=5, old=120, dim=12)
    row = fit_row(new, logits, old)
    assert (row.own > logits.max(1)).mean() >= 0.8
    assert (old.basis @ row.weights + row.bias < old.logits.max(1)).all()


def test_caution_leaves_the_old_classes_their_pictures_and_lowers_no_more_than_it_takes() -> None:
    logits = np.array([[2.0, 0.0], [3.0, 1.0], [0.0, 4.0], [5.0, 0.0]])
    truth = np.array([0, 0, 0, 0])  # the third is not recognised: it may go
    scores = np.array([2.5, 2.0, 9.0, 1.0])
    lower = caution(scores, logits, truth)
    assert lower == pytest.approx(-0.5, abs=1e-3)
    assert (scores + lower < logits.max(1))[[0, 1, 3]].all()
    assert caution(scores - 1, logits, truth) == 0.0
    assert caution(np.empty(0), np.empty((0, 2)), np.empty(0, np.int64)) == 0.0


def test_of_very_many_held_out_pictures_a_few_may_go() -> None:
    logits = np.tile([1.0, 0.0], (1000, 1))
    scores = np.zeros(1000)
    scores[:2] = 5.0
    assert caution(scores, logits, np.zeros(1000, np.int64)) == 0.0
    scores[2] = 2.0
    assert caution(scores, logits, np.zeros(1000, np.int64)) == pytest.approx(-1.0, abs=1e-3)


def test_pictures_are_drawn_evenly_of_all_classes() -> None:
    labels = ["a"] * 50 + ["b"] * 5 + ["c"] * 20
    kept = evenly(labels, 20)
    counts = [sum(labels[place] == name for place in kept) for name in "abc"]
    assert len(kept) == 20
    assert counts[1] == 5
    assert abs(counts[0] - counts[2]) <= 1
    assert evenly(labels, 1000).tolist() == list(range(75))


def test_nearest_is_the_literal_order_of_cosines() -> None:
    random = np.random.default_rng(1)
    vectors, query = random.normal(size=(300, 16)).astype(np.float16), random.normal(size=16)
    wanted = random.random(300) < 0.7
    found = nearest(vectors, query, 7, wanted=wanted)
    cosines = []
    for place in range(300):
        own = vectors[place].astype(np.float64)
        cosines.append(sum(own * query) / np.sqrt(sum(own**2)) / np.sqrt(sum(query**2)))
    order = [place for place in sorted(range(300), key=lambda place: -cosines[place]) if wanted[place]][:7]
    assert found.places.tolist() == order
    assert found.similarities == pytest.approx([cosines[place] for place in order], abs=1e-5)
    assert found.exact
