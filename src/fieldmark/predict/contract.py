"""What every predictor offers, whatever runs the network."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from fieldmark.decide import DecisionRule
from fieldmark.models.bundle import BundleInfo
from fieldmark.records import Decision, Prediction

#: What holds a picture: a path, an encoded file's bytes (with a name to show, or without), a Pillow image, or a
#: uint8 array (H, W, 3) in RGB or (H, W) in grey.
ImageSource = Path | str | bytes | tuple[str, bytes] | Image.Image | npt.NDArray[np.uint8]


@dataclass(frozen=True)
class NetworkOutputs:
    """All that a network says of B pictures, as arrays; P slots of evidence, K parts, N classes, C channels.

    Of a recogniser whose head is not additive there is one slot, the whole picture, as its evidence is of the whole.

    Attributes:
        logits: (B, N) float64, the evidence and the bias added up, before any temperature.
        embedding: (B, C) float32, the mean of the features over the picture.
        vectors: (B, P, C) float32, each slot's mean of the features.
        presence: (B, P) float32 in 0..1.
        evidence: (B, P, N) float32, log-odds that each slot gives each class.
        maps: (B, K + 1, h, w) float32, each cell's shares of the parts and, last, of the background.
    """

    logits: npt.NDArray[np.float64]
    embedding: npt.NDArray[np.float32]
    vectors: npt.NDArray[np.float32]
    presence: npt.NDArray[np.float32]
    evidence: npt.NDArray[np.float32]
    maps: npt.NDArray[np.float32]


class Engine(Protocol):
    """Runs a bundle's network; a predictor does everything else.

    Attributes:
        parallel: how many calls of ``run``, each from a thread of its own, keep every core busy; 1 of an engine whose
            one call does.
    """

    parallel: int

    def run(self, pixels: npt.NDArray[np.uint8]) -> NetworkOutputs:
        """Return what the network says of one batch of fitted pictures.

        Args:
            pixels: (B, R, R, 3), uint8 RGB, B at least 1, R being the bundle's resolution.
        """
        ...


class Predictor(Protocol):
    """Says of pictures what they show. A picture that can't be read is a prediction with an ``error``."""

    @property
    def info(self) -> BundleInfo:
        """The bundle that it predicts with, without its tensors."""
        ...

    @property
    def rule(self) -> DecisionRule | None:
        """The rule that it decides by; ``None`` where the bundle holds none."""
        ...

    def __call__(self, images: Sequence[ImageSource]) -> list[Prediction]:
        """Return one prediction for each picture, in the same order.

        Raises:
            DataError: something that can't hold a picture at all, such as an array of floats.
        """
        ...

    def predict_stream(self, sources: Iterable[ImageSource]) -> Iterator[Prediction]:
        """Yield one prediction for each picture, in order, as soon as its batch is ready.

        Raises:
            DataError: something that can't hold a picture at all, such as an array of floats.
        """
        ...

    def outputs(self, pixels: npt.NDArray[np.uint8]) -> NetworkOutputs:
        """Return all that the network says of fitted pictures.

        Args:
            pixels: pictures (B, R, R, 3), uint8 RGB, B at least 1, R being ``info.preprocessing.resolution``.

        Raises:
            DataError: another shape or type, or no picture.
        """
        ...

    def predictions(self, found: NetworkOutputs) -> list[Prediction]:
        """Return what the network's outputs of B pictures come to, as predictions without a source."""
        ...

    def probabilities(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Return the calibrated probabilities (B, N), rows adding up to 1, of fitted pictures.

        Args:
            pixels: pictures (B, R, R, 3), uint8 RGB, R being ``info.preprocessing.resolution``.

        Raises:
            DataError: another shape or type.
        """
        ...

    def calibrated(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the probabilities (B, N) of logits (B, N), at the bundle's temperature."""
        ...

    def decisions(self, found: NetworkOutputs) -> tuple[Decision | None, ...]:
        """Return what may be relied on of each of B pictures, given all that the network says of them.

        Each is ``None`` where the bundle holds no decision rule.
        """
        ...
