"""Keypoints that move with their pictures."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

_SIDE = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)
_OTHER_SIDE = {"left": "right", "right": "left"}


def side_partners(names: Sequence[str]) -> tuple[int, ...]:
    """Say which keypoint takes each one's name in a mirror image.

    The mirror image of a bird's left eye looks like a right eye. Names that differ only in the word left or right are
    partners; every other keypoint, and one whose partner has no name here, is its own.

    Args:
        names: the K names.

    Returns:
        K places in ``names``.
    """
    places = {name.lower(): place for place, name in enumerate(names)}
    mirrored = (_SIDE.sub(lambda found: _OTHER_SIDE[found[0].lower()], name.lower()) for name in names)
    return tuple(places.get(name, place) for place, name in enumerate(mirrored))


def uncovered(positions: Tensor, visible: Tensor, covered: Tensor) -> Tensor:
    """Say which keypoints are still seen when something stands in front of the picture.

    Args:
        positions: x and y (B, K, 2) in 0..1 of the picture.
        visible: (B, K), whether each would be seen.
        covered: (B, R, R), what of the picture is hidden.

    Returns:
        (B, K): those of ``visible`` that aren't hidden.
    """
    side = covered.shape[-1]
    column, row = (positions * side).long().clamp(0, side - 1).unbind(2)  # (B, K) each
    return visible & ~covered.flatten(1).gather(1, row * side + column)


def move_keypoints(positions: Tensor, visible: Tensor, theta: Tensor, partners: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Find where keypoints of pictures lie in their augmented versions.

    Args:
        positions: x and y (B, K, 2) in 0..1 of the picture before.
        visible: (B, K), whether each is seen.
        theta: (B, 2, 3), the affine maps that ``BatchAugment.drawn`` tells.
        partners: K places, by ``side_partners``: in mirrored pictures each keypoint gets its partner's place.

    Returns:
        Positions (B, K, 2) in 0..1 of the picture after, and visibility (B, K): what lies outside isn't seen, and where
        a keypoint isn't seen its position means nothing.
    """
    linear, shift = theta[:, :, :2], theta[:, :, 2:]  # before = linear · after + shift
    before = (2 * positions - 1).transpose(1, 2)  # (B, 2, K)
    after = torch.linalg.solve(linear, before - shift).transpose(1, 2)
    moved = (after + 1) / 2
    seen = visible & ((moved >= 0) & (moved <= 1)).all(-1)
    other = torch.tensor(tuple(partners), device=theta.device)
    mirrored = torch.linalg.det(linear) < 0
    return (
        torch.where(mirrored.view(-1, 1, 1), moved[:, other], moved),
        torch.where(mirrored.view(-1, 1), seen[:, other], seen),
    )
