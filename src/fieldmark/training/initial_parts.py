"""Which parts a recogniser has: the data's keypoints, what an earlier run found, new ones, or the whole picture."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from torch import nn

from fieldmark.models.autoencoders import PartAutoencoderSpec, SkeletonSpec, saved
from fieldmark.models.bundle import read_info, spec_from_json
from fieldmark.models.parts import DiscoveredParts, DiscoveryWeights, KeypointParts, PartsSpec, numbered_parts
from fieldmark.models.recognizer import Recognizer
from fieldmark.training.config import TrainConfig
from fieldmark.training.initial_backbone import KERAS_SUFFIX, below, saved_tensors

#: What comes before the names of a part learner's tensors in a saved run.
_PREFIX = "parts."

#: All that can be asked of maps of annotated keypoints, which the other terms would pull elsewhere.
_MOVES_ALONG = DiscoveryWeights(
    colours=0, features=0, smoothness=0, decision=0, presence=0, balance=0, frame=0, centre=0, hidden=0
)


def with_initial_parts(config: TrainConfig) -> TrainConfig:
    """Take the number of parts from the run that ``config.init`` names, where the options leave it open.

    Raises:
        BundleError: there is no such run, it has not finished or can't be read.
    """
    if config.parts is not None or config.keypoints:
        return config
    found = _found_parts(config)
    return replace(config, parts=len(found.names) if found is not None else 0)


def parts_spec(config: TrainConfig, part_names: Sequence[str]) -> PartsSpec:
    """Return which part learner the options ask for.

    Args:
        config: the options; ``with_initial_parts`` has been applied.
        part_names: the names of the data's keypoints.
    """
    if config.keypoints:
        return PartsSpec("keypoints", names=tuple(part_names))
    if not config.parts:
        return PartsSpec()
    found = _found_parts(config)
    if found is not None and len(found.names) == config.parts:
        return found
    return PartsSpec("discovered", names=numbered_parts(config.parts))


def load_initial_parts(recognizer: Recognizer, config: TrainConfig, spec: PartsSpec) -> None:
    """Fill a recogniser's part learner with what the run that ``config.init`` names has learned, if it is the same.

    Raises:
        BundleError: the weights can't be read.
    """
    if _found_parts(config) != spec:
        return
    cast("nn.Module", recognizer.parts).load_state_dict(below(saved_tensors(Path(config.init)), _PREFIX))


def discovery_weights(config: TrainConfig, recognizer: Recognizer) -> DiscoveryWeights | None:
    """Return how much each term of part discovery counts; ``None`` where nothing is discovered."""
    if not config.discovery_weight:
        return None
    if isinstance(recognizer.parts, DiscoveredParts):
        return DiscoveryWeights()
    return _MOVES_ALONG if isinstance(recognizer.parts, KeypointParts) else None


def _found_parts(config: TrainConfig) -> PartsSpec | None:
    """Return the parts that the run to begin from has found; ``None`` where it has none."""
    start = Path(config.init)
    if config.init == "none" or start.suffix == KERAS_SUFFIX:
        return None
    if saved.holds_autoencoder(start):
        spec = saved.read_autoencoder_info(start).spec
        return spec.parts if isinstance(spec, PartAutoencoderSpec | SkeletonSpec) else None
    parts = spec_from_json(read_info(start).model).parts
    return parts if parts.names else None
