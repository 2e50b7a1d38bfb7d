"""The recogniser: every prediction is a sum over parts."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fieldmark.models.backbones.contract import Backbone
from fieldmark.models.heads.contract import Head, RowHead
from fieldmark.models.layers import UsualLight
from fieldmark.models.part_attention import PartAttention
from fieldmark.models.parts.contract import PartLearner
from fieldmark.models.pooling import cell_weights, part_presence, pool_cells

#: What the last part of a recogniser with a rest slot is called.
REST = "rest of the picture"


class PartEvidence(NamedTuple):
    """Where the parts are, how surely, and what each of them says.

    Attributes:
        maps: (B, K + 1, H, W), each cell's shares of the K parts and, last, of the background.
        presence: (B, P) in 0..1, P being K, or K + 1 where there is a rest slot, which is always present.
        evidence: (B, P, N) in log-odds; (B, 1, N) of a head that is not additive.
    """

    maps: Tensor
    presence: Tensor
    evidence: Tensor


class RecognizerOutputs(NamedTuple):
    """All that a recogniser says of B pictures.

    A head that is not additive speaks of the whole picture: its one slot is everywhere and always present.

    Attributes:
        logits: (B, N), the evidence and the bias added up.
        embedding: (B, C), the mean of the features over the picture.
        vectors: (B, P, C), each slot's mean of the features.
        presence: (B, P) in 0..1.
        evidence: (B, P, N) in log-odds.
        maps: (B, K + 1, H, W), each cell's shares of the K parts and, last, of the background.
    """

    logits: Tensor
    embedding: Tensor
    vectors: Tensor
    presence: Tensor
    evidence: Tensor
    maps: Tensor


class Recognizer(nn.Module):
    """A backbone, a part learner and a head; logits are the parts' evidence added up.

    Args:
        backbone: meets the backbone contract.
        parts: turns features (B, C, H, W) into maps (B, K + 1, H, W).
        head: turns vectors (B, P, C) and presence (B, P) into evidence (B, P, N).
        classes: number N of classes.
        rest: give the head what is no part, too, as a last slot: the features' mean over the background.
        attention: where inside its part each slot looks; ``None`` looks everywhere alike.
        light: brings pictures into usual light before the backbone sees them; ``None`` leaves them as they are.
    """

    def __init__(
        self,
        backbone: Backbone,
        parts: PartLearner,
        head: Head,
        classes: int,
        *,
        rest: bool = False,
        attention: PartAttention | None = None,
        light: UsualLight | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.parts = parts
        self.head = head
        self.rest = rest
        self.attention = attention
        self.light = light
        self.bias = nn.Parameter(torch.zeros(classes))

    @property
    def additive(self) -> bool:
        """Whether the evidence is that of the parts; otherwise it is one sum for the whole picture."""
        return self.head.additive

    @property
    def evidence_names(self) -> tuple[str, ...]:
        """The names of the P slots of the evidence."""
        if not self.additive:
            return ("whole picture",)
        return (*self.parts.names, REST) if self.rest else self.parts.names

    def features(self, x: Tensor) -> Tensor:
        """Turn normalised pictures (B, 3, H, W) into the backbone's features (B, C, h, w)."""
        return self.backbone.forward_features(self.seen(x))

    def seen(self, x: Tensor) -> Tensor:
        """Turn normalised pictures (B, 3, H, W) into what the backbone sees of them."""
        return x if self.light is None else self.light(x)

    def parts_evidence(self, x: Tensor) -> PartEvidence:
        """Find the parts of normalised pictures (B, 3, H, W) and weigh what each says."""
        features = self.features(x)  # (B, C, H, W)
        return self.evidence_of(features, self.parts(features))

    def evidence_of(self, features: Tensor, maps: Tensor, *, trust: float = 1.0) -> PartEvidence:
        """Weigh what the parts say, given the features (B, C, H, W) and the maps (B, K + 1, H, W).

        Args:
            features: the backbone's.
            maps: the parts'.
            trust: how far the parts are taken for what they are, in 0..1; below 1 only while they are being found. At 0
                each of them is there, and is the whole picture.
        """
        vectors = pool_cells(features, self._weights(features, maps, trust))  # (B, P, C)
        presence = part_presence(maps, rest=self.rest)  # (B, P)
        if trust < 1:
            presence = 1 - trust * (1 - presence)
        return PartEvidence(maps, presence, self.head(vectors, presence))  # evidence (B, P, N)

    def pooled(self, features: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the head reads: vectors (B, P, C) and presence (B, P); arguments as of ``evidence_of``."""
        return pool_cells(features, self._weights(features, maps)), part_presence(maps, rest=self.rest)

    def _weights(self, features: Tensor, maps: Tensor, trust: float = 1.0) -> Tensor:
        """Return how much each cell counts in each slot's vector, (B, P, H, W); arguments as of ``evidence_of``."""
        weights = cell_weights(maps, rest=self.rest)
        if trust < 1:
            weights = (1 - trust) / weights[0, 0].numel() + trust * weights
        return weights if self.attention is None else self.attention(features, weights)

    def cell_evidence(self, x: Tensor, direction: Tensor) -> Tensor:
        """Tell where in normalised pictures (B, 3, H, W) the evidence times a direction (N,) comes from.

        Returns:
            (B, P, h, w), cell by cell; they add up to what each slot says, and with the bias to ``logits @ direction``.

        Raises:
            TypeError: the head doesn't add up parts.
        """
        if not isinstance(self.head, RowHead):
            raise TypeError("Only a head that adds up parts can tell its evidence cell by cell.")
        features = self.features(x)
        maps = self.parts(features)
        presence = part_presence(maps, rest=self.rest)
        return self.head.cell_evidence(features, self._weights(features, maps), presence, direction)

    def outputs(self, x: Tensor) -> RecognizerOutputs:
        """Return all that there is to say of normalised pictures (B, 3, H, W)."""
        features = self.features(x)  # (B, C, H, W)
        maps, presence, evidence = self.evidence_of(features, self.parts(features))
        embedding = features.mean((2, 3))  # (B, C)
        if self.additive:
            vectors, _ = self.pooled(features, maps)  # (B, P, C)
        else:
            vectors = embedding.unsqueeze(1)  # (B, 1, C)
            presence = torch.ones_like(vectors[:, :, 0])
            whole = torch.ones_like(features[:, :1])
            maps = torch.cat([whole, torch.zeros_like(whole)], 1)
        return RecognizerOutputs(self.logits_of(evidence), embedding, vectors, presence, evidence, maps)

    def logits_of(self, evidence: Tensor) -> Tensor:
        """Add up evidence (B, P, N) to logits (B, N)."""
        return evidence.sum(1) + self.bias

    def evidence(self, x: Tensor) -> Tensor:
        """Return the log-odds (B, P, N) that each part of the pictures (B, 3, H, W) gives each class."""
        return self.parts_evidence(x).evidence

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, N) of normalised pictures (B, 3, H, W)."""
        return self.logits_of(self.evidence(x))
