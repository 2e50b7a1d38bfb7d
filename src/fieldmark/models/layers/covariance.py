"""Covariance of a picture's cells, and its matrix square root.

Li et al., *Towards Faster Training of Global Covariance Pooling Networks by Iterative Matrix Square Root
Normalization* (iSQRT-COV), CVPR 2018.
"""

import torch
from torch import Tensor

#: Below this a trace, or a sum of weights, is that of nothing.
_NOTHING = 1e-6


def covariance(cells: Tensor, weights: Tensor) -> Tensor:
    """Return the covariance of channels over cells, divided by the sum of weights, not by one less.

    Args:
        cells: (B, D, L).
        weights: (B, L), not negative: how much each cell counts.

    Returns:
        (B, D, D), symmetric and positive semi-definite; zero where no cell counts.
    """
    shares = weights / weights.sum(1, keepdim=True).clamp_min(_NOTHING)  # (B, L)
    centred = cells - cells @ shares.unsqueeze(-1)  # (B, D, L)
    return (centred * shares.unsqueeze(1)) @ centred.transpose(1, 2)


def square_root(matrices: Tensor, iterations: int) -> Tensor:
    """Approximate the square roots of symmetric positive semi-definite matrices by coupled Newton-Schulz steps.

    The steps converge for matrices whose norm is at most 1, so each is divided by its trace first, and its root
    multiplied by the trace's root in the end (section 3). These are products only, and so have a gradient everywhere;
    that of an eigenvalue decomposition is infinite where two eigenvalues are equal.

    Args:
        matrices: (B, D, D), in float32 or better: in bfloat16 small eigenvalues drown in rounding errors.
        iterations: number of steps, at least 1; the paper takes 5, after which the roots of eigenvalues far below the
            trace are still too small.

    Returns:
        (B, D, D); that of a zero matrix is zero, with a finite gradient.
    """
    trace = matrices.diagonal(dim1=1, dim2=2).sum(1).clamp_min(_NOTHING).view(-1, 1, 1)
    three = 3 * torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
    root = matrices / trace
    step = 0.5 * (three - root)
    root, inverse = root @ step, step  # the first step, whose inverse root is still the identity
    for _ in range(iterations - 1):
        step = 0.5 * (three - inverse @ root)
        root, inverse = root @ step, step @ inverse
    return trace.sqrt() * root
