"""The row of a new class, from a few pictures: fitted beside the old classes, whose scores stay as they are.

The old classes' scores are fixed, so the new class's logit z competes with one number a picture, c = log Σ exp(old
logits): the probability of the new class is σ(z − c). Its row is the logistic regression of its own pictures against
stored pictures of the old classes with c as an offset, which puts new and old logits on one scale by construction;
plain imprinting (Qi, Brown & Lowe, CVPR 2018), the normalised mean of the new pictures, is where this regression's
first step from zero points to, but knows neither c nor which differences tell the classes apart.

In shapes, n is pictures, D entries of all slots' bases together, N old classes. By the representer theorem the row is a
combination of pictures, so all work is done on their n × n products.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, log_expit, logsumexp

Floats = NDArray[np.float64]

#: Strength of the ridge, of bases with a mean squared length of 1; chosen on cub50's training and validation rows.
RIDGE = 1e-3

#: How much more the new class's pictures weigh together than those of an old class: few pictures say too little, and
#: the ridge holds what they say small. Chosen like the ridge.
FAVOUR = 3.0

#: Pictures of the old classes that a row is fitted to at most, evenly of all classes: the work grows with their cube.
MOST_OLD = 1_000

#: Turns in which pictures are left out at most: each is a fit of its own.
MOST_TURNS = 10

#: Share of held-out pictures, recognised before, that a new class may take from its old class.
MOST_TAKEN = 0.002

#: By how much a new logit stays below what it must not reach.
_BELOW = 1e-4

#: Newton's steps at most, and the share of the loss below which a step is the last one.
_STEPS, _SMALL = 50, 1e-9

#: Smallest curvature of a picture's loss: what is certain beyond it has no say any more.
_FLATTEST = 1e-12

#: Smallest part of the mean deviation that an entry of the basis is divided by.
_FLOOR = 1e-3


@dataclass(frozen=True)
class NewRow:
    """What tells a new class from the old ones.

    Attributes:
        weights: (D,) the row.
        bias: what is added whatever the picture shows.
        own: (m,) logits of the class's own m pictures, each by a row that was fitted without it; NaN of a single one.
        others: (n,) such logits of the old pictures; NaN of those that all rows were fitted to.
    """

    weights: Floats
    bias: float
    own: Floats
    others: Floats

    def lowered(self, by: float) -> "NewRow":
        """Return the row with ``by``, 0 or less, added to all its logits."""
        return NewRow(self.weights, self.bias + by, self.own + by, self.others + by)


@dataclass(frozen=True)
class OldPictures:
    """Stored pictures of the classes there are.

    Attributes:
        basis: (n, D) what rows are multiplied with.
        logits: (n, N).
        turns: (n,) of pictures of classes that were added before, which of their class's pictures it is: they are left
            out in turn, since nothing else is known of what an unseen one would get. -1 of all others.
    """

    basis: NDArray[np.floating]
    logits: Floats
    turns: NDArray[np.int64]


def fit_row(
    new: NDArray[np.floating], new_logits: Floats, old: OldPictures, *, ridge: float = RIDGE, favour: float = FAVOUR
) -> NewRow:
    """Fit the row of a new class.

    Minimised is favour · mean of −log σ(z − c) over the new pictures, + N · mean of −log σ(c − z) over the old ones,
    + ridge / 2 · |row|², of bases that are divided by their deviation over the old pictures.

    Args:
        new: (m, D) bases of the new class's pictures, m at least 1.
        new_logits: (m, N) the old classes' logits of these pictures.
        old: pictures of the old classes.
        ridge: strength of the ridge, above 0.
        favour: weight of the new pictures.
    """
    both = np.concatenate([new, old.basis]).astype(np.float64)
    centre, scale = _standard(both[len(new) :])
    both = (both - centre) / scale
    offsets = logsumexp(np.concatenate([new_logits, old.logits]), axis=1)
    is_new = np.arange(len(both)) < len(new)
    weight = np.where(is_new, favour / len(new), old.logits.shape[1] / max(1, len(old.logits)))
    problem = _Problem(both @ both.T, offsets, is_new, weight, ridge)
    shares, bias = problem.solve()
    turns = np.concatenate([np.arange(len(new)) if len(new) > 1 else np.array([-1]), old.turns])
    left_out = problem.scores_in_turn(turns, shares, bias)
    weights = (shares @ both) / scale
    return NewRow(weights, float(bias - weights @ centre), left_out[: len(new)], left_out[len(new) :])


def _standard(basis: Floats) -> tuple[Floats, Floats]:
    """Return what centres the entries (D,), and what brings pictures to a mean squared length of about 1 (D,)."""
    deviation = basis.std(axis=0)
    deviation = np.maximum(deviation, _FLOOR * max(float(deviation.mean()), _FLOOR))
    return basis.mean(axis=0), deviation * np.sqrt(basis.shape[1])


def evenly(labels: Sequence[str], most: int, seed: int = 0) -> NDArray[np.int64]:
    """Return the places, in order, of at most ``most`` pictures, drawn by chance and evenly of all classes.

    Args:
        labels: the pictures' classes.
        most: how many are kept.
        seed: of the drawing.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    turns: Counter[str] = Counter()
    turn = np.empty(len(labels), dtype=np.int64)
    for place in order:
        turn[place] = turns[labels[place]]
        turns[labels[place]] += 1
    first = np.lexsort((np.argsort(order), turn))[:most]  # every class's first picture, then every class's second ...
    return np.sort(first)


