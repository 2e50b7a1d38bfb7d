"""The features of a frozen network as what a masked autoencoder has to predict, beside the pixels."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from fieldmark.errors import ModelError
from fieldmark.models.backbones import Backbone
from fieldmark.records import Preprocessing


def cosine_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Return 1 − cosine of the angle between channels: (B, C, h, w) twice to (B, h, w) in 0..2."""
    return 1 - functional.cosine_similarity(prediction.float(), target.float(), dim=1)


def absolute_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference from channels of mean 0 and deviation 1: (B, C, h, w) twice to (B, h, w)."""
    wanted = functional.layer_norm(target.float().movedim(1, -1), target.shape[1:2]).movedim(-1, 1)
    return (prediction.float() - wanted).abs().mean(1)


#: Distance name → function.
FEATURE_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cosine": cosine_distance,
    "absolute": absolute_distance,
}


class FrozenFeatures:
    """A network that gives target features and is never trained; no module, so that it stays out of saved weights.

    Args:
        network: meets the backbone contract and is a torch module; it is put into evaluation mode for good.
        given: how the pictures were normalised that it will be shown.

    Raises:
        ModelError: the network is no torch module.
    """

    def __init__(self, network: Backbone, given: Preprocessing) -> None:
        if not isinstance(network, nn.Module):
            raise ModelError("The feature network is no torch module.", "Pass what build_backbone returns.")
        network.eval().requires_grad_(False)
        self.feature_dim = network.feature_dim
        self._network = network
        self._given = given
        self._device: torch.device | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Turn whole pictures (B, 3, H, W), normalised as ``given``, into features (B, C, h, w)."""
        if self._device != x.device:
            self._network.to(x.device)
            self._device = x.device
        wanted = self._network.preprocessing
        with torch.no_grad():
            if (wanted.mean, wanted.std) != (self._given.mean, self._given.std):
                pixels = x * _channels(self._given.std, x) + _channels(self._given.mean, x)
                x = (pixels - _channels(wanted.mean, x)) / _channels(wanted.std, x)
            return self._network.forward_features(x)


def _channels(values: tuple[float, float, float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, 3, 1, 1)
