"""What the rest of Fieldmark may ask of a head."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor, nn


class Head(Protocol):
    """A network that says what parts mean.

    Attributes:
        additive: whether the evidence is that of the parts, so that hiding one takes away its evidence and no more.
        parts: the part learner (a name in ``PARTS``) that the head needs; ``None`` where any will do.
    """

    additive: bool
    parts: str | None

    def __call__(self, vectors: Tensor, presence: Tensor) -> Tensor:
        """Turn vectors (B, P, C) and presence (B, P) into evidence (B, P, N) in log-odds.

        A head that is not additive gives (B, 1, N); a part of presence 0 adds nothing.
        """
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield what is trained."""
        ...
