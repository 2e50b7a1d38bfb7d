"""The bottleneck between encoder and decoder: plain, or variational (Kingma and Welling 2014)."""

from typing import Protocol

import torch
from torch import Tensor, nn

from fieldmark.errors import ConfigError
from fieldmark.models.autoencoders.contract import Terms
from fieldmark.models.autoencoders.drawing import draw_normal

#: Log-variances outside this range are cut: float16 and bfloat16 can't hold their exponentials.
_LOG_VARIANCE_RANGE = (-10.0, 10.0)


class Bottleneck(Protocol):
    """From what the encoder's last layer gives, of shape (B, n·D, ...), to codes of shape (B, D, ...).

    Attributes:
        inputs_per_code: the n above; how many channels the encoder gives per channel of the code.
    """

    inputs_per_code: int

    def code(self, h: Tensor) -> Tensor:
        """Return the codes, without anything random."""
        ...

    def sample(self, h: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the codes that training decodes."""
        ...

    def with_penalty(self, reconstruction: Tensor, h: Tensor, entries: int | Tensor) -> tuple[Tensor, Terms]:
        """Add the bottleneck's own term to a reconstruction loss.

        Args:
            reconstruction: scalar, the mean over the entries of the input.
            h: what the encoder's last layer gave.
            entries: how many entries one sample has, on average.

        Returns:
            The scalar to minimise, and all named terms.
        """
        ...


class PlainBottleneck:
    """The encoder's output as the code.

    Args:
        activation: applied to the code; ``None`` for none.
    """

    inputs_per_code = 1

    def __init__(self, activation: nn.Module | None = None) -> None:
        self._activation = activation or nn.Identity()

    def code(self, h: Tensor) -> Tensor:
        """Return the codes, shaped like ``h``."""
        z: Tensor = self._activation(h)
        return z

    def sample(self, h: Tensor, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        """Return the codes, shaped like ``h``."""
        return self.code(h)

    def with_penalty(self, reconstruction: Tensor, h: Tensor, entries: int | Tensor) -> tuple[Tensor, Terms]:  # noqa: ARG002
        """Return the reconstruction loss as it is."""
        return reconstruction, {"reconstruction": reconstruction.detach()}


class VariationalBottleneck:
    """Codes drawn from a normal distribution whose mean and log-variance the encoder gives.

    The loss is the negative evidence lower bound divided by the number of entries of a sample, so that it stands
    beside the loss of other autoencoders; with Bernoulli reconstruction and ``beta`` 1 it is exactly that bound.

    Args:
        beta: weight of the divergence from the standard normal, at least 0 (Higgins et al. 2017).
    """

    inputs_per_code = 2

    def __init__(self, beta: float = 1.0) -> None:
        if beta < 0:
            raise ConfigError(f"beta can't be {beta}.", "Give the weight of the divergence, 0 or more.")
        self.beta = beta

    def code(self, h: Tensor) -> Tensor:
        """Return the means."""
        return _moments(h)[0]

    def sample(self, h: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return mean + standard deviation · noise, through which gradients flow (section 2.4)."""
        mean, log_variance = _moments(h)
        return mean + (0.5 * log_variance).exp() * draw_normal(mean.shape, mean, generator)

    def with_penalty(self, reconstruction: Tensor, h: Tensor, entries: int | Tensor) -> tuple[Tensor, Terms]:
        """Add beta · divergence / entries, the divergence being a sample's sum, averaged over the batch."""
        divergence = normal_divergence(*_moments(h)).mean()
        terms = {"reconstruction": reconstruction.detach(), "divergence": divergence.detach()}
        return reconstruction + self.beta * divergence / entries, terms


def normal_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of normal distributions from the standard one.

    Args:
        mean: (B, ...).
        log_variance: shaped like ``mean``, of independent entries.

    Returns:
        (B,), in nats, each 0 or more: ½ Σ (μ² + σ² − 1 − ln σ²) (Kingma and Welling 2014, appendix B).
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).flatten(1).sum(1)


def build_bottleneck(
    beta: float | None, activation: nn.Module | None = None
) -> PlainBottleneck | VariationalBottleneck:
    """Build a variational bottleneck with a ``beta``, a plain one with the activation where it is ``None``.

    Raises:
        ConfigError: ``beta`` is negative.
    """
    return PlainBottleneck(activation) if beta is None else VariationalBottleneck(beta)


def _moments(h: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_variance = h.float().chunk(2, dim=1)
    return mean, log_variance.clamp(*_LOG_VARIANCE_RANGE)
