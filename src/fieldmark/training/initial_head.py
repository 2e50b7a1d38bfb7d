"""A first head by logistic regression on frozen features."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from fieldmark.errors import ConfigError
from fieldmark.models.heads import LinearHead
from fieldmark.models.pooling import pool_parts
from fieldmark.models.recognizer import Recognizer

#: Inverse strength of the ridge; the best of .001 to .03 on folds of cub50's and grocery's training rows.
_RIDGE_C = 0.03


def fit_initial_head(
    recognizer: Recognizer,
    batches: Iterable[tuple[Tensor, Tensor]],
    progress: Callable[[int], None],
) -> None:
    """Put a logistic regression on the frozen, standardised part vectors into the head.

    Fine-tuning from a random head distorts pretrained features while the head is still wrong; starting from a fitted
    one avoids that (LP-FT: Kumar et al., ICLR 2022, section 3).

    Args:
        recognizer: its backbone gives the features; its linear head is filled in place.
        batches: normalised pictures (B, 3, H, W) with class indices (B,).
        progress: called with the number of pictures done.

    Raises:
        ConfigError: the head is not linear over one part, or there is but one class.
    """
    head = fittable_head(recognizer)
    features, labels = _features(recognizer, batches, progress)
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ConfigError("The training rows show one class only.", "Give at least two classes.")
    weight, bias = _logistic_regression(features, labels)
    with torch.no_grad():
        # Classes without a training row keep zero weights and a bias below every other.
        head.weight.zero_()
        recognizer.bias.fill_(float(bias.min()) - 1)
        head.weight[0, torch.from_numpy(classes)] = torch.from_numpy(weight).to(head.weight)
        recognizer.bias[torch.from_numpy(classes)] = torch.from_numpy(bias).to(recognizer.bias)


def fittable_head(recognizer: Recognizer) -> LinearHead:
    """Return the head that a logistic regression can fill.

    Raises:
        ConfigError: the head is not linear over one part.
    """
    head = recognizer.head
    if not isinstance(head, LinearHead) or head.weight.shape[0] != 1:
        raise ConfigError(
            "initial_head 'logistic' fits only the linear head of the whole picture.",
            "Use initial_head 'random', or head 'linear' without parts.",
        )
    return head


@torch.no_grad()
def _features(
    recognizer: Recognizer, batches: Iterable[tuple[Tensor, Tensor]], progress: Callable[[int], None]
) -> tuple[np.ndarray, np.ndarray]:
    training = recognizer.training
    recognizer.eval()
    vectors, labels, done = [], [], 0
    for x, y in batches:
        features = recognizer.features(x)
        vectors.append(pool_parts(features, recognizer.parts(features))[0][:, 0].float().cpu())
        labels.append(y.cpu())
        done += len(y)
        progress(done)
    recognizer.train(training)
    return torch.cat(vectors).numpy(), torch.cat(labels).numpy()


def _logistic_regression(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (N, C) and biases (N,) in the features' own units."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=_RIDGE_C, max_iter=300).fit(scaler.transform(features), labels)
    coefficients, intercept = model.coef_, model.intercept_
    if len(coefficients) == 1:  # two classes share one row of coefficients
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    weight = coefficients / scaler.scale_
    return weight.astype(np.float32), (intercept - weight @ scaler.mean_).astype(np.float32)
