"""Build a recogniser from its spec."""

from dataclasses import dataclass

from torch import nn

from fieldmark.errors import unknown_name
from fieldmark.models.backbones import BackboneSpec, build_backbone
from fieldmark.models.heads import HEADS
from fieldmark.models.parts import WholePicture
from fieldmark.models.recognizer import Recognizer


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything needed to build a recogniser again, but its weights.

    Attributes:
        backbone: the backbone's spec.
        classes: number N of classes.
        head: a name in ``HEADS``.
        dropout: share of part-vector entries zeroed in training, in 0..1.
    """

    backbone: BackboneSpec
    classes: int
    head: str = "linear"
    dropout: float = 0.2


def build_recognizer(spec: ModelSpec, *, pretrained: bool = False) -> Recognizer:
    """Build a recogniser with fresh weights.

    Args:
        spec: what to build.
        pretrained: load the backbone library's own weights.

    Raises:
        ConfigError: an unknown backbone, option or head.
        ModelError: the library's weights can't be had.
    """
    if spec.head not in HEADS:
        raise unknown_name("head", spec.head, HEADS)
    backbone = build_backbone(spec.backbone, pretrained=pretrained)
    parts: nn.Module = WholePicture()
    head = HEADS[spec.head](backbone.feature_dim, len(WholePicture.names), spec.classes, spec.dropout)
    return Recognizer(backbone, parts, head, spec.classes)
