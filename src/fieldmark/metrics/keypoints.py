"""How far keypoints are from where they were annotated; and keypoints from parts that nobody named, by regression."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Booleans = NDArray[np.bool_]

#: PCK's usual tolerance, as a share of the box's longer side.
PCK_SHARE = 0.1

#: Where a keypoint is looked for that was never seen in the pictures fitted on: the box's middle.
_MIDDLE = 0.5


def in_boxes(points: Floats, boxes: Floats) -> NDArray[np.float64]:
    """Return points as shares of their picture's box: 0 at its left and top, 1 at its right and bottom.

    Args:
        points: x and y (B, M, 2), in the same unit as the boxes.
        boxes: (B, 4): left, top, width, height; width and height are positive.
    """
    found: NDArray[np.float64] = (points - boxes[:, None, :2]) / boxes[:, None, 2:].astype(np.float64)
    return found


def keypoint_error(predicted: Floats, truth: Floats, visible: Booleans, boxes: Floats) -> float:
    """Return the mean distance of keypoints from the truth, as a share of the box's sides.

    Horizontal distance counts in box widths, vertical in box heights, and the mean is over all keypoints that are seen
    in any picture: the measure published for CUB (Huang & Li, CVPR 2020; PDiscoNet, van der Klis et al., ICCV 2023),
    there in per cent.

    Args:
        predicted: x and y (B, M, 2).
        truth: x and y (B, M, 2), in the same unit.
        visible: (B, M), which keypoints are seen and counted.
        boxes: (B, 4): left, top, width, height, in the same unit.

    Raises:
        ValueError: no keypoint is seen.
    """
    _refuse_none(visible)
    distance = np.linalg.norm(in_boxes(predicted, boxes) - in_boxes(truth, boxes), axis=-1)
    return float(distance[visible].mean())


def correct_keypoints(
    predicted: Floats, truth: Floats, visible: Booleans, boxes: Floats, *, share: float = PCK_SHARE
) -> float:
    """Return the share of correct keypoints, in 0..1 (PCK: Yang & Ramanan, TPAMI 2013).

    A keypoint is correct within ``share`` of the longer side of its picture's box. Arguments are those of
    ``keypoint_error``.

    Raises:
        ValueError: no keypoint is seen.
    """
    _refuse_none(visible)
    distance = np.linalg.norm(predicted - truth, axis=-1)
    return float((distance <= share * boxes[:, None, 2:].max(-1))[visible].mean())


@dataclass(frozen=True)
class PartsAndKeypoints:
    """Parts that were found in pictures, and what was annotated there, all in shares of the pictures' boxes.

    Attributes:
        centres: x and y (B, K, 2) of the parts.
        found: (B, K), which parts were found.
        keypoints: x and y (B, M, 2) of the keypoints.
        visible: (B, M), which keypoints are seen.
    """

    centres: Floats
    found: Booleans
    keypoints: Floats
    visible: Booleans


def regress_keypoints(train: PartsAndKeypoints, test: PartsAndKeypoints) -> NDArray[np.float64]:
    """Predict keypoints from the centres of parts, by a linear map for each keypoint.

    The protocol of PDiscoNet (van der Klis et al., ICCV 2023): each keypoint's map is fitted by least squares on the
    training pictures that show it, on standardised centres and keypoints; a part that was not found stands at its mean.

    Args:
        train: what is fitted on.
        test: where keypoints are wanted; its own keypoints are not looked at.

    Returns:
        x and y (B, M, 2) in shares of the boxes of ``test``. A keypoint that ``train`` never shows is the middle.
    """
    count = train.keypoints.shape[1]
    predicted = np.full((len(test.centres), count, 2), _MIDDLE)
    for place in range(count):
        shown = train.visible[:, place]
        if shown.any():
            predicted[:, place] = _regress(train, test, place, shown)
    return predicted


def _regress(train: PartsAndKeypoints, test: PartsAndKeypoints, place: int, shown: Booleans) -> NDArray[np.float64]:
    centre, spread = _moments(train.centres[shown])
    wanted = train.keypoints[shown, place].astype(np.float64)
    mean, deviation = _moments(wanted)

    def inputs(samples: PartsAndKeypoints, rows: Booleans | slice) -> NDArray[np.float64]:
        scaled = (samples.centres[rows] - centre) / spread
        flat: NDArray[np.float64] = np.where(samples.found[rows][..., None], scaled, 0).reshape(len(scaled), -1)
        return flat

    weights = np.linalg.lstsq(inputs(train, shown), (wanted - mean) / deviation, rcond=None)[0]
    predicted: NDArray[np.float64] = inputs(test, slice(None)) @ weights * deviation + mean
    return predicted


def _moments(values: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation over the pictures; a deviation of 0 counts as 1."""
    exact = values.astype(np.float64)
    deviation = exact.std(0)
    return exact.mean(0), np.where(deviation > 0, deviation, 1.0)


def _refuse_none(visible: Booleans) -> None:
    if not visible.any():
        raise ValueError("keypoint error needs keypoints that are seen")
