"""Build a recogniser from its spec."""

from dataclasses import dataclass, field, replace

from fieldmark.errors import unknown_name
from fieldmark.models.backbones import BackboneSpec, build_backbone
from fieldmark.models.heads import HEADS
from fieldmark.models.parts import PartsSpec, build_parts
from fieldmark.models.recognizer import Recognizer


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything needed to build a recogniser again, but its weights.

    Attributes:
        backbone: the backbone's spec.
        classes: number N of classes.
        head: a name in ``HEADS``.
        parts: the part learner's spec; a head that pools for itself gets the one it needs instead.
        rest: give the head what is no part, too.
        dropout: share of part-vector entries zeroed in training, in 0..1.
    """

    backbone: BackboneSpec
    classes: int
    head: str = "linear"
    parts: PartsSpec = field(default_factory=PartsSpec)
    rest: bool = False
    dropout: float = 0.2


def build_recognizer(spec: ModelSpec, *, pretrained: bool = False) -> Recognizer:
    """Build a recogniser with fresh weights.

    Args:
        spec: what to build.
        pretrained: load the backbone library's own weights.

    Raises:
        ConfigError: an unknown backbone, option, head or part learner.
        ModelError: the library's weights can't be had.
    """
    if spec.head not in HEADS:
        raise unknown_name("head", spec.head, HEADS)
    backbone = build_backbone(spec.backbone, pretrained=pretrained)
    wanted = HEADS[spec.head].parts
    if wanted:
        spec = replace(spec, parts=replace(spec.parts, name=wanted), rest=False)
    parts = build_parts(spec.parts, backbone.feature_dim)
    slots = len(parts.names) + spec.rest
    head = HEADS[spec.head](backbone.feature_dim, slots, spec.classes, dropout=spec.dropout)
    return Recognizer(backbone, parts, head, spec.classes, rest=spec.rest)
