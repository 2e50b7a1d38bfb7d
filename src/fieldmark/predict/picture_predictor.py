"""From pictures to predictions, whatever engine runs the network."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from fieldmark.decide import DecisionRule, scaled_softmax
from fieldmark.errors import BrokenImageError, ConfigError, DataError
from fieldmark.models.bundle import BundleInfo
from fieldmark.predict.contract import Engine, ImageSource, NetworkOutputs
from fieldmark.predict.deciding import OutputDecider
from fieldmark.predict.pictures import fitted_pixels, source_name
from fieldmark.records import Decision, PartShare, Prediction

#: Threads that decode; Pillow releases the interpreter's lock, and more would only wait for the network.
_DECODERS = 4

_Decoded = tuple[str, npt.NDArray[np.uint8] | BrokenImageError]


class PicturePredictor:
    """Predicts with an engine; decodes the next pictures while the network works.

    Args:
        engine: runs the bundle's network.
        info: the bundle.
        decider: says what may be relied on; ``None`` where the bundle holds no decision rule.
        batch_size: pictures that go through the network at once, at least 1; shared out among the engine's calls.
        top: how many classes a prediction lists, at least 1.

    Raises:
        ConfigError: a size below 1.
    """

    def __init__(
        self,
        engine: Engine,
        info: BundleInfo,
        *,
        decider: OutputDecider | None = None,
        batch_size: int = 32,
        top: int = 5,
    ) -> None:
        for name, value in (("batch size", batch_size), ("number of classes to list", top)):
            if value < 1:
                raise ConfigError(f"The {name} can't be {value}.", "Give a whole number of 1 or more.")
        self._engine = engine
        self._info = info
        self._decider = decider
        self._batch_size = batch_size
        self._top = min(top, len(info.classes))

    @property
    def info(self) -> BundleInfo:
        """The bundle that it predicts with, without its tensors."""
        return self._info

    @property
    def engine(self) -> Engine:
        """What runs the network."""
        return self._engine

    @property
    def rule(self) -> DecisionRule | None:
        """The rule that it decides by; ``None`` where the bundle holds none."""
        return None if self._decider is None else self._decider.rule

    def __call__(self, images: Sequence[ImageSource]) -> list[Prediction]:
        """Return one prediction for each picture, in the same order."""
        if len(images) == 1:
            return self._decided([self._decode(images[0], 1)])
        return list(self._streamed(images, self._share_of(len(images))))

    def predict_stream(self, sources: Iterable[ImageSource]) -> Iterator[Prediction]:
        """Yield one prediction for each picture, in order, as soon as its batch is ready."""
        return self._streamed(sources, self._share_of(self._batch_size))

    def outputs(self, pixels: npt.NDArray[np.uint8]) -> NetworkOutputs:
        """Return all that the network says of fitted pictures (B, R, R, 3), B at least 1."""
        self._check(pixels)
        if not len(pixels):
            raise DataError("There is no picture to look at.", "Give one or more.")
        batches = self._run(pixels)
        return batches[0] if len(batches) == 1 else _joined(batches)

    def predictions(self, found: NetworkOutputs) -> list[Prediction]:
        """Return what the network's outputs of B pictures come to; the predictions have no source yet."""
        probabilities, decisions = self.calibrated(found.logits), self.decisions(found)
        return [
            replace(self._prediction(row, found, place), decision=decisions[place])
            for place, row in enumerate(probabilities)
        ]

    def probabilities(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Return the calibrated probabilities (B, N), rows adding up to 1, of fitted pictures (B, R, R, 3)."""
        self._check(pixels)
        batches = [self.calibrated(found.logits) for found in self._run(pixels)]
        return np.concatenate([np.empty((0, len(self._info.classes))), *batches])

    def calibrated(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the probabilities (B, N) of logits (B, N), at the bundle's temperature."""
        return scaled_softmax(logits, self._info.temperature)

    def decisions(self, found: NetworkOutputs) -> tuple[Decision | None, ...]:
        """Return what may be relied on of each picture, given all that the network says of B of them."""
        if self._decider is None:
            return (None,) * len(found.logits)
        return self._decider(found, self.calibrated(found.logits))

    def _check(self, pixels: npt.NDArray[np.uint8]) -> None:
        side = self._info.preprocessing.resolution
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (side, side, 3):
            raise DataError(
                f"The network can't take an array {pixels.shape} of {pixels.dtype}.",
                f"Give uint8 pictures (B, {side}, {side}, 3).",
            )

    def _share_of(self, count: int) -> int:
        """Return how many of ``count`` pictures go into one call of the engine: its calls run side by side."""
        return max(1, -(-min(count, self._batch_size) // self._engine.parallel))

    def _run(self, pixels: npt.NDArray[np.uint8]) -> list[NetworkOutputs]:
        """Send fitted pictures through the network, in as many calls as needed."""
        size = self._share_of(len(pixels))
        pieces = [pixels[start : start + size] for start in range(0, len(pixels), size)]
        if len(pieces) < 2 or self._engine.parallel == 1:
            return [self._engine.run(piece) for piece in pieces]
        with ThreadPoolExecutor(self._engine.parallel) as networks:
            return list(networks.map(self._engine.run, pieces))

    def _streamed(self, sources: Iterable[ImageSource], size: int) -> Iterator[Prediction]:
        """Yield predictions in order; threads decode pictures, others send ``size`` at a time through the network.

        No more than about two batches are held at once, whatever the number of sources.
        """
        numbered = enumerate(sources, start=1)
        ahead = (2 * self._batch_size + 1) // size - 1
        waiting: deque[Future[list[Prediction]]] = deque()
        with (
            ThreadPoolExecutor(max(_DECODERS, self._engine.parallel)) as decoders,
            ThreadPoolExecutor(self._engine.parallel) as networks,
        ):
            try:
                while group := list(islice(numbered, size)):
                    decoded = [decoders.submit(self._decode, source, number) for number, source in group]
                    waiting.append(networks.submit(self._decided_of, decoded))
                    if len(waiting) > ahead:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:  # whoever reads no further doesn't wait for what was not begun
                for future in waiting:
                    future.cancel()

    def _decided_of(self, decoded: Sequence[Future[_Decoded]]) -> list[Prediction]:
        return self._decided([future.result() for future in decoded])

    def _decided(self, batch: Sequence[_Decoded]) -> list[Prediction]:
        """Return the predictions of decoded pictures, of which some may be broken; one call of the engine."""
        fitted = [pixels for _, pixels in batch if not isinstance(pixels, BrokenImageError)]
        rows = iter(self.predictions(self._engine.run(np.stack(fitted))) if fitted else ())
        return [
            Prediction(source=name, label=None, probability=None, error=pixels.message)
            if isinstance(pixels, BrokenImageError)
            else replace(next(rows), source=name)
            for name, pixels in batch
        ]

    def _prediction(self, row: npt.NDArray[np.float64], found: NetworkOutputs, place: int) -> Prediction:
        best = np.argsort(-row, kind="stable")[: self._top]
        top = tuple((self._info.classes[index], float(row[index])) for index in best)
        label, probability = top[0]
        return Prediction(
            source="",
            label=label,
            probability=probability,
            top=top,
            lineage=tuple(self._info.lineage.get(label, ())),
            evidence=self._shares(found.evidence[place], found.presence[place], int(best[0])),
        )

    def _shares(
        self, evidence: npt.NDArray[np.float32], presence: npt.NDArray[np.float32], label: int
    ) -> tuple[PartShare, ...]:
        """Say what each of P slots says for a class, given evidence (P, N) and presence (P,)."""
        said = evidence[:, label] - evidence.mean(1)
        return tuple(
            PartShare(name, float(here), float(share))
            for name, here, share in zip(self._info.part_names, presence, said, strict=True)
        )

    def _decode(self, source: ImageSource, number: int) -> _Decoded:
        name = source_name(source, number)
        try:
            return name, fitted_pixels(source, self._info.preprocessing)
        except BrokenImageError as error:
            return name, error


def _joined(batches: Sequence[NetworkOutputs]) -> NetworkOutputs:
    """Join the outputs of several batches to those of one."""
    return NetworkOutputs(
        **{
            entry.name: np.concatenate([getattr(batch, entry.name) for batch in batches])
            for entry in fields(NetworkOutputs)
        }
    )
