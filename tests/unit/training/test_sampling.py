import numpy as np

from fieldmark.training.sampling import epoch_order, stream_seed

LABELS = np.array([0] * 50 + [1] * 6 + [2] * 3)


def test_every_row_comes_once_an_epoch() -> None:
    order = epoch_order(LABELS, epoch=0, seed=0, class_balanced=False)
    assert sorted(order) == list(range(len(LABELS)))


def test_order_depends_on_seed_and_epoch_alone() -> None:
    first = epoch_order(LABELS, epoch=3, seed=1, class_balanced=False)
    assert np.array_equal(first, epoch_order(LABELS, epoch=3, seed=1, class_balanced=False))
    assert not np.array_equal(first, epoch_order(LABELS, epoch=4, seed=1, class_balanced=False))
    assert not np.array_equal(first, epoch_order(LABELS, epoch=3, seed=2, class_balanced=False))


def test_balanced_order_draws_classes_equally_and_rows_in_turn() -> None:
    order = epoch_order(LABELS, epoch=0, seed=0, class_balanced=True)
    counts = np.bincount(LABELS[order])
    assert len(order) == len(LABELS)
    assert counts.max() - counts.min() <= 1
    rare = np.bincount(order, minlength=len(LABELS))[LABELS == 2]
    assert rare.max() - rare.min() <= 1


def test_streams_differ() -> None:
    seeds = {stream_seed(seed, epoch, step) for seed in range(3) for epoch in range(3) for step in range(20)}
    assert len(seeds) == 180
