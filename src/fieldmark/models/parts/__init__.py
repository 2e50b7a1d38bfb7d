"""Part learners: from features (B, C, H, W) to maps (B, K + 1, H, W), background last."""

from fieldmark.models.parts.whole import WholePicture

__all__ = ["WholePicture"]
