"""Heads: from part vectors and presence to the evidence that each part gives each class."""

from fieldmark.models.heads.additive import AdditiveHead
from fieldmark.models.heads.attention import AttentionHead
from fieldmark.models.heads.contract import Head, HeadClass, RowHead
from fieldmark.models.heads.linear import LinearHead
from fieldmark.models.heads.second_order import SecondOrderHead

#: Head name → class.
HEADS: dict[str, HeadClass] = {
    "linear": LinearHead,
    "additive": AdditiveHead,
    "attention": AttentionHead,
    "second_order": SecondOrderHead,
}

__all__ = ["HEADS", "AdditiveHead", "AttentionHead", "Head", "HeadClass", "LinearHead", "RowHead", "SecondOrderHead"]
