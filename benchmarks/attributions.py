"""Ways to say which pixels count, on one recogniser: its own evidence, Grad-CAM, input times gradient.

Each is ``attribute(pixels, target) -> maps``: for pictures (B, R, R, 3) and a target (N,), maps (B, R, R) of what each
pixel is said to add to ``logits @ target``. With a one-hot target that is a class's logit; with +1 and -1 the log-odds
of two classes.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from fieldmark.augment import normalise
from fieldmark.explain import EvidenceReader
from fieldmark.models.bundle import BundleInfo
from fieldmark.models.recognizer import Recognizer

Maps = NDArray[np.float32]


class Attribution(Protocol):
    """Says which pixels count."""

    def __call__(self, pixels: NDArray[np.uint8], target: NDArray[np.float32]) -> Maps:
        """Return maps (B, R, R) for pictures (B, R, R, 3) and a target (N,)."""
        ...


class EvidenceMaps:
    """The evidence cell by cell, enlarged; but for the enlarging, the map adds up to the target's evidence."""

    def __init__(self, recognizer: Recognizer, info: BundleInfo) -> None:
        self._reader = EvidenceReader(recognizer, info)

    def __call__(self, pixels: NDArray[np.uint8], target: NDArray[np.float32]) -> Maps:
        """Return maps (B, R, R) for pictures (B, R, R, 3) and a target (N,)."""
        cells = self._reader.cell_evidence(pixels, target)  # (B, P, h, w)
        if cells is None:
            raise TypeError("The recogniser doesn't add up parts.")
        side, (height, width) = pixels.shape[1], cells.shape[2:]
        found = enlarged(
            cells.sum(1, keepdims=True) * (height * width / side**2), side
        )  # what a cell adds, its pixels do
        return found[:, 0]


def enlarged(maps: NDArray[np.float32], side: int) -> Maps:
    """Return maps (B, P, h, w) at the size of the picture (B, P, side, side), interpolated."""
    wanted = torch.from_numpy(np.ascontiguousarray(maps))
    return interpolate(wanted, size=(side, side), mode="bilinear", align_corners=False).numpy()


class InputTimesGradient:
    """The normalised picture times the target's gradient, summed over channels (Shrikumar et al., 2016)."""

    def __init__(self, recognizer: Recognizer, info: BundleInfo) -> None:
        self._recognizer = recognizer.eval()
        self._info = info

    def __call__(self, pixels: NDArray[np.uint8], target: NDArray[np.float32]) -> Maps:
        """Return maps (B, R, R) for pictures (B, R, R, 3) and a target (N,)."""
        x = as_input(pixels, self._info).requires_grad_()
        score = (self._recognizer(x) @ torch.from_numpy(target)).sum()
        (gradient,) = torch.autograd.grad(score, x)
        return (x * gradient).sum(1).detach().numpy()


class _Tapped(nn.Module):
    """A recogniser whose features pass through a layer of their own, so that hooks see them for any backbone."""

    def __init__(self, recognizer: Recognizer) -> None:
        super().__init__()
        self.recognizer = recognizer
        self.features = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        features = self.features(self.recognizer.features(x))
        found = self.recognizer.evidence_of(features, self.recognizer.parts(features))
        return self.recognizer.logits_of(found.evidence)


class GradCam:
    """Grad-CAM on the backbone's features (Selvaraju et al., ICCV 2017), as pytorch-grad-cam computes it.

    Its maps are not negative and run from 0 to 1 in every picture.

    Raises:
        ImportError: pytorch-grad-cam is not installed.
    """

    def __init__(self, recognizer: Recognizer, info: BundleInfo) -> None:
        from pytorch_grad_cam import GradCAM

        tapped = _Tapped(recognizer.eval())
        self._info = info
        self._cam = GradCAM(model=tapped, target_layers=[tapped.features])

    def __call__(self, pixels: NDArray[np.uint8], target: NDArray[np.float32]) -> Maps:
        """Return maps (B, R, R) for pictures (B, R, R, 3) and a target (N,)."""
        weights = torch.from_numpy(target)
        targets = [lambda output: output @ weights] * len(pixels)
        found: Maps = self._cam(input_tensor=as_input(pixels, self._info), targets=targets)
        return found


#: Method → what builds it from a recogniser and its bundle; the first is Fieldmark's.
METHODS: dict[str, Callable[[Recognizer, BundleInfo], Attribution]] = {
    "evidence": EvidenceMaps,
    "Grad-CAM": GradCam,
    "input × gradient": InputTimesGradient,
}


def as_input(pixels: NDArray[np.uint8], info: BundleInfo) -> Tensor:
    """Return fitted pictures (B, R, R, 3) as the network's input (B, 3, R, R)."""
    return normalise(torch.from_numpy(np.array(pixels)), info.preprocessing.mean, info.preprocessing.std).contiguous()


def one_hot(classes: int, place: int) -> NDArray[np.float32]:
    """Return the target of a class's logit."""
    target = np.zeros(classes, np.float32)
    target[place] = 1
    return target


def versus(classes: int, first: int, second: int) -> NDArray[np.float32]:
    """Return the target of the log-odds of one class against another."""
    return one_hot(classes, first) - one_hot(classes, second)
