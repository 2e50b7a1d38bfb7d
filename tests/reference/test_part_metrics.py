"""Figures of parts and keypoints against literal loops, torch's interpolation and scikit-learn's regression."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from fieldmark.metrics import (
    PartsAndKeypoints,
    correct_keypoints,
    in_boxes,
    keypoint_agreement,
    keypoint_error,
    mask_agreement,
    part_agreement,
    part_centres,
    part_masks,
    parts_at,
    regress_keypoints,
)

B, K, M, H, W = 12, 4, 5, 6, 9


@pytest.fixture
def maps() -> np.ndarray:
    generator = np.random.default_rng(0)
    logits = 3 * generator.normal(size=(B, K + 1, H, W))
    return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)


@pytest.fixture
def keypoints() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    boxes = np.concatenate([0.2 * generator.random((B, 2)), 0.3 + 0.5 * generator.random((B, 2))], 1)
    return generator.random((B, M, 2)).astype(np.float32), generator.random((B, M)) < 0.7, boxes.astype(np.float32)


def test_the_error_is_the_mean_over_visible_keypoints(keypoints: tuple[np.ndarray, ...]) -> None:
    truth, visible, boxes = keypoints
    predicted = truth + np.random.default_rng(2).normal(0, 0.05, truth.shape)
    distances, hits = [], []
    for b in range(B):
        for m in range(M):
            if visible[b, m]:
                dx, dy = predicted[b, m] - truth[b, m]
                distances.append(math.hypot(dx / boxes[b, 2], dy / boxes[b, 3]))
                hits.append(math.hypot(dx, dy) <= 0.1 * max(boxes[b, 2], boxes[b, 3]))
    assert keypoint_error(predicted, truth, visible, boxes) == pytest.approx(np.mean(distances))
    assert correct_keypoints(predicted, truth, visible, boxes) == pytest.approx(np.mean(hits))
    assert 0 < np.mean(hits) < 1
    assert correct_keypoints(predicted, truth, visible, boxes, share=9) == 1


def test_hidden_keypoints_do_not_count(keypoints: tuple[np.ndarray, ...]) -> None:
    truth, visible, boxes = keypoints
    predicted = np.where(visible[..., None], truth, 1e6)
    assert keypoint_error(predicted, truth, visible, boxes) == 0
    assert correct_keypoints(predicted, truth, visible, boxes) == 1
    with pytest.raises(ValueError, match="seen"):
        keypoint_error(predicted, truth, np.zeros_like(visible), boxes)


def test_parts_at_points_are_those_of_interpolated_maps(maps: np.ndarray) -> None:
    points = np.random.default_rng(3).random((B, 50, 2))
    points[0, :4] = [[0, 0], [1, 1], [0, 1], [0.5, 0]]
    grid = torch.from_numpy(2 * points - 1).float().unsqueeze(2)
    shares = functional.grid_sample(torch.from_numpy(maps), grid, padding_mode="border", align_corners=False)
    expected = shares.squeeze(3).argmax(1).numpy()
    found = parts_at(maps, points)
    assert (found == expected).mean() > 0.995  # but for ties to the last digit
    assert set(np.unique(found)) == set(range(K + 1))


def test_masks_are_the_enlarged_maps(maps: np.ndarray) -> None:
    enlarged = functional.interpolate(torch.from_numpy(maps), size=(30, 36), mode="bilinear", align_corners=False)
    found = part_masks(maps, 30, 36)
    assert found.shape == (B, 30, 36)
    assert (found == enlarged.argmax(1).numpy()).mean() > 0.995


def test_agreement_at_keypoints_follows_the_protocol(maps: np.ndarray, keypoints: tuple[np.ndarray, ...]) -> None:
    positions, visible, _ = keypoints
    assigned, names = [], []
    for b in range(B):
        for m in range(M):
            if visible[b, m]:
                assigned.append(int(parts_at(maps[b : b + 1], positions[b : b + 1, m : m + 1])[0, 0]))
                names.append(m)
    found = keypoint_agreement(maps, positions, visible)
    assert found.nmi == pytest.approx(sk.normalized_mutual_info_score(names, assigned))
    assert found.ari == pytest.approx(sk.adjusted_rand_score(names, assigned))


def test_agreement_is_perfect_up_to_names_and_nothing_for_one_part() -> None:
    truth = np.repeat(np.arange(4), 5)
    same = part_agreement((truth + 1) % 4, truth)
    assert (same.nmi, same.ari) == (pytest.approx(1), pytest.approx(1))
    one = part_agreement(np.zeros_like(truth), truth)
    assert (one.nmi, one.ari) == (pytest.approx(0), pytest.approx(0))
    with pytest.raises(ValueError, match="samples"):
        part_agreement(truth[:0], truth[:0])


def test_agreement_with_masks_leaves_out_what_is_ignored() -> None:
    generator = np.random.default_rng(4)
    masks = generator.integers(0, 3, (2, 8, 8))
    assigned = np.where(masks == 0, generator.integers(0, 3, masks.shape), masks)
    inside = mask_agreement(assigned, masks, ignored=0)
    assert inside.nmi == pytest.approx(1)
    everywhere = mask_agreement(assigned, masks)
    assert everywhere.nmi == pytest.approx(sk.normalized_mutual_info_score(masks.ravel(), assigned.ravel()))
    assert everywhere.nmi < 0.9


def test_centres_are_the_literal_centres_of_mass(maps: np.ndarray) -> None:
    centres, found = part_centres(maps)
    for b in range(B):
        for k in range(K):
            total = x = y = 0.0
            for row in range(H):
                for column in range(W):
                    share = float(maps[b, k, row, column])
                    total, x, y = total + share, x + share * (column + 0.5) / W, y + share * (row + 0.5) / H
            np.testing.assert_allclose(centres[b, k], (x / total, y / total), rtol=1e-5)
            assert found[b, k] == (maps[b, k].max() > 0.5)


def test_points_in_boxes_begin_at_the_corner() -> None:
    points, boxes = np.array([[[2.0, 3.0], [4.0, 7.0]]]), np.array([[2.0, 3.0, 4.0, 8.0]])
    np.testing.assert_allclose(in_boxes(points, boxes), [[[0, 0], [0.5, 0.5]]])


def drawn(count: int, seed: int) -> PartsAndKeypoints:
    """Keypoints that hang linearly on parts, with noise; some parts aren't found, some keypoints not seen."""
    generator = np.random.default_rng(seed)
    centres = generator.random((count, K, 2))
    mix = np.random.default_rng(9).normal(size=(2 * K, 2 * M)) / K
    keypoints = (centres.reshape(count, -1) @ mix).reshape(count, M, 2) + generator.normal(0, 0.01, (count, M, 2))
    return PartsAndKeypoints(centres, generator.random((count, K)) < 0.9, keypoints, generator.random((count, M)) < 0.8)


