"""Build a recogniser from its spec."""

from dataclasses import dataclass, field, replace

from fieldmark.errors import ConfigError, unknown_name
from fieldmark.models.backbones import BackboneSpec, build_backbone
from fieldmark.models.heads import HEADS, HeadClass
from fieldmark.models.layers import UsualLight
from fieldmark.models.part_attention import PartAttention
from fieldmark.models.parts import PartLearner, PartsSpec, build_parts
from fieldmark.models.recognizer import Recognizer

#: The part learner where nobody asks for another.
_DEFAULT_PARTS = PartsSpec().name


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything needed to build a recogniser again, but its weights.

    Attributes:
        backbone: the backbone's spec.
        classes: number N of classes.
        head: a name in ``HEADS``.
        parts: the part learner's spec; in place of the whole picture, a head that pools for itself gets what it needs.
        rest: give the head what is no part, too.
        dropout: share of part-vector entries zeroed in training, in 0..1.
        part_dropout: share of the parts hidden in training, in 0..1.
        part_attention: let each part look at some of its cells more than at others.
        usual_light: bring pictures in unusual light to the edge of what is usual before the backbone sees them.
    """

    backbone: BackboneSpec
    classes: int
    head: str = "linear"
    parts: PartsSpec = field(default_factory=PartsSpec)
    rest: bool = False
    dropout: float = 0.2
    part_dropout: float = 0.0
    part_attention: bool = False
    usual_light: bool = False


def build_recognizer(spec: ModelSpec, *, pretrained: bool = False) -> Recognizer:
    """Build a recogniser with fresh weights.

    Args:
        spec: what to build.
        pretrained: load the backbone library's own weights.

    Raises:
        ConfigError: an unknown backbone, option, head or part learner, or some that don't go together.
        ModelError: the library's weights can't be had.
    """
    if spec.head not in HEADS:
        raise unknown_name("head", spec.head, HEADS)
    kind = HEADS[spec.head]
    backbone = build_backbone(spec.backbone, pretrained=pretrained)
    if kind.parts is not None and spec.parts.name == _DEFAULT_PARTS:
        spec = replace(spec, parts=replace(spec.parts, name=kind.parts))
    parts = build_parts(spec.parts, backbone.feature_dim)
    _check_together(spec, kind, parts)
    slots = len(parts.names) + spec.rest
    head = kind(backbone.feature_dim, slots, spec.classes, dropout=spec.dropout, part_dropout=spec.part_dropout)
    attention = PartAttention(backbone.feature_dim, slots) if spec.part_attention else None
    wanted = backbone.preprocessing
    light = UsualLight(wanted.mean, wanted.std) if spec.usual_light else None
    return Recognizer(backbone, parts, head, spec.classes, rest=spec.rest, attention=attention, light=light)


def _check_together(spec: ModelSpec, kind: HeadClass, parts: PartLearner) -> None:
    """Refuse a head that can't work with these parts, and a rest of the picture where there is none."""
    if kind.parts not in (None, spec.parts.name):
        raise ConfigError(
            f"The head {spec.head!r} pools the whole picture for itself: it takes no parts.",
            f"Leave the parts out (parts 0, no keypoints), or use a head that adds them up: {_heads(additive=True)}.",
        )
    if kind.additive and not parts.names:
        raise ConfigError(
            f"The head {spec.head!r} weighs each part by itself; {spec.parts.name!r} has no fixed number of parts.",
            f"Use a head that pools for itself: {_heads(additive=False)}.",
        )
    if spec.rest and not kind.additive:
        raise ConfigError(
            f"The head {spec.head!r} pools the whole picture for itself: there is no rest to add.",
            f"Leave rest out, or use a head that adds up parts: {_heads(additive=True)}.",
        )
    if spec.part_attention and not kind.additive:
        raise ConfigError(
            f"The head {spec.head!r} pools the whole picture for itself: no part looks anywhere.",
            f"Leave part_attention out, or use a head that adds up parts: {_heads(additive=True)}.",
        )
    if spec.rest and not parts.background:
        raise ConfigError(
            f"The part learner {spec.parts.name!r} leaves no background: there is no rest of the picture to add.",
            "Leave rest out, or learn parts that leave some.",
        )


def _heads(*, additive: bool) -> str:
    return ", ".join(name for name, kind in HEADS.items() if kind.additive == additive)