def caution(scores: Floats, logits: Floats, truth: NDArray[np.int64]) -> float:
    """Return by how much a new class's logit is lowered, so that the old classes keep their pictures: 0 or less.

    Args:
        scores: (n,) logits of the new class, of held-out pictures of the old ones.
        logits: (n, N) the old classes' logits of these.
        truth: (n,) their classes.
    """
    recognised = logits.argmax(axis=1) == truth if len(logits) else np.zeros(0, dtype=np.bool_)
    ahead = np.sort((scores - logits.max(axis=1))[recognised])[::-1] if recognised.any() else np.empty(0)
    allowed = int(MOST_TAKEN * len(truth))
    return min(0.0, -float(ahead[allowed]) - _BELOW) if len(ahead) > allowed else 0.0


@dataclass(frozen=True)
class _Problem:
    """A ridge-penalised logistic regression with offsets, in terms of the pictures' products.

    Attributes:
        products: (M, M) of all pictures.
        offsets: (M,) the scores c that the logit competes with.
        is_new: (M,) which pictures show the new class.
        weight: (M,) what each picture weighs.
        ridge: strength of the ridge.
    """

    products: Floats
    offsets: Floats
    is_new: NDArray[np.bool_]
    weight: Floats
    ridge: float

    def solve(self, shares: Floats | None = None, bias: float | None = None) -> tuple[Floats, float]:
        """Return the share of every picture in the row (M,) and the bias, by Newton's method from a first guess."""
        shares = np.zeros(len(self.offsets)) if shares is None else shares
        bias = float(np.average(self.offsets, weights=self.weight)) if bias is None else bias
        loss = self._loss(shares, bias)
        for _ in range(_STEPS):
            wanted, level = self._newton(self.products @ shares + bias)
            length = 1.0
            while True:
                further = shares + length * (wanted - shares), bias + length * (level - bias)
                reached = self._loss(*further)
                if reached <= loss or length < _SMALL:
                    break
                length /= 2
            gained, (shares, bias), loss = loss - reached, further, reached
            if gained < _SMALL * max(1.0, abs(loss)):
                break
        return shares, bias

    def scores_in_turn(self, turns: NDArray[np.int64], shares: Floats, bias: float) -> Floats:
        """Return the logits of some pictures, each by a row that was fitted without it: (M,); NaN of the others.

        Pictures of one turn are left out together, in no more than ``MOST_TURNS`` turns.

        Args:
            turns: (M,) the turn of each picture; -1 of those that always stay.
            shares: of the row that was fitted to all; where the search begins.
            bias: likewise.
        """
        found = np.full(len(turns), np.nan)
        rounds = min(MOST_TURNS, int(turns.max()) + 1)
        for turn in range(rounds):
            left = (turns >= 0) & (turns % rounds == turn)
            found[left] = self._scores_without(left, shares, bias)
        return found

    def _scores_without(self, left: NDArray[np.bool_], shares: Floats, bias: float) -> Floats:
        kept, weight = ~left, self.weight.copy()
        for group in (self.is_new, ~self.is_new):
            weight[group] *= weight[group].sum() / weight[group & kept].sum()
        rest = _Problem(
            self.products[np.ix_(kept, kept)], self.offsets[kept], self.is_new[kept], weight[kept], self.ridge
        )
        fitted, level = rest.solve(shares[kept], bias)
        return np.asarray(self.products[np.ix_(left, kept)] @ fitted + level)

    def _newton(self, scores: Floats) -> tuple[Floats, float]:
        """Return the shares and the bias at which the loss's second-order model is smallest.

        There (K + ridge / H) · shares + bias = scores − gradient / H, and the shares add up to 0.
        """
        probability = expit(scores - self.offsets)
        curvature = np.maximum(self.weight * probability * (1 - probability), _FLATTEST)
        target = scores - self.weight * (probability - self.is_new) / curvature
        factor = cho_factor(self.products + np.diag(self.ridge / curvature), lower=True)
        of_target, of_ones = cho_solve(factor, target), cho_solve(factor, np.ones(len(scores)))
        bias = of_target.sum() / of_ones.sum()
        return of_target - bias * of_ones, float(bias)

    def _loss(self, shares: Floats, bias: float) -> float:
        scores = self.products @ shares
        margins = np.where(self.is_new, 1, -1) * (scores + bias - self.offsets)
        return float(-self.weight @ log_expit(margins) + self.ridge / 2 * shares @ scores)
