"""How well parts agree with what is known of them: keypoints, or masks.

The protocol of keypoints is that of Choudhury et al. (NeurIPS 2021, section 4) and PDiscoNet (van der Klis et al., ICCV
2023, section 4): every keypoint that is seen is assigned to the part with the largest share at its place, and these
assignments are compared with the keypoints' names as two clusterings of one set.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.integer]
Floats = NDArray[np.floating]

#: A part counts as found where its largest share passes this (PDiscoNet).
_FOUND = 0.5


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike two clusterings are.

    Attributes:
        nmi: normalised mutual information (arithmetic mean of the entropies), in 0..1.
        ari: adjusted Rand index, 1 for equal clusterings, 0 for what chance gives; it can be negative.
    """

    nmi: float
    ari: float


def part_agreement(assigned: Indices, truth: Indices) -> Agreement:
    """Compare two clusterings of the same samples.

    Args:
        assigned: (M,) the part of each sample.
        truth: (M,) the true name of each.

    Raises:
        ValueError: there are no samples.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    if not len(truth):
        raise ValueError("agreement needs samples")
    return Agreement(float(normalized_mutual_info_score(truth, assigned)), float(adjusted_rand_score(truth, assigned)))


def parts_at(maps: Floats, points: Floats) -> NDArray[np.int64]:
    """Return the part with the largest share at each of some places.

    Shares between the cells' middles are interpolated bilinearly, as if the maps were enlarged to the picture.

    Args:
        maps: (B, K + 1, H, W), background last.
        points: x and y (B, M, 2) in 0..1 of the picture.

    Returns:
        (B, M) parts in 0..K; K is the background.
    """
    height, width = maps.shape[2:]
    pictures = np.arange(len(maps))[:, None]
    # Beyond the outermost middles the shares stay as they are.
    x = np.clip(points[..., 0] * width - 0.5, 0, width - 1)
    y = np.clip(points[..., 1] * height - 0.5, 0, height - 1)
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]

    def shares(rows: Indices, columns: Indices) -> Floats:
        return maps[pictures, :, rows, columns]  # (B, M, K + 1)

    upper = shares(top, left) * (1 - across) + shares(top, right) * across
    lower = shares(bottom, left) * (1 - across) + shares(bottom, right) * across
    best: NDArray[np.int64] = (upper * (1 - down) + lower * down).argmax(-1)
    return best


def keypoint_agreement(maps: Floats, positions: Floats, visible: NDArray[np.bool_]) -> Agreement:
    """Compare the parts at the keypoints with the keypoints' names, over all that are seen.

    Args:
        maps: (B, K + 1, H, W), background last.
        positions: x and y (B, M, 2) of the keypoints in 0..1 of the picture.
        visible: (B, M), whether each is seen.

    Raises:
        ValueError: no keypoint is seen.
    """
    names = np.broadcast_to(np.arange(positions.shape[1]), visible.shape)
    return part_agreement(parts_at(maps, positions)[visible], names[visible])


def part_masks(maps: Floats, height: int, width: int) -> NDArray[np.int64]:
    """Return the part of every pixel (B, height, width), in 0..K, of maps (B, K + 1, H, W); K is the background."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    points = np.stack([x, y], -1).reshape(1, -1, 2)
    parts = [parts_at(one[None], points) for one in maps]  # one by one: all shares at all pixels would fill the memory
    return np.concatenate(parts).reshape(len(maps), height, width)


def mask_agreement(assigned: Indices, masks: Indices, *, ignored: int | None = None) -> Agreement:
    """Compare the parts of pixels with masks of true parts.

    Args:
        assigned: the part of every pixel (B, height, width), such as ``part_masks`` tells.
        masks: the true part of every pixel, of the same shape.
        ignored: pixels of this true part aren't counted, such as the background, which is most of a picture and easy.

    Raises:
        ValueError: no pixel counts.
    """
    counted = np.ones(masks.shape, np.bool_) if ignored is None else masks != ignored
    return part_agreement(assigned[counted], masks[counted])


def part_centres(maps: Floats) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return where parts are: their centres of mass, and whether they are found at all.

    Args:
        maps: (B, K + 1, H, W), background last.

    Returns:
        x and y (B, K, 2) in 0..1 of the picture, and (B, K), whether the part's largest share passes one half.
    """
    shares = maps[:, :-1].astype(np.float64)
    height, width = shares.shape[2:]
    mass = np.maximum(shares.sum((2, 3)), 1e-12)
    x = (shares.sum(2) @ (np.arange(width) + 0.5)) / (mass * width)
    y = (shares.sum(3) @ (np.arange(height) + 0.5)) / (mass * height)
    return np.stack([x, y], -1), shares.max((2, 3)) > _FOUND
