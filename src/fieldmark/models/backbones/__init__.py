"""Backbones: the only folder that knows timm and torchvision."""

from fieldmark.models.backbones.build import build_backbone, load_weights
from fieldmark.models.backbones.contract import Backbone, BackboneSpec, OptionValue

__all__ = ["Backbone", "BackboneSpec", "OptionValue", "build_backbone", "load_weights"]
