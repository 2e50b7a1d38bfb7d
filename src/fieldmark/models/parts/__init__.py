"""Part learners: from features (B, C, H, W) to maps (B, K + 1, H, W), background last."""

from fieldmark.models.parts.cells import EveryCell
from fieldmark.models.parts.contract import PartLearner
from fieldmark.models.parts.keypoints import KeypointParts, keypoint_maps, locate
from fieldmark.models.parts.specs import PARTS, PartsSpec, build_parts
from fieldmark.models.parts.whole import WholePicture

__all__ = [
    "PARTS",
    "EveryCell",
    "KeypointParts",
    "PartLearner",
    "PartsSpec",
    "WholePicture",
    "build_parts",
    "keypoint_maps",
    "locate",
]
