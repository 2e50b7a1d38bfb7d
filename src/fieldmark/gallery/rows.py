"""A recogniser's classes as rows of numbers, which can be added and removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fieldmark.errors import ConfigError
from fieldmark.models.heads import HEADS, RowHead
from fieldmark.models.recognizer import Recognizer

#: Pictures whose basis is computed at once.
_CHUNK = 1024


@dataclass(frozen=True)
class ClassRows:
    """The classes of a recogniser.

    Attributes:
        rows: (P, N, D) float32, every class's row of each part.
        bias: (N,) float32.
    """

    rows: NDArray[np.float32]
    bias: NDArray[np.float32]

    def logits(self, basis: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the logits (n, N) of pictures' bases (n, P, D)."""
        flat = self.rows.transpose(1, 0, 2).reshape(len(self.bias), -1).astype(np.float64)
        return basis.reshape(len(basis), flat.shape[1]).astype(np.float64) @ flat.T + self.bias

    def extended(self, row: NDArray[np.float64], bias: float) -> "ClassRows":
        """Return these classes and, last, one more.

        Args:
            row: (P · D,).
            bias: what is added whatever the picture shows.
        """
        parts, _, entries = self.rows.shape
        new = row.reshape(parts, 1, entries).astype(np.float32)
        return ClassRows(np.concatenate([self.rows, new], axis=1), np.append(self.bias, np.float32(bias)))

    def take(self, classes: Sequence[int]) -> "ClassRows":
        """Return some of the classes, in the order given."""
        return ClassRows(self.rows[:, list(classes)], self.bias[list(classes)])


def row_head(recognizer: Recognizer) -> RowHead:
    """Return a recogniser's head, if classes can be added to it.

    Raises:
        ConfigError: it mixes what it sees, so that no class has a row of its own for each part.
    """
    if not isinstance(recognizer.head, RowHead):
        heads = ", ".join(name for name, kind in HEADS.items() if kind.additive)
        raise ConfigError(
            "The recogniser's head mixes everything it sees: classes can't be added to it or taken from it.",
            f"Train with a head that adds up parts: --head {heads.replace(', ', ' or --head ')}.",
        )
    return recognizer.head


def rows_of(recognizer: Recognizer) -> ClassRows:
    """Return a recogniser's classes.

    Raises:
        ConfigError: its head has no rows.
    """
    rows = row_head(recognizer).class_rows().float().cpu().numpy()
    return ClassRows(rows, recognizer.bias.detach().float().cpu().numpy().copy())


def put_rows(recognizer: Recognizer, classes: ClassRows) -> None:
    """Give a recogniser other classes; what it sees stays as it is.

    Raises:
        ConfigError: its head has no rows.
    """
    row_head(recognizer).replace_rows(torch.from_numpy(np.ascontiguousarray(classes.rows)))
    recognizer.bias = nn.Parameter(torch.from_numpy(classes.bias.copy()).to(recognizer.bias))


@torch.inference_mode()
def basis_of(
    recognizer: Recognizer, vectors: NDArray[np.floating], presence: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Return what a head's rows are multiplied with: (n, P, D), of vectors (n, P, C) and presence (n, P).

    Raises:
        ConfigError: the head has no rows.
    """
    head = row_head(recognizer)
    device = recognizer.bias.device
    cast("nn.Module", head).eval()
    chunks = [
        head.basis(
            torch.from_numpy(np.asarray(vectors[start : start + _CHUNK], np.float32)).to(device),
            torch.from_numpy(np.asarray(presence[start : start + _CHUNK], np.float32)).to(device),
        )
        .cpu()
        .numpy()
        for start in range(0, len(vectors), _CHUNK)
    ]
    return np.concatenate([np.empty((0, *head.class_rows().shape[::2]), np.float32), *chunks])
