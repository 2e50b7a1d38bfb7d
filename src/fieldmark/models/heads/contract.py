"""What the rest of Fieldmark may ask of a head."""

from collections.abc import Iterator
from typing import ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn


class Head(Protocol):
    """A network that says what parts mean.

    Attributes:
        additive: whether the evidence is that of the parts, so that hiding one takes away its evidence and no more.
        parts: the part learner (a name in ``PARTS``) that the head needs; ``None`` where any with names will do.
    """

    additive: ClassVar[bool]
    parts: ClassVar[str | None]

    def __call__(self, vectors: Tensor, presence: Tensor) -> Tensor:
        """Turn vectors (B, P, C) and presence (B, P) into evidence (B, P, N) in log-odds.

        A head that is not additive gives (B, 1, N); a part of presence 0 adds nothing.
        """
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield what is trained."""
        ...


@runtime_checkable
class RowHead(Head, Protocol):
    """A head whose evidence of a class is one row of numbers a part, so that classes can be added and removed.

    In evaluation mode the evidence ``[b, k, n]`` is ``basis(vectors, presence)[b, k] · class_rows()[k, n]``.
    Every additive head is such a head.
    """

    def basis(self, vectors: Tensor, presence: Tensor) -> Tensor:
        """Turn vectors (B, P, C) and presence (B, P) into what the rows are multiplied with: (B, P, D)."""
        ...

    def cell_evidence(self, features: Tensor, weights: Tensor, presence: Tensor, direction: Tensor) -> Tensor:
        """Tell the evidence cell by cell: exactly, because a vector is a mean over cells.

        Args:
            features: (B, C, H, W).
            weights: (B, P, H, W), how much each cell counts in each part's vector; they add up to 1 over the cells.
            presence: (B, P).
            direction: (N,), what of the evidence is asked for: one class, or one minus another.

        Returns:
            (B, P, H, W), which add up over the cells to the evidence of the parts' vectors times ``direction`` (B, P).
        """
        ...

    def class_rows(self) -> Tensor:
        """Return a copy of every class's row of each part: (P, N, D)."""
        ...

    def replace_rows(self, rows: Tensor) -> None:
        """Put other rows (P, M, D) in place of these; the head then knows M classes."""
        ...


class HeadClass(Protocol):
    """How every head is built; ``additive`` and ``parts`` are known before.

    Attributes:
        additive: as of ``Head``.
        parts: as of ``Head``.
    """

    additive: bool
    parts: str | None

    def __call__(
        self, feature_dim: int, parts: int, classes: int, *, dropout: float = ..., part_dropout: float = ...
    ) -> Head:
        """Build a head with fresh weights.

        Args:
            feature_dim: length C of the part vectors.
            parts: number P of part vectors; heads that pool for themselves take any number of them.
            classes: number N of classes.
            dropout: share of what the head reads that is zeroed in training, entry by entry, in 0..1.
            part_dropout: share of the parts that are hidden in training, in 0..1.

        Raises:
            ConfigError: parts can't be hidden, because there is only one or the head has none.
        """
        ...
