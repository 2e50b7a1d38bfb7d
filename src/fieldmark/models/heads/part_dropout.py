"""Hiding parts in training."""

import torch
from torch import Tensor, nn

from fieldmark.errors import ConfigError


class PartDropout(nn.Module):
    """In training, hides whole parts of single pictures: their presence becomes 0. One part of each picture stays.

    What stays is not scaled up, as dropout does with single entries so that their sum stays the same on average. Here
    the sum is meant to be smaller: prediction adds up the parts that are there, a part that is hidden by a leaf or
    outside the picture is a normal case, and nothing makes up for it then either.

    Args:
        parts: number P of parts.
        share: share of the parts that are hidden, in 0..1.

    Raises:
        ConfigError: a share of a single part.
    """

    def __init__(self, parts: int, share: float) -> None:
        super().__init__()
        if share and parts < 2:
            raise ConfigError(
                f"part_dropout {share:g} would hide parts, and there is only one.",
                "Set part_dropout to 0, or learn several parts.",
            )
        self.share = share

    def forward(self, presence: Tensor) -> Tensor:
        """Turn presence (B, P) into presence (B, P)."""
        if not self.training or not self.share:
            return presence
        drawn = torch.rand(presence.shape, device=presence.device)
        kept = (drawn >= self.share) | (drawn == drawn.amax(1, keepdim=True))
        return presence * kept


def refuse_part_dropout(share: float) -> None:
    """Refuse to hide parts in a head that pools the cells for itself.

    Raises:
        ConfigError: ``share`` is not 0.
    """
    if share:
        raise ConfigError(
            f"part_dropout {share:g} would hide parts, and this head has none: it pools the whole picture for itself.",
            "Set part_dropout to 0, or use the head 'additive'.",
        )
