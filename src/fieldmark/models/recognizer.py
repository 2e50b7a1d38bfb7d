"""The recogniser: every prediction is a sum over parts."""

import torch
from torch import Tensor, nn

from fieldmark.models.backbones.contract import Backbone
from fieldmark.models.pooling import pool_parts


class Recognizer(nn.Module):
    """A backbone, a part learner and a head; logits are the parts' evidence added up.

    Args:
        backbone: meets the backbone contract.
        parts: turns features (B, C, H, W) into maps (B, K + 1, H, W).
        head: turns vectors (B, K, C) and presence (B, K) into evidence (B, K, N).
        classes: number N of classes.
    """

    def __init__(self, backbone: Backbone, parts: nn.Module, head: nn.Module, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.parts = parts
        self.head = head
        self.bias = nn.Parameter(torch.zeros(classes))

    def evidence(self, x: Tensor) -> Tensor:
        """Return the log-odds (B, K, N) that each part of the pictures (B, 3, H, W) gives each class."""
        features = self.backbone.forward_features(x)  # (B, C, H, W)
        maps = self.parts(features)  # (B, K + 1, H, W)
        vectors, presence = pool_parts(features, maps)  # (B, K, C), (B, K)
        evidence: Tensor = self.head(vectors, presence)  # (B, K, N)
        return evidence

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, N) of normalised pictures (B, 3, H, W)."""
        return self.evidence(x).sum(1) + self.bias
