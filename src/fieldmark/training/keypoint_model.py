"""A recogniser that learns where its parts are from annotated keypoints."""

from typing import cast

from torch import Tensor, nn

from fieldmark.errors import ConfigError
from fieldmark.models.parts import KeypointParts
from fieldmark.models.recognizer import Recognizer
from fieldmark.training.keypoint_targets import KeypointTargets


class KeypointModel(nn.Module):
    """A recogniser with the loss of its keypoints; both look at the same maps.

    Args:
        recognizer: its parts are keypoints.

    Raises:
        ConfigError: its parts are others, because its head asks for them.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        super().__init__()
        if not isinstance(recognizer.parts, KeypointParts):
            raise ConfigError("The head pools for itself, so it takes no keypoints.", "Use the head 'linear'.")
        self.recognizer = recognizer

    def forward(self, x: Tensor, targets: KeypointTargets) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return the logits (B, N) of normalised pictures (B, 3, H, W), the keypoints' loss and its terms.

        Args:
            x: the pictures.
            targets: where their keypoints are.
        """
        found = self.recognizer.parts_evidence(x)
        parts = cast("KeypointParts", self.recognizer.parts)
        loss, terms = parts.loss(found.maps, targets.positions, targets.visible, targets.annotated)
        return self.recognizer.logits_of(found.evidence), loss, terms
