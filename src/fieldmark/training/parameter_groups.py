"""Which parameters decay."""

from collections.abc import Iterable

from torch import nn

#: Entries that add up, beyond which steps become smaller: on a new backbone, and on a trained one, which has something
#: to lose. With 100 a new one learned too slowly (generated birds, top-1 88.8 % instead of 93.8); with 1,000 a trained
#: one was moved too far (cub50, 63.7 % instead of 67.2), and with 10,000 it was lost.
_NEW, _TRAINED = 1000, 100

#: An entry of an optimizer's list of groups; ``peak`` is the group's highest learning rate.
ParameterGroup = dict[str, list[nn.Parameter] | float]


def parameter_groups(parameters: Iterable[nn.Parameter], peak: float, weight_decay: float) -> list[ParameterGroup]:
    """Divide trainable parameters: matrices and filters decay, vectors (biases, norms) do not.

    Args:
        parameters: those that need no gradient are left out.
        peak: the highest learning rate of all.
        weight_decay: of the decaying ones.

    Returns:
        At most two groups, for an optimizer of the Adam family.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    divided = (
        ([parameter for parameter in trained if parameter.ndim > 1], weight_decay),
        ([parameter for parameter in trained if parameter.ndim <= 1], 0.0),
    )
    return [
        {"params": members, "lr": peak, "peak": peak, "weight_decay": decay} for members, decay in divided if members
    ]


def rate_of_sum(entries: int, *, trained: bool) -> float:
    """Tell by what the learning rate of weights is multiplied of which many add up to one number, in 0..1.

    An optimizer of the Adam family moves every weight by about the learning rate. What it is multiplied with is about 1
    where vectors are normalised, so one step changes the sum by up to the number of entries times that: a logit of 8
    parts of 1,280 channels, at 0.003, by 30, and trained backbones were thrown back to guessing. So the rate falls with
    the number of entries that are added up (Yang et al., *Tensor Programs V*, 2022, table 8).

    Args:
        entries: how many add up.
        trained: whether the backbone below has weights that tell classes apart.
    """
    return min(1.0, (_TRAINED if trained else _NEW) / entries)
