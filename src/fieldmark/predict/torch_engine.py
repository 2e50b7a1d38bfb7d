"""The engine that runs the network in torch."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fieldmark.augment import normalise
from fieldmark.errors import ConfigError
from fieldmark.models.recognizer import Recognizer
from fieldmark.predict.contract import NetworkOutputs
from fieldmark.records import Preprocessing


class TorchEngine:
    """Runs a recogniser in torch.

    Args:
        recognizer: the network; it is moved to ``device`` and set to evaluation mode.
        preprocessing: how a decoded picture becomes its input.
        device: where the network runs, as torch names it.

    Raises:
        ConfigError: an unknown device.
    """

    parallel = 1  # torch spreads one call over the cores

    def __init__(self, recognizer: Recognizer, preprocessing: Preprocessing, *, device: str = "cpu") -> None:
        self._preprocessing = preprocessing
        self._device = usable_device(device)
        self._recognizer = recognizer.eval().to(self._device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(self, pixels: npt.NDArray[np.uint8]) -> NetworkOutputs:
        """Return what the network says of one batch of fitted pictures (B, R, R, 3)."""
        found = self._recognizer.outputs(self._input(pixels))
        return NetworkOutputs(
            logits=_array(found.logits).astype(np.float64),
            embedding=_array(found.embedding),
            vectors=_array(found.vectors),
            presence=_array(found.presence),
            evidence=_array(found.evidence),
            maps=_array(found.maps),
        )

    @torch.inference_mode()
    def cell_evidence(
        self, pixels: npt.NDArray[np.uint8], direction: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Tell where in fitted pictures (B, R, R, 3) the evidence times a direction (N,) comes from: (B, P, h, w).

        Raises:
            TypeError: the head doesn't add up parts.
        """
        return _array(self._recognizer.cell_evidence(self._input(pixels), torch.from_numpy(direction).to(self._device)))

    def _input(self, pixels: npt.NDArray[np.uint8]) -> Tensor:
        batch = torch.from_numpy(np.array(pixels)).to(self._device)  # a copy: a read-only cache can't be shared
        x = normalise(batch, self._preprocessing.mean, self._preprocessing.std)  # (B, 3, R, R)
        return x.contiguous(memory_format=torch.channels_last)


def usable_device(name: str) -> torch.device:
    """Return the device of a name.

    Raises:
        ConfigError: torch knows no such device, or this machine has none.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA answers with an AssertionError
        first = str(error).splitlines()[0]
        raise ConfigError(f"The device {name!r} can't be used: {first}", "Use cpu, or a device there is.") from error
    return device


def _array(tensor: Tensor) -> npt.NDArray[np.float32]:
    return np.asarray(tensor.float().cpu().numpy())
