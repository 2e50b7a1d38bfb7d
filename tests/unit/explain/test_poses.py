"""Which pictures stand as another does: against a literal search, and where the answer is known."""

from itertools import product

import numpy as np
import pytest

from fieldmark.explain.poses import Pose, nearest_poses


def soft_maps(count: int, parts: int = 3, side: int = 16, seed: int = 0) -> np.ndarray:
    """Random shares (count, parts + 1, side, side) that add up to 1."""
    found = np.random.default_rng(seed).random((count, parts + 1, side, side)) ** 4
    return (found / found.sum(1, keepdims=True)).astype(np.float32)


def placed(row: int, column: int, *, side: int = 16) -> np.ndarray:
    """Return the maps (3, side, side) of a part of 2 × 2 cells with another to its right, on background."""
    found = np.zeros((3, side, side), np.float32)
    found[0, row : row + 2, column : column + 2] = 1
    found[1, row : row + 2, column + 2 : column + 4] = 1
    found[2] = 1 - found[:2].sum(0)
    return found


def moved_literally(maps: np.ndarray, mirrored: bool, down: int, across: int) -> np.ndarray:
    height, width = maps.shape[1:]
    found = np.zeros_like(maps)
    found[-1] = 1
    for row, column in product(range(height), range(width)):
        if 0 <= row + down < height and 0 <= column + across < width:
            found[:, row + down, column + across] = maps[:, row, width - 1 - column if mirrored else column]
    return found


def test_it_is_that_of_a_literal_search() -> None:
    maps, others = soft_maps(1)[0], soft_maps(4, seed=1)
    found = nearest_poses(maps, others, 4)
    assert sorted(pose.row for pose in found) == [0, 1, 2, 3]
    for pose in found:
        best = min(
            np.abs(moved_literally(others[pose.row], *position) - maps).sum() / (2 * 16 * 16)
            for position in product((False, True), range(-2, 3), range(-2, 3))
        )
        own = np.abs(moved_literally(others[pose.row], pose.mirrored, pose.down, pose.across) - maps).sum()
        assert pose.distance == pytest.approx(best, abs=1e-5)
        assert own / (2 * 16 * 16) == pytest.approx(best, abs=1e-5)
    distances = [pose.distance for pose in found]
    assert distances == sorted(distances)


def test_a_picture_stands_as_itself() -> None:
    maps = soft_maps(3)
    assert nearest_poses(maps[1], maps, 1) == (Pose(1, False, 0, 0, 0.0),)


def test_of_alike_positions_none_is_moved_further_than_it_must() -> None:
    even = np.full((1, 2, 8, 8), 0.5, np.float32)
    assert nearest_poses(even[0], even, 5) == (Pose(0, False, 0, 0, 0.0),)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (placed(5, 4), (False, 2, -1)),
        (placed(5, 4)[:, :, ::-1], (True, 2, -1)),
        (placed(9, 2), (False, -2, 1)),
    ],
)
def test_moved_and_mirrored_pictures_are_found(other: np.ndarray, expected: tuple[bool, int, int]) -> None:
    pose = nearest_poses(placed(7, 3), np.stack([placed(0, 10), other]), 1)[0]
    assert (pose.row, pose.mirrored, pose.down, pose.across) == (1, *expected)
    assert pose.distance == 0


def test_in_a_mirror_image_partners_take_each_others_places() -> None:
    maps, mirror_image = placed(7, 3), placed(7, 3)[[1, 0, 2], :, ::-1]
    pose = nearest_poses(maps, np.stack([mirror_image]), 1, mirrored=(1, 0))[0]
    assert (pose.mirrored, pose.down, pose.across, pose.distance) == (True, 0, 0, 0)
    assert nearest_poses(maps, np.stack([mirror_image]), 1)[0].distance > 0
    assert not nearest_poses(maps, np.stack([maps]), 1, mirrored=(1, 0))[0].mirrored


def test_shares_of_sixteen_bits_are_compared_in_more() -> None:
    maps = soft_maps(2, side=32)
    found = nearest_poses(maps[0], maps.astype(np.float16), 1)[0]
    assert (found.row, found.distance) == (0, pytest.approx(0, abs=1e-3))


def test_figures_move_along_and_keep_their_sum() -> None:
    cells = np.random.default_rng(0).normal(size=(5, 6))
    moved = Pose(0, False, 1, -2, 0.0).moved(cells)
    assert moved.sum() == pytest.approx(cells.sum())
    assert np.allclose(moved[2:4, 1:3], cells[1:3, 3:5])
    assert moved[4, 1] == pytest.approx(cells[3, 3] + cells[4, 3])  # gathered at the edge
    assert np.allclose(moved[0], 0)
    assert np.allclose(Pose(0, True, 0, 0, 0.0).moved(cells), cells)
