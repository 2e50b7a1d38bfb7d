"""What the attention probe is for: a mark in one small place."""

import numpy as np

from fieldmark.evaluation.probes import attention_probe, linear_probe

K, C, SIDE = 4, 16, 4


def marked_maps(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise, but for one cell anywhere, where a class's own channel and one channel of all marks stand out."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(K, size=count)
    maps = generator.normal(size=(count, C, SIDE, SIDE)).astype(np.float32)
    rows, columns = generator.integers(SIDE, size=(2, count))
    everyone = np.arange(count)
    maps[everyone, labels, rows, columns] += 4
    maps[everyone, C - 1, rows, columns] += 6
    return maps, labels


def test_a_mark_in_one_cell_is_found_where_averaging_drowns_it() -> None:
    train, labels = marked_maps(400, 0)
    test, truth = marked_maps(200, 1)
    attention = (attention_probe(train, labels, test).argmax(1) == truth).mean()
    averaged = linear_probe(train.mean((2, 3)), labels, test.mean((2, 3)))
    linear = (averaged.argmax(1) == truth).mean()
    assert attention > 0.85
    assert attention > linear + 0.15
