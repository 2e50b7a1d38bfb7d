"""The attention probe: learned queries look for the cells of a map that tell the classes."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.evaluation.probes.contract import (
    Floats,
    Groups,
    Indices,
    Probabilities,
    check_training,
)
from fieldmark.evaluation.probes.folds import usable_folds
from fieldmark.models.layers import AttentionPooling

#: Weight decays of the matrices that are tried. On maps of grocery, of an untrained and of an ImageNet network, 0.05
#: to 5 differ by 2 points at most, as do 12 and 24 queries, and dropout of 0.2 and 0.5.
WEIGHT_DECAYS = (0.1, 5.0)

QUERIES = 12
VALUE_DIM = 32

_DROPOUT = 0.5
_LABEL_SMOOTHING = 0.1
_LEARNING_RATE = 1e-3
_WARM_UP = 0.1  # share of the steps
_BATCH = 128
_EPOCHS = 30
_STEPS = (300, 1500)  # at least and at most, whatever the epochs come to
_FOLDS = 4  # the weight decay is chosen on the first
_SMALLEST_DEVIATION = 1e-6


class AttentionProbe(nn.Module):
    """Learned queries pool the cells (``AttentionPooling``); a linear map reads their values.

    Args:
        channels: C of the maps.
        classes: K.
        queries: number M of queries.
        value_dim: entries V that each query reads.
        dropout: share of the values that are zeroed in training, in 0..1.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        queries: int = QUERIES,
        value_dim: int = VALUE_DIM,
        dropout: float = _DROPOUT,
    ) -> None:
        super().__init__()
        self.pooling = AttentionPooling(channels, queries, value_dim, scale=1.0)
        # Averages of standardised cells are far smaller than cells; as in MAE's linear probe, a norm without
        # parameters makes up for it.
        self.norm = nn.BatchNorm1d(queries * value_dim, affine=False)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(queries * value_dim, classes)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, cells: Tensor) -> Tensor:
        """Turn standardised cells (B, C, L) into logits (B, K)."""
        return self.classifier(self.dropout(self.norm(self.pooling(cells))))  # type: ignore[no-any-return]


class _Fitted:
    """A probe with the standardisation that it was trained on."""

    def __init__(self, maps: Floats, rows: Indices, labels: Indices, classes: int, weight_decay: float, seed: int):
        self._mean, self._deviation = _moments(maps, rows)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._probe = AttentionProbe(maps.shape[1], classes)
            self._train(maps, rows, torch.from_numpy(labels), weight_decay)

    def probabilities(self, maps: Floats, rows: Indices) -> Probabilities:
        self._probe.eval()
        parts = []
        with torch.no_grad():
            for start in range(0, len(rows), _BATCH):
                logits = self._probe(self._cells(maps, rows[start : start + _BATCH]))
                parts.append(logits.double().softmax(1).numpy())
        return np.concatenate(parts) if parts else np.zeros((0, self._probe.classifier.out_features))

    def _train(self, maps: Floats, rows: Indices, labels: Tensor, weight_decay: float) -> None:
        batch = min(_BATCH, len(rows))
        steps = min(max(_EPOCHS * len(rows) // batch, _STEPS[0]), _STEPS[1])
        matrices = [parameter for parameter in self._probe.parameters() if parameter.ndim > 1]
        optimiser = torch.optim.AdamW(matrices, lr=_LEARNING_RATE, weight_decay=weight_decay)
        optimiser.add_param_group({"params": [self._probe.classifier.bias], "weight_decay": 0.0})
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step / steps))
        self._probe.train()
        for drawn in _batches(len(rows), batch, steps):
            logits = self._probe(self._cells(maps, rows[drawn.numpy()]))
            loss = functional.cross_entropy(logits, labels[drawn], label_smoothing=_LABEL_SMOOTHING)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()

    def _cells(self, maps: Floats, rows: Indices) -> Tensor:
        """Return standardised cells (B, C, L) of some rows."""
        return (torch.from_numpy(maps[rows]).flatten(2) - self._mean) / self._deviation


def attention_probe(
    train: Floats, labels: Indices, test: Floats, *, groups: Groups | None = None, seed: int = 0
) -> Probabilities:
    """Train an ``AttentionProbe`` on standardised maps (N, C, h, w), by AdamW with a cosine and label smoothing.

    The number of steps is fixed; the weight decay is the one of ``WEIGHT_DECAYS`` that finds most rows of a quarter of
    the training rows, which is held out for that and learned from afterwards. Arguments, result and errors are those
    of ``Probe``.
    """
    classes = check_training(train, labels)
    best = WEIGHT_DECAYS[0]
    folds = usable_folds(labels, groups, _FOLDS, seed)
    if folds:
        fit, held = folds[0]
        found = [
            _Fitted(train, fit, labels[fit], classes, decay, seed).probabilities(train, held).argmax(1)
            for decay in WEIGHT_DECAYS
        ]
        best = WEIGHT_DECAYS[int(np.argmax([(predicted == labels[held]).sum() for predicted in found]))]
    fitted = _Fitted(train, np.arange(len(train)), labels, classes, best, seed)
    probabilities = fitted.probabilities(test, np.arange(len(test)))
    probabilities[:, np.bincount(labels, minlength=classes) == 0] = 0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities


def _batches(count: int, batch: int, steps: int) -> Iterator[Tensor]:
    """Yield places (B,) in a new order for every pass; what is left over at the end of a pass waits for another."""
    order, place = torch.randperm(count), 0
    for _ in range(steps):
        if place + batch > count:
            order, place = torch.randperm(count), 0
        yield order[place : place + batch]
        place += batch


def _rate(done: float) -> float:
    """Return the share of the peak learning rate after a share of the steps: linear warm-up, then a cosine."""
    if done < _WARM_UP:
        return (done + 1e-3) / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP)))


def _moments(maps: Floats, rows: Indices) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and standard deviation over all cells of some rows: (C, 1) each."""
    total, squares, count = np.zeros(maps.shape[1]), np.zeros(maps.shape[1]), 0
    for start in range(0, len(rows), _BATCH):
        cells = maps[rows[start : start + _BATCH]].astype(np.float64)
        total += cells.sum((0, 2, 3))
        squares += np.square(cells).sum((0, 2, 3))
        count += cells.size // cells.shape[1]
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    deviation[deviation < _SMALLEST_DEVIATION] = 1
    return tuple(torch.from_numpy(values.astype(np.float32)).unsqueeze(1) for values in (mean, deviation))  # type: ignore[return-value]
