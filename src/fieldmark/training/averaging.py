"""The running average of weights that is kept as the result."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged_model(model: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of a model's weights and statistics.

    Early on the decay is smaller, (1 + n) / (10 + n) after n updates, so that the first weights are soon forgotten.

    Args:
        model: the model to follow.
        decay: share of the old average kept a step, in 0..1; 0 follows the model exactly.
    """

    def update(averages: Sequence[Tensor], currents: Sequence[Tensor], count: Tensor | int) -> None:
        kept = min(decay, (1 + int(count)) / (10 + int(count)))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(list(averages), list(currents), 1 - kept)
            return
        for average, current in zip(averages, currents, strict=True):
            average.copy_(current)

    return AveragedModel(model, multi_avg_fn=update, use_buffers=True)
