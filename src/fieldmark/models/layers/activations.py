"""Activations by name; the names and their meaning are Keras's."""

from collections.abc import Callable

from torch import nn

from fieldmark.errors import ConfigError, unknown_name

#: Activation name → what builds it.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
}


def build_activation(name: str) -> nn.Module:
    """Build the activation of a name in ``ACTIVATIONS``; ``leaky_relu:0.3`` is one with that slope.

    Raises:
        ConfigError: an unknown name, or a slope that is no number.
    """
    kind, _, slope = name.partition(":")
    if kind not in ACTIVATIONS or (slope and kind != "leaky_relu"):
        raise unknown_name("activation", name, ACTIVATIONS)
    try:
        return nn.LeakyReLU(float(slope)) if slope else ACTIVATIONS[kind]()
    except ValueError as error:
        raise ConfigError(f"{slope!r} is no slope.", "Write the activation like leaky_relu:0.3.") from error
