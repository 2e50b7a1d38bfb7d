"""Attributes as a further task: a second head beside that of the classes, on the same part vectors."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.data.cache import CachedImages
from fieldmark.data.table import Table
from fieldmark.errors import ConfigError, DataError
from fieldmark.models.heads import HeadClass
from fieldmark.training.samples import Samples

#: Attributes are percentages in the table.
_WHOLE = 100.0


class AttributeTargets(NamedTuple):
    """The attributes of a batch.

    Attributes:
        shares: (B, A) in 0..1: how far each picture has each attribute; 0 where it isn't known.
        known: (B, A) in 0..1: whether it is known, or of a blended picture how much of it is.
    """

    shares: Tensor
    known: Tensor


@dataclass(frozen=True)
class AttributeSource:
    """The attributes of some samples.

    Attributes:
        shares: (N, A) float32 in 0..1; 0 where they aren't known.
        known: (N, A), float32: 1 where they are known, 0 elsewhere.
    """

    shares: npt.NDArray[np.float32]
    known: npt.NDArray[np.float32]

    def batch(self, places: npt.NDArray[np.int64], device: torch.device) -> AttributeTargets:
        """Return the attributes of some of the samples."""
        shares, known = (torch.from_numpy(values[places]).to(device) for values in (self.shares, self.known))
        return AttributeTargets(shares, known)


class AttributeHead(nn.Module):
    """Tells attributes by a head of the kind that tells the classes: of an additive one, each part adds its evidence.

    It is trained beside the recogniser and not kept in the bundle.

    Args:
        kind: the class of the head.
        feature_dim: length C of the part vectors.
        parts: number P of part vectors.
        attributes: number A of attributes.
        dropout: share of part-vector entries zeroed in training, in 0..1.
    """

    def __init__(self, kind: HeadClass, feature_dim: int, parts: int, attributes: int, *, dropout: float) -> None:
        super().__init__()
        self.head = cast("nn.Module", kind(feature_dim, parts, attributes, dropout=dropout))
        self.bias = nn.Parameter(torch.zeros(attributes))

    def forward(self, vectors: Tensor, presence: Tensor) -> Tensor:
        """Turn vectors (B, P, C) and presence (B, P) into the attributes' logits (B, A)."""
        evidence: Tensor = self.head(vectors, presence)  # (B, P, A)
        return evidence.sum(1) + self.bias


def attribute_loss(logits: Tensor, targets: AttributeTargets) -> Tensor:
    """Return the binary cross-entropy, averaged over the known attributes of all pictures; 0 where none is known.

    Args:
        logits: (B, A).
        targets: what the pictures have.
    """
    # The cross-entropy is linear in its target: a blend of a known and an unknown attribute is the known one, weighed.
    exact, known = logits.float(), targets.known
    each = known * functional.softplus(exact) - targets.shares * exact
    return each.sum() / known.sum().clamp_min(1)


def attribute_source(images: CachedImages, samples: Samples) -> AttributeSource:
    """Return the attributes of the training rows; what is missing, null or no number is not known.

    Args:
        images: the cache that the samples are from.
        samples: the training rows.

    Raises:
        DataError: a row has another number of attributes than the table names, or one outside 0 to 100.
    """
    names = images.table.attribute_names
    rows = images.table.frame["attributes"].to_list()
    values = np.full((len(samples), len(names)), np.nan, np.float32)
    for place, row in enumerate(samples.rows.tolist()):
        given = rows[row]
        if not given:
            continue
        if len(given) != len(names):
            raise DataError(
                f"Row {images.table.frame['id'][row]} has {len(given)} attributes; the table names {len(names)}.",
                "Give every row one value for each attribute, null where it isn't known.",
            )
        values[place] = [np.nan if value is None else value for value in given]
    known = np.isfinite(values)
    if (outside := known & ((values < 0) | (values > _WHOLE))).any():
        worst = values[outside][0]
        raise DataError(f"An attribute is {worst:g}.", "Attributes are percentages, from 0 to 100.")
    return AttributeSource(np.where(known, values / _WHOLE, 0).astype(np.float32), known.astype(np.float32))


def check_attributes(table: Table) -> None:
    """Check that there are attributes to learn from.

    Raises:
        ConfigError: the table names no attributes, or no labelled training row has any.
    """
    if not table.attribute_names or not table.split("train").labelled().frame["attributes"].list.len().sum():
        raise ConfigError(
            "attribute_weight weighs attributes, and no labelled training picture has any.",
            "Give data that have some (docs/data.md tells which formats do), or attribute_weight 0.",
        )
