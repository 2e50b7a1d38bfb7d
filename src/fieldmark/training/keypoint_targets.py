"""Where the keypoints of a batch of augmented pictures are."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fieldmark.augment import move_keypoints, side_partners, uncovered
from fieldmark.data.cache import CachedImages
from fieldmark.data.keypoints import Keypoints, choose_annotated, keypoints_of
from fieldmark.data.table import Table
from fieldmark.errors import ConfigError
from fieldmark.training.samples import Samples


class KeypointTargets(NamedTuple):
    """The keypoints of a batch.

    Attributes:
        positions: x and y (B, K, 2) in 0..1 of the picture.
        visible: (B, K), whether each is seen.
        annotated: (B,), of which pictures anything is known.
    """

    positions: Tensor
    visible: Tensor
    annotated: Tensor


@dataclass(frozen=True)
class KeypointSource:
    """The annotated keypoints of some samples.

    Attributes:
        keypoints: those of the N samples, in their order.
        partners: K places: which keypoint takes each one's name in a mirror image.
    """

    keypoints: Keypoints
    partners: tuple[int, ...]

    def batch(self, places: npt.NDArray[np.int64], theta: Tensor, covered: Tensor | None = None) -> KeypointTargets:
        """Return the keypoints of some of the samples after augmentation.

        Args:
            places: B places among the samples.
            theta: (B, 2, 3), the geometry that was drawn; the result is on its device.
            covered: (B, R, R), what of the pictures an occluder hides: keypoints there aren't seen.
        """
        chosen = self.keypoints.of(places)
        positions, visible, annotated = (torch.from_numpy(values).to(theta.device) for values in chosen)
        moved, seen = move_keypoints(positions, visible, theta, self.partners)
        if covered is not None:
            seen = uncovered(moved, seen, covered)
        return KeypointTargets(moved, seen, annotated)


def keypoint_source(images: CachedImages, samples: Samples, part_labels: int | None, seed: int) -> KeypointSource:
    """Return the keypoints that training may look at.

    Args:
        images: the cache that the samples are from.
        samples: the training rows.
        part_labels: annotated pictures of each class that are used; ``None`` uses all.
        seed: decides which.

    Raises:
        DataError: a row names a keypoint that the table doesn't.
    """
    found = keypoints_of(images).of(samples.rows)
    if part_labels is not None:
        found = found._replace(annotated=choose_annotated(found.annotated, samples.labels, part_labels, seed))
    return KeypointSource(found, side_partners(images.table.part_names))


def check_keypoints(table: Table) -> None:
    """Check that there are keypoints to learn from.

    Raises:
        ConfigError: the table names no keypoints, or no labelled training row lists any.
    """
    if not table.part_names or not table.split("train").labelled().frame["parts"].list.len().sum():
        raise ConfigError(
            "No labelled training picture has annotated keypoints.",
            "Give data that have some (docs/data.md tells which formats do), or leave keypoints out.",
        )
