"""The order of rows in an epoch; a pure function of seed and epoch, so a resumed run sees the same."""

import numpy as np
import numpy.typing as npt


def stream_seed(seed: int, epoch: int, step: int = 0) -> int:
    """Return an independent 63-bit seed for one step of one epoch."""
    state = np.random.SeedSequence([seed, epoch, step]).generate_state(2, np.uint32)
    return (int(state[0]) << 31) ^ int(state[1])


def epoch_order(labels: npt.NDArray[np.int64], epoch: int, seed: int, *, class_balanced: bool) -> npt.NDArray[np.int64]:
    """Return the rows of an epoch in order.

    Args:
        labels: class index of each row (N,).
        epoch: index of the epoch.
        seed: the run's seed.
        class_balanced: draw every class equally often (counts differ by at most one); rows of a class take turns.

    Returns:
        N row indices.
    """
    generator = np.random.default_rng(stream_seed(seed, epoch))
    if not class_balanced:
        return generator.permutation(len(labels))
    classes = generator.permutation(np.unique(labels))
    shares = np.full(len(classes), len(labels) // len(classes))
    shares[: len(labels) % len(classes)] += 1
    drawn = []
    for name, share in zip(classes, shares, strict=True):
        rows = np.flatnonzero(labels == name)
        rounds = [generator.permutation(rows) for _ in range(-(-share // len(rows)))]
        drawn.append(np.concatenate(rounds)[:share])
    return generator.permutation(np.concatenate(drawn))
