"""Heads: from part vectors and presence to the evidence that each part gives each class."""

from collections.abc import Callable

from torch import nn

from fieldmark.models.heads.linear import LinearHead

#: Head name → class.
HEADS: dict[str, Callable[[int, int, int, float], nn.Module]] = {"linear": LinearHead}

__all__ = ["HEADS", "LinearHead"]
