"""The predictor that runs the network in torch."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch

from fieldmark.augment import normalise
from fieldmark.errors import BrokenImageError, ConfigError, DataError
from fieldmark.models.bundle import BundleInfo
from fieldmark.models.recognizer import Recognizer
from fieldmark.predict.contract import ImageSource
from fieldmark.predict.pictures import fitted_pixels, source_name
from fieldmark.records import Prediction

#: Threads that decode; Pillow releases the interpreter's lock, and more would only wait for the network.
_DECODERS = 4

_Decoded = tuple[str, npt.NDArray[np.uint8] | BrokenImageError]


class TorchPredictor:
    """Predicts with a recogniser in torch; decodes the next batch while the network works.

    Args:
        recognizer: the network; it is moved to ``device`` and set to evaluation mode.
        info: its bundle.
        device: where the network runs, as torch names it.
        batch_size: pictures that go through the network at once, at least 1.
        top: how many classes a prediction lists, at least 1.

    Raises:
        ConfigError: an unknown device, or a size below 1.
    """

    def __init__(
        self, recognizer: Recognizer, info: BundleInfo, *, device: str = "cpu", batch_size: int = 32, top: int = 5
    ) -> None:
        for name, value in (("batch size", batch_size), ("number of classes to list", top)):
            if value < 1:
                raise ConfigError(f"The {name} can't be {value}.", "Give a whole number of 1 or more.")
        self._info = info
        self._batch_size = batch_size
        self._top = min(top, len(info.classes))
        self._device = usable_device(device)
        self._recognizer = recognizer.eval().to(self._device).to(memory_format=torch.channels_last)

    @property
    def info(self) -> BundleInfo:
        """The bundle that it predicts with, without its tensors."""
        return self._info

    def __call__(self, images: Sequence[ImageSource]) -> list[Prediction]:
        """Return one prediction for each picture, in the same order."""
        return list(self.predict_stream(images))

    def predict_stream(self, sources: Iterable[ImageSource]) -> Iterator[Prediction]:
        """Yield one prediction for each picture, in order, as soon as its batch is ready."""
        for batch in self._decoded_batches(sources):
            fitted = [pixels for _, pixels in batch if not isinstance(pixels, BrokenImageError)]
            rows = iter(self.probabilities(np.stack(fitted))) if fitted else iter(())
            for name, pixels in batch:
                if isinstance(pixels, BrokenImageError):
                    yield Prediction(source=name, label=None, probability=None, error=pixels.message)
                else:
                    yield self._prediction(name, next(rows))

    def probabilities(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Return the calibrated probabilities (B, N), rows adding up to 1, of fitted pictures (B, R, R, 3)."""
        side = self._info.preprocessing.resolution
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (side, side, 3):
            raise DataError(
                f"The network can't take an array {pixels.shape} of {pixels.dtype}.",
                f"Give uint8 pictures (B, {side}, {side}, 3).",
            )
        batches = [self._forward(pixels[i : i + self._batch_size]) for i in range(0, len(pixels), self._batch_size)]
        return np.concatenate([np.empty((0, len(self._info.classes))), *batches])

    @torch.inference_mode()
    def _forward(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        preprocessing = self._info.preprocessing
        batch = torch.from_numpy(np.array(pixels)).to(self._device)  # a copy: a read-only cache can't be shared
        x = normalise(batch, preprocessing.mean, preprocessing.std)  # (B, 3, R, R)
        logits = self._recognizer(x.contiguous(memory_format=torch.channels_last))  # (B, N)
        # float64, so that rows add up to 1 and near-certain classes keep their differences
        scaled = logits.cpu().to(torch.float64) / self._info.temperature
        probabilities: npt.NDArray[np.float64] = scaled.softmax(1).numpy()
        return probabilities

    def _prediction(self, name: str, row: npt.NDArray[np.float64]) -> Prediction:
        best = np.argsort(-row, kind="stable")[: self._top]
        top = tuple((self._info.classes[index], float(row[index])) for index in best)
        label, probability = top[0]
        return Prediction(
            source=name,
            label=label,
            probability=probability,
            top=top,
            lineage=tuple(self._info.lineage.get(label, ())),
        )

    def _decoded_batches(self, sources: Iterable[ImageSource]) -> Iterator[list[_Decoded]]:
        """Yield batches of decoded pictures in order, one batch being decoded ahead."""
        numbered = enumerate(sources, start=1)
        with ThreadPoolExecutor(_DECODERS) as pool:
            waiting: deque[list[Future[_Decoded]]] = deque()
            while group := list(islice(numbered, self._batch_size)):
                waiting.append([pool.submit(self._decode, source, number) for number, source in group])
                if len(waiting) > 1:
                    yield [future.result() for future in waiting.popleft()]
            for futures in waiting:
                yield [future.result() for future in futures]

    def _decode(self, source: ImageSource, number: int) -> _Decoded:
        name = source_name(source, number)
        try:
            return name, fitted_pixels(source, self._info.preprocessing)
        except BrokenImageError as error:
            return name, error


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
