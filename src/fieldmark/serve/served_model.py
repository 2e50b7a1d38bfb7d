"""A bundle that is being served: its network, loaded once, behind two queues."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fieldmark.data.images import FittedImage
from fieldmark.explain.evidence import EvidenceReader, reader_around
from fieldmark.explain.examples import ClassPictures
from fieldmark.explain.explain import explain_picture
from fieldmark.explanations import Explanation
from fieldmark.models.bundle import BundleInfo, find_bundle
from fieldmark.predict.contract import NetworkOutputs, Predictor
from fieldmark.predict.exported import export_folder
from fieldmark.predict.load import load_predictor
from fieldmark.records import Prediction
from fieldmark.serve.answers import ModelVersion, Neighbour
from fieldmark.serve.batching import Batcher
from fieldmark.serve.encoding import outputs_of
from fieldmark.serve.examples import ExampleShelf
from fieldmark.serve.nearest import NeighbourShelf
from fieldmark.serve.settings import ServiceSettings

#: Hex digits of a version.
_VERSION_DIGITS = 12

#: Told the queue's name, the size of a batch and the seconds that it took.
ObserveBatch = Callable[[str, int, float], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network says of one picture, with the picture as it saw it."""

    prediction: Prediction
    outputs: NetworkOutputs


@dataclass(frozen=True, slots=True)
class ExplainJob:
    """A picture to explain: the bytes of its file, and the class to compare with."""

    data: bytes
    versus: str | None
    verify: bool


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a bundle is, and what it is asked for by."""

    name: str
    path: Path


class ServedModel:
    """A loaded bundle that predicts and explains, each behind a bounded queue.

    Args:
        model: its name and version.
        predictor: runs the bundle; loaded once, for both.
        settings: how large queues and batches are.
        shelf: where training pictures for explanations come from, given what reads evidence.
        near: where the nearest training pictures come from; ``None`` goes without.
        observe: told of every batch.

    Attributes:
        model: its name and version.
        info: the bundle, without its tensors.
        loaded: when it was loaded, ISO 8601 in UTC.
        exact: whether explanations add up to the answer.
        coverage: as of the bundle's decision rule; ``None`` without one.
    """

    def __init__(
        self,
        model: ModelVersion,
        predictor: Predictor,
        settings: ServiceSettings,
        *,
        shelf: Callable[[EvidenceReader], ExampleShelf | None] = lambda _reader: None,
        near: NeighbourShelf | None = None,
        observe: ObserveBatch = lambda _queue, _size, _seconds: None,
    ) -> None:
        self.model = model
        self.info: BundleInfo = predictor.info
        self.loaded = datetime.now(UTC).isoformat(timespec="seconds")
        self._predictor = predictor
        self._reader = reader_around(predictor)
        self.coverage = None if predictor.rule is None else predictor.rule.coverage
        self.exact = self._reader.additive and len(self._reader.names) > 1
        self._shelf = shelf(self._reader)
        self._near = near
        self._predictions: Batcher[FittedImage, Seen] = Batcher(
            self._see,
            name=f"fieldmark-predict-{model.name}",
            max_batch=settings.max_batch,
            max_wait_s=settings.max_wait_ms / 1000,
            capacity=settings.queue,
            observe=lambda size, seconds: observe("predict", size, seconds),
        )
        self._explanations: Batcher[ExplainJob, Explanation] = Batcher(
            self._explain,
            name=f"fieldmark-explain-{model.name}",
            max_batch=1,
            max_wait_s=0,
            capacity=settings.explain_queue,
            observe=lambda size, seconds: observe("explain", size, seconds),
        )

    def predict(self, fitted: FittedImage) -> "Future[Seen]":
        """Queue a picture.

        Raises:
            Busy: the queue is full.
            Closing: the model is being put away.
        """
        return self._predictions.submit(fitted)

    def explain(self, job: ExplainJob) -> "Future[Explanation]":
        """Queue an explanation; the errors are those of ``predict``."""
        return self._explanations.submit(job)

    def neighbours(self, seen: Seen, count: int) -> tuple[Neighbour, ...]:
        """Return the training pictures nearest to one that was seen; none where none are known, or not yet."""
        return () if self._near is None else self._near.nearest(seen.outputs.embedding[0], count)

    @property
    def waiting(self) -> dict[str, int]:
        """How many items wait, by queue."""
        return {"predict": self._predictions.depth, "explain": self._explanations.depth}

    def expected_wait(self) -> float:
        """Return the seconds after which the queue of pictures should be empty; at least 1."""
        return self._predictions.expected_wait()

    def close(self, timeout: float | None = None) -> bool:
        """Answer all that was accepted, then stop; return whether that was done within a number of seconds."""
        first = self._predictions.close(timeout)
        return self._explanations.close(timeout) and first

    def _see(self, pictures: Sequence[FittedImage]) -> list[Seen]:
        found = self._predictor.outputs(np.stack([picture.pixels for picture in pictures]))
        predictions = self._predictor.predictions(found)
        return [Seen(prediction, outputs_of(found, place)) for place, prediction in enumerate(predictions)]

    def _explain(self, jobs: Sequence[ExplainJob]) -> list[Explanation]:
        return [self._explain_one(job) for job in jobs]

    def _explain_one(self, job: ExplainJob) -> Explanation:
        return explain_picture(
            self._reader, job.data, job.versus, verify=job.verify, pictures_of=self._training_pictures, drawn=False
        )

    def _training_pictures(self, label: str) -> ClassPictures | None:
        return None if self._shelf is None else self._shelf.of(label)


def load_served_model(
    source: ModelSource,
    settings: ServiceSettings,
    *,
    engine: str = "torch",
    device: str = "cpu",
    cache: Path | None = None,
    observe: ObserveBatch = lambda _queue, _size, _seconds: None,
) -> ServedModel:
    """Load a bundle and run it once, so that the first caller doesn't wait for what is set up then.

    Args:
        source: the run or bundle, and its name.
        settings: how large queues and batches are.
        engine: what runs the network, as ``load_predictor`` names it.
        device: where the network runs, as torch names it.
        cache: folder of decoded pictures, where training pictures are looked for; ``None`` looks for none.
        observe: told of every batch.

    Raises:
        BundleError: there is no bundle, or it can't be read.
        ConfigError: an unknown engine or device.
    """
    version = bundle_version(source.path)
    predictor = load_predictor(source.path, engine=engine, device=device, batch_size=settings.max_batch)
    side = predictor.info.preprocessing.resolution
    predictor.predictions(predictor.outputs(np.zeros((1, side, side, 3), np.uint8)))
    return ServedModel(
        ModelVersion(source.name, version),
        predictor,
        settings,
        shelf=lambda reader: None if cache is None else ExampleShelf(source.path, reader, cache),
        near=None if cache is None else NeighbourShelf(source.path, predictor, cache),
        observe=observe,
    )


def bundle_version(run: Path) -> str:
    """Return 12 hex digits that change with anything in a bundle but its card.

    Raises:
        BundleError: there is no bundle.
    """
    digest = hashlib.sha256()
    for path in _files(run):
        digest.update(f"{path.name}\n".encode())
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()[:_VERSION_DIGITS]


def bundle_stamp(run: Path) -> tuple[tuple[str, int, int], ...]:
    """Return the names, times and sizes of a bundle's files and of what was exported of it, cheap to compare.

    An engine that runs an exported file refuses a new bundle until that is exported too; then it is to be tried again.

    Raises:
        BundleError: there is no bundle.
    """
    exported = sorted(path for path in export_folder(run).rglob("*") if path.is_file())
    found = []
    for path in [*_files(run), *exported]:
        state = path.stat()
        found.append((path.name, state.st_mtime_ns, state.st_size))
    return tuple(found)


def _files(run: Path) -> list[Path]:
    return sorted(path for path in find_bundle(run).iterdir() if path.is_file() and path.suffix != ".md")
