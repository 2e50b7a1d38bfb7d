"""Does an exported file decide as torch does? Both sides predict the same pictures, from the file's bytes on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from fieldmark.errors import DataError, ExportError
from fieldmark.models.bundle import BundleInfo
from fieldmark.predict.contract import Engine, ImageSource, NetworkOutputs
from fieldmark.predict.deciding import OutputDecider
from fieldmark.predict.picture_predictor import PicturePredictor
from fieldmark.records import Prediction, Progress

#: Pictures that every exported file is checked with, where there are as many.
CHECKED = 256

#: Largest difference of an output from torch's, as a share of the output's largest value and at least of 1; summing
#: float32 in another order makes some 1e-6 of it.
TOLERANCE = 1e-4

#: Pictures a batch: no divisor of ``CHECKED``, so that the file also meets a smaller batch.
_BATCH = 30

_REPORT = "Report it, with the bundle's bundle.json; nothing was written."

#: Where everything agrees but for the order of sums, a score of the picture lies within that of a threshold.
_ON_THE_EDGE = (
    "All outputs agree up to rounding: such a picture lies on the edge of two decisions. Nothing was written; move the "
    "thresholds a little, such as fieldmark calibrate RUN --coverage 0.905, or check with others: --data FOLDER."
)


@dataclass(frozen=True, slots=True)
class Parity:
    """How an engine compares with torch.

    Attributes:
        pictures: readable pictures that both predicted.
        differing: the names of those of which the decisions differ.
        largest: the largest difference of a logit, as a share of the largest logit and at least of 1.
        outputs: output → the same of all outputs, over the first batch.
    """

    pictures: int
    differing: tuple[str, ...]
    largest: float
    outputs: dict[str, float]

    @property
    def agreement(self) -> float:
        """Share of the pictures with the same decision, in 0..1."""
        return 1 - len(self.differing) / self.pictures


def compare(
    reference: Engine,
    engine: Engine,
    info: BundleInfo,
    decider: OutputDecider | None,
    sources: Iterable[ImageSource],
    *,
    count: int = CHECKED,
    progress: Progress | None = None,
) -> Parity:
    """Predict the same pictures with two engines.

    Args:
        reference: the engine that is right.
        engine: the one to check.
        info: the bundle.
        decider: the bundle's decisions, if it has any.
        sources: pictures, of which as many are taken as it takes to have ``count`` readable ones.
        count: how many, at least 1.
        progress: called with the pictures done and in all, of both engines.

    Raises:
        DataError: none of the pictures can be read.
    """
    taken: list[ImageSource] = []
    told = _Told(progress, 2 * count)
    first, wanted = _predicted(reference, info, decider, _remembered(sources, taken), count, told)
    readable = sum(row.error is None for row in wanted)
    if not readable:
        raise DataError("None of the pictures can be read.", "Name others: --data FOLDER.")
    second, found = _predicted(engine, info, decider, taken[: len(wanted)], count, told)
    pairs = zip(wanted, found, strict=True)
    return Parity(
        pictures=readable,
        differing=tuple(a.source for a, b in pairs if _decision(a) != _decision(b)),
        largest=_difference(first.logits(readable), second.logits(readable)),
        outputs={name: _difference(array[:readable], second.begun[name]) for name, array in first.begun.items()},
    )


def refuse_differences(parity: Parity, form: str) -> None:
    """Refuse a file that doesn't give what torch gives.

    Args:
        parity: what comparing them came to.
        form: the format, to speak of.

    Raises:
        ExportError: a decision differs, or an output by more than ``TOLERANCE``.
    """
    apart = {
        name: difference
        for name, difference in {**parity.outputs, "logits": parity.largest}.items()
        if not difference <= TOLERANCE  # nor where it is no number
    }
    if parity.differing:
        raise ExportError(
            f"The {form} file decides otherwise on {len(parity.differing):,} of {parity.pictures:,} pictures, "
            f"such as {parity.differing[0]}; its logits differ by up to {parity.largest:.2g} of the largest.",
            _REPORT if apart else _ON_THE_EDGE,
        )
    if apart:
        name, difference = next(iter(apart.items()))
        raise ExportError(
            f"The {form} file's {name} differ from torch's by {difference:.2g} of the largest, "
            f"more than {TOLERANCE:g}.",
            _REPORT,
        )


class _Recorder:
    """An engine that keeps what it said: all logits, and everything of the first batch. One call at a time."""

    parallel = 1

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._logits: list[npt.NDArray[np.float64]] = []
        self.begun: dict[str, npt.NDArray[np.floating]] = {}

    def run(self, pixels: npt.NDArray[np.uint8]) -> NetworkOutputs:
        found = self._engine.run(pixels)
        self.begun = self.begun or {entry.name: getattr(found, entry.name) for entry in fields(found)}
        self._logits.append(found.logits)
        return found

    def logits(self, count: int) -> npt.NDArray[np.float64]:
        """Return the logits (count, N) of the first pictures."""
        return np.concatenate(self._logits)[:count]


class _Told:
    """Counts pictures of both engines together."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self(0)

    def __call__(self, more: int = 1) -> None:
        self._done += more
        if self._progress:
            self._progress(min(self._done, self._total), self._total)


def _predicted(
    engine: Engine,
    info: BundleInfo,
    decider: OutputDecider | None,
    sources: Iterable[ImageSource],
    count: int,
    told: _Told,
) -> tuple[_Recorder, list[Prediction]]:
    """Predict until ``count`` pictures could be read."""
    recorder = _Recorder(engine)
    predictor = PicturePredictor(recorder, info, decider=decider, batch_size=_BATCH)
    rows: list[Prediction] = []
    readable = 0
    for row in predictor.predict_stream(sources):
        rows.append(row)
        readable += row.error is None
        told(int(row.error is None))
        if readable == count:
            break
    return recorder, rows


def _remembered(sources: Iterable[ImageSource], taken: list[ImageSource]) -> Iterator[ImageSource]:
    for source in sources:
        taken.append(source)
        yield source


def _decision(row: Prediction) -> object:
    """Return all of a prediction that is decided, none that is measured."""
    if row.decision is None:
        return row.label, row.error
    decided = replace(row.decision, novelty=0.0, confidence=None, candidates=tuple(sorted(row.decision.candidates)))
    return row.label, row.error, decided


def _difference(wanted: npt.NDArray[np.floating], found: npt.NDArray[np.floating]) -> float:
    """Return the largest difference of two arrays as a share of the largest value, at least of 1."""
    if wanted.shape != found.shape:
        return float("inf")
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    return float(np.abs(wanted.astype(np.float64) - found).max(initial=0.0)) / scale
