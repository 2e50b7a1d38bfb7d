"""What the rest of Fieldmark may ask of a part learner."""

from typing import Protocol

from torch import Tensor


class PartLearner(Protocol):
    """A network that says where each part is.

    Attributes:
        names: the names of the K parts; empty where the parts have none, because their number is the picture's.
        background: whether a cell may be no part's. Without a background a picture has no rest beside its parts.
    """

    names: tuple[str, ...]
    background: bool

    def __call__(self, features: Tensor) -> Tensor:
        """Turn features (B, C, H, W) into maps (B, K + 1, H, W).

        The maps are each cell's shares of the K parts and, last, of the background; none is negative, their sum is 1.
        """
        ...
