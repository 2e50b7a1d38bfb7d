"""What texts are read by without any network: counted words and a linear classifier."""

from collections.abc import Sequence

import numpy as np

from fieldmark.errors import DataError
from fieldmark.evaluation.probes.contract import Groups, Indices
from fieldmark.evaluation.probes.folds import usable_folds

#: Penalties C of the support vector machine that are tried.
PENALTIES = (0.1, 1.0, 10.0)

_FOLDS = 3

#: Words, and every other sign on its own.
_TOKEN = r"(?u)\w+|[^\w\s]"  # noqa: S105  no password


def tfidf_svm(
    train: Sequence[str], labels: Indices, test: Sequence[str], *, groups: Groups | None = None, seed: int = 0
) -> tuple[Indices, int]:
    """Read texts by the TF-IDF of their words and pairs of words, with a linear support vector machine.

    The penalty is the one of ``PENALTIES`` that finds most texts held out in folds of the training texts.

    Args:
        train: the training texts.
        labels: class index (N,) of each.
        test: the texts to read.
        groups: the groups of the training texts; ``None`` where each is its own.
        seed: of the folds and the solver.

    Returns:
        The class index (M,) of each text to read, and the number of different words and pairs.

    Raises:
        DataError: fewer than two classes, or no training text holds a word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    if len(np.unique(labels)) < 2:
        raise DataError("Texts of two classes or more are needed.", "Label some texts of another class.")
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=_TOKEN)
    try:
        known = vectoriser.fit_transform(train)
    except ValueError as error:  # an empty vocabulary
        raise DataError("No training text holds a word.", "Give texts that say something.") from error

    def read(fit: Indices, rows: object, penalty: float) -> Indices:
        found: Indices = LinearSVC(C=penalty, random_state=seed).fit(known[fit], labels[fit]).predict(rows)
        return found

    right = np.zeros(len(PENALTIES))
    for fit, held in usable_folds(labels, groups, _FOLDS, seed):
        right += [(read(fit, known[held], penalty) == labels[held]).sum() for penalty in PENALTIES]
    best = PENALTIES[int(right.argmax())] if right.any() else 1.0
    return read(np.arange(len(labels)), vectoriser.transform(test), best), known.shape[1]
