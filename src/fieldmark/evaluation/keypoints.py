"""What a recogniser's parts have to do with annotated keypoints."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fieldmark.data.cache import CachedImages, cache_images
from fieldmark.data.keypoints import boxes_of, choose_annotated, keypoints_of
from fieldmark.data.table import Table
from fieldmark.errors import DataError
from fieldmark.metrics import (
    Agreement,
    PartsAndKeypoints,
    correct_keypoints,
    in_boxes,
    keypoint_agreement,
    keypoint_error,
    part_centres,
    regress_keypoints,
)
from fieldmark.models.bundle import load_bundle
from fieldmark.models.parts import locate
from fieldmark.models.recognizer import Recognizer
from fieldmark.records import Preprocessing, Progress
from fieldmark.training.run_folder import TABLE_FILE
from fieldmark.training.samples import Samples, split_samples

#: Pictures that go through the network at once.
_BATCH = 64


@dataclass(frozen=True)
class MappedPictures:
    """Annotated pictures with what a recogniser sees in them.

    Attributes:
        maps: (N, K + 1, H, W) float32, shares of the recogniser's K parts and, last, of the background.
        positions: x and y (N, M, 2) of the M keypoints in 0..1 of the square.
        visible: (N, M), which keypoints are seen.
        boxes: (N, 4): left, top, width, height of the object in 0..1 of the square.
        labels: (N,) class indices.
    """

    maps: NDArray[np.float32]
    positions: NDArray[np.float32]
    visible: NDArray[np.bool_]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.maps)

    def few(self, count: int, seed: int) -> "MappedPictures":
        """Keep ``count`` pictures of each class: those that a training with this seed would learn from."""
        kept = choose_annotated(np.ones(len(self), np.bool_), self.labels, count, seed)
        return MappedPictures(
            self.maps[kept], self.positions[kept], self.visible[kept], self.boxes[kept], self.labels[kept]
        )


@dataclass(frozen=True, slots=True)
class KeypointFigures:
    """How well keypoints were found.

    Attributes:
        error: mean distance as a share of the box's sides (``keypoint_error``).
        correct: share of keypoints within a tenth of the box's longer side, in 0..1 (``correct_keypoints``).
    """

    error: float
    correct: float


def map_pictures(run: Path, split: str, *, cache: Path, progress: Progress | None = None) -> MappedPictures:
    """Let a run's recogniser find its parts in the labelled, annotated pictures of one split.

    Args:
        run: the run's folder, with its bundle and its table.
        split: the split.
        cache: folder of decoded pictures, shared by runs.
        progress: told how many pictures are done.

    Raises:
        BundleError: the run has no bundle, or it can't be read.
        DataError: its table can't be read, or the split has no annotated picture.
    """
    recognizer, info = load_bundle(run)
    images = cache_images(Table.load(run / TABLE_FILE), info.preprocessing, cache)
    samples = _annotated(images, split_samples(images, split))
    if not len(samples):
        raise DataError(
            f"No labelled picture of split {split!r} has annotated keypoints.", "Name a split that has some."
        )
    keypoints = keypoints_of(images).of(samples.rows)
    return MappedPictures(
        maps=_maps(recognizer, samples, info.preprocessing, progress),
        positions=keypoints.positions,
        visible=keypoints.visible,
        boxes=boxes_of(images)[samples.rows],
        labels=samples.labels,
    )


def located_keypoints(test: MappedPictures) -> KeypointFigures:
    """Measure parts that are the keypoints themselves, in the same order: each is looked for at its map's peak."""
    found = locate(torch.from_numpy(test.maps))[..., :2].numpy()
    return _figures(found, test.positions, test)


def regressed_keypoints(train: MappedPictures, test: MappedPictures) -> KeypointFigures:
    """Measure how well the centres of any parts predict the keypoints, by a linear map (``regress_keypoints``).

    Args:
        train: the pictures that the map is fitted on.
        test: the pictures that are measured.
    """
    predicted = regress_keypoints(_in_boxes(train), _in_boxes(test))  # shares of the boxes
    corners, sides = test.boxes[:, None, :2], test.boxes[:, None, 2:]
    return _figures(corners + predicted * sides, test.positions, test)


def parts_and_keypoints(test: MappedPictures) -> Agreement:
    """Compare the parts at the keypoints with the keypoints' names (``keypoint_agreement``)."""
    return keypoint_agreement(test.maps, test.positions, test.visible)


def _annotated(images: CachedImages, samples: Samples) -> Samples:
    kept = keypoints_of(images).annotated[samples.rows]
    return replace(samples, rows=samples.rows[kept], labels=samples.labels[kept])


@torch.inference_mode()
def _maps(
    recognizer: Recognizer, samples: Samples, preprocessing: Preprocessing, progress: Progress | None
) -> NDArray[np.float32]:
    maps, done = [], 0
    for x, _ in samples.plain_batches(preprocessing, _BATCH):
        maps.append(recognizer.parts_evidence(x).maps.float().numpy())
        done += len(x)
        if progress is not None:
            progress(done, len(samples))
    return np.concatenate(maps)


def _in_boxes(pictures: MappedPictures) -> PartsAndKeypoints:
    centres, found = part_centres(pictures.maps)
    return PartsAndKeypoints(
        centres=in_boxes(centres, pictures.boxes),
        found=found,
        keypoints=in_boxes(pictures.positions, pictures.boxes),
        visible=pictures.visible,
    )


def _figures(predicted: NDArray[np.floating], truth: NDArray[np.floating], test: MappedPictures) -> KeypointFigures:
    return KeypointFigures(
        error=keypoint_error(predicted, truth, test.visible, test.boxes),
        correct=correct_keypoints(predicted, truth, test.visible, test.boxes),
    )