def test_regression_is_that_of_scikit_learn() -> None:
    train, test = drawn(60, 0), drawn(20, 1)
    found = regress_keypoints(train, test)
    for m in range(M):
        shown = train.visible[:, m]
        scale_x, scale_y = StandardScaler(), StandardScaler()
        flags = np.repeat(train.found, 2, axis=1)
        x = np.where(flags[shown], scale_x.fit_transform(train.centres.reshape(60, -1)[shown]), 0)
        model = LinearRegression(fit_intercept=False).fit(x, scale_y.fit_transform(train.keypoints[shown, m]))
        unseen = np.where(np.repeat(test.found, 2, axis=1), scale_x.transform(test.centres.reshape(20, -1)), 0)
        np.testing.assert_allclose(found[:, m], scale_y.inverse_transform(model.predict(unseen)), rtol=1e-6, atol=1e-9)


def test_regression_recovers_a_linear_map_and_guesses_the_middle_without_samples() -> None:
    train, test = drawn(60, 0), drawn(20, 1)
    everything = [
        PartsAndKeypoints(
            sample.centres,
            np.ones_like(sample.found),
            sample.keypoints,
            np.arange(M) < np.ones_like(sample.visible) * 4,
        )
        for sample in (train, test)
    ]
    found = regress_keypoints(*everything)
    assert np.abs(found[:, :4] - test.keypoints[:, :4]).max() < 0.06
    assert (found[:, 4] == 0.5).all()
    few = regress_keypoints(drawn(1, 2), test)
    assert np.isfinite(few).all()
