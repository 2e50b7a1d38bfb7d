"""What supervised training runs: a recogniser and, where rebuilding is wanted too, an autoencoder beside it."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fieldmark.models.autoencoders import Autoencoder
from fieldmark.models.recognizer import PartEvidence, Recognizer
from fieldmark.training.norm_statistics import kept_statistics


class ToRebuild(NamedTuple):
    """Pictures of the second task.

    Attributes:
        pictures: normalised pictures (U, 3, H, W).
        generator: decides what is hidden of them.
    """

    pictures: Tensor
    generator: torch.Generator


class Outputs(NamedTuple):
    """All that the loss is made of.

    Attributes:
        logits: (B, N).
        parts: what the logits were added up from.
        rebuilding: the loss of rebuilding; ``None`` without a second task.
    """

    logits: Tensor
    parts: PartEvidence
    rebuilding: Tensor | None


class SupervisedModel(nn.Module):
    """A recogniser and, around the same backbone, perhaps an autoencoder.

    Args:
        recognizer: tells classes apart.
        autoencoder: a masked autoencoder whose ``backbone`` is the recogniser's; ``None`` without a second task.
    """

    def __init__(self, recognizer: Recognizer, autoencoder: Autoencoder | None = None) -> None:
        super().__init__()
        self.recognizer = recognizer
        self.autoencoder = autoencoder

    def forward(self, x: Tensor, to_rebuild: ToRebuild | None = None) -> Outputs:
        """Tell labelled pictures apart, and rebuild others where the model has an autoencoder.

        Args:
            x: normalised pictures (B, 3, H, W) to be told apart.
            to_rebuild: pictures to be rebuilt, if any.
        """
        parts = self.recognizer.parts_evidence(x)
        logits = self.recognizer.logits_of(parts.evidence)
        if self.autoencoder is None or to_rebuild is None:
            return Outputs(logits, parts, None)
        # Pictures with holes have statistics of their own; prediction sees whole pictures.
        with kept_statistics(self.recognizer.backbone):  # type: ignore[arg-type]  # every backbone is a module
            loss, _ = self.autoencoder.loss(*to_rebuild)
        return Outputs(logits, parts, loss)
