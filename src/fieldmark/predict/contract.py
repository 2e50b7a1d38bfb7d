"""What every predictor offers, whatever runs the network."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from fieldmark.models.bundle import BundleInfo
from fieldmark.records import Prediction

#: What holds a picture: a path, an encoded file's bytes (with a name to show, or without), a Pillow image, or a
#: uint8 array (H, W, 3) in RGB or (H, W) in grey.
ImageSource = Path | str | bytes | tuple[str, bytes] | Image.Image | npt.NDArray[np.uint8]


class Predictor(Protocol):
    """Says of pictures what they show. A picture that can't be read is a prediction with an ``error``."""

    @property
    def info(self) -> BundleInfo:
        """The bundle that it predicts with, without its tensors."""
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

    def probabilities(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Return the calibrated probabilities (B, N), rows adding up to 1, of fitted pictures.

        Args:
            pixels: pictures (B, R, R, 3), uint8 RGB, R being ``info.preprocessing.resolution``.

        Raises:
            DataError: another shape or type.
        """
        ...
