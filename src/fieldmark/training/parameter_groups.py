"""Which parameters decay."""

from collections.abc import Iterable

from torch import nn

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
