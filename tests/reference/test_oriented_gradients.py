"""Oriented gradients against a slow literal version and known edges."""

import math

import pytest
import torch

from fieldmark.errors import ConfigError
from fieldmark.models.backbones.oriented_gradients import _FLAT, OrientedGradients


def literal(x: torch.Tensor, cell: int, bins: int) -> dict[tuple[int, int, int], list[float]]:
    """Return the histogram of every channel, row and column of cells of one picture (3, H, W)."""
    height, width = x.shape[1:]
    found: dict[tuple[int, int, int], list[float]] = {}
    for channel in range(3):
        for top in range(0, height, cell):
            for left in range(0, width, cell):
                votes = [0.0] * bins
                for row in range(top, top + cell):
                    for column in range(left, left + cell):
                        right, before = min(column + 1, width - 1), max(column - 1, 0)
                        below, above = min(row + 1, height - 1), max(row - 1, 0)
                        dx = float(x[channel, row, right] - x[channel, row, before])
                        dy = float(x[channel, below, column] - x[channel, above, column])
                        place = (math.atan2(dy, dx) % math.pi) / math.pi * bins
                        share = place - math.floor(place)
                        votes[math.floor(place) % bins] += math.hypot(dx, dy) * (1 - share) / cell**2
                        votes[(math.floor(place) + 1) % bins] += math.hypot(dx, dy) * share / cell**2
                length = math.sqrt(sum(vote**2 for vote in votes)) + _FLAT
                found[channel, top // cell, left // cell] = [vote / length for vote in votes]
    return found


def test_every_cell_has_the_histogram_of_a_loop() -> None:
    x = torch.rand(1, 3, 16, 8, generator=torch.Generator().manual_seed(0))
    network = OrientedGradients(cell=4, stride=4, bins=5)
    features = network.forward_features(x).unflatten(1, (3, 5))  # (1, 3, 5, 4, 2)
    for (channel, row, column), votes in literal(x[0], 4, 5).items():
        assert features[0, channel, :, row, column].tolist() == pytest.approx(votes, abs=1e-4)


def test_a_coarser_map_holds_the_same_histograms() -> None:
    x = torch.rand(2, 3, 32, 48)
    fine = OrientedGradients(cell=8, stride=8).forward_features(x)
    coarse = OrientedGradients(cell=8, stride=16).forward_features(x)
    assert coarse.shape == (2, 108, 2, 3)
    assert torch.equal(torch.nn.functional.pixel_shuffle(coarse, 2), fine)


def test_upright_edges_and_level_ones_fall_into_different_bins() -> None:
    upright = torch.zeros(1, 3, 8, 8)
    upright[..., 4:] = 1
    network = OrientedGradients(cell=8, stride=8)
    across = network.forward_features(upright)[0, :9, 0, 0]
    down = network.forward_features(upright.transpose(2, 3))[0, :9, 0, 0]
    assert int(across.argmax()) == 0
    assert int(down.argmax()) == 4
    assert network.forward_features(torch.full((1, 3, 8, 8), 0.5)).abs().max() == 0


def test_a_stride_that_cuts_cells_is_refused() -> None:
    with pytest.raises(ConfigError, match="don't fit"):
        OrientedGradients(cell=8, stride=12)
