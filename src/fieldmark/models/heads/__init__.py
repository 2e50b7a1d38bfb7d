"""Heads: from part vectors and presence to the evidence that each part gives each class."""

from fieldmark.models.heads.contract import Head
from fieldmark.models.heads.linear import LinearHead

#: Head name → class.
HEADS: dict[str, type[LinearHead]] = {"linear": LinearHead}

__all__ = ["HEADS", "Head", "LinearHead"]
