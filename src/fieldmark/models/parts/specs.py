"""Which part learner to build; what a bundle keeps of it."""

from collections.abc import Callable
from dataclasses import dataclass

from fieldmark.errors import unknown_name
from fieldmark.models.parts.cells import EveryCell
from fieldmark.models.parts.contract import PartLearner
from fieldmark.models.parts.discovery import DiscoveredParts
from fieldmark.models.parts.keypoints import KeypointParts
from fieldmark.models.parts.linked_keypoints import LinkedKeypoints
from fieldmark.models.parts.whole import WholePicture


@dataclass(frozen=True, slots=True)
class PartsSpec:
    """Everything needed to build a part learner again, but its weights.

    Attributes:
        name: a name in ``PARTS``.
        names: the names of the parts, for learners whose number of parts is chosen, or is that of the keypoints.
        width: channels of the learner's own layers, for learners that have some.
    """

    name: str = "whole"
    names: tuple[str, ...] = ()
    width: int = 64


#: Part learner's name → what builds it from its spec and the number C of feature channels.
PARTS: dict[str, Callable[[PartsSpec, int], PartLearner]] = {
    "whole": lambda _spec, _dim: WholePicture(),
    "discovered": lambda spec, dim: DiscoveredParts(dim, spec.names, spec.width),
    "linked_keypoints": lambda spec, dim: LinkedKeypoints(dim, spec.names, spec.width),
    "cells": lambda _spec, _dim: EveryCell(),
    "keypoints": lambda spec, dim: KeypointParts(dim, spec.names, width=spec.width),
}


def numbered_parts(count: int) -> tuple[str, ...]:
    """Return names for parts that have none yet."""
    return tuple(f"part {number}" for number in range(1, count + 1))


def build_parts(spec: PartsSpec, feature_dim: int) -> PartLearner:
    """Build a part learner with fresh weights.

    Args:
        spec: what to build.
        feature_dim: number C of channels of the features.

    Raises:
        ConfigError: there is no such part learner, or its spec lacks what it needs.
    """
    if spec.name not in PARTS:
        raise unknown_name("part learner", spec.name, PARTS)
    return PARTS[spec.name](spec, feature_dim)
