"""Part learners: from features (B, C, H, W) to maps (B, K + 1, H, W), background last."""

from fieldmark.models.parts.cells import EveryCell
from fieldmark.models.parts.contract import PartLearner
from fieldmark.models.parts.discovery import DiscoveredParts
from fieldmark.models.parts.discovery_terms import DiscoveryWeights, discovery_loss, equivariance_error
from fieldmark.models.parts.keypoints import KeypointParts, keypoint_maps, locate
from fieldmark.models.parts.linked_keypoints import LinkedKeypoints
from fieldmark.models.parts.specs import PARTS, PartsSpec, build_parts, numbered_parts
from fieldmark.models.parts.whole import WholePicture

__all__ = [
    "PARTS",
    "DiscoveredParts",
    "DiscoveryWeights",
    "EveryCell",
    "KeypointParts",
    "LinkedKeypoints",
    "PartLearner",
    "PartsSpec",
    "WholePicture",
    "build_parts",
    "discovery_loss",
    "equivariance_error",
    "keypoint_maps",
    "locate",
    "numbered_parts",
]
