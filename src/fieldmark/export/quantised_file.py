"""Recognisers whose backbone computes in 8-bit integers: kept only where that is faster and nearly as accurate."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fieldmark.data.table import Table
from fieldmark.errors import BrokenImageError, DataError, ExportError
from fieldmark.export.job import Exported, ExportJob
from fieldmark.export.libraries import import_library
from fieldmark.export.network_graph import BACKBONE_NODES
from fieldmark.export.onnx_file import refuse_ending
from fieldmark.export.parity import Parity
from fieldmark.export.sample_pictures import shuffled, sources_of
from fieldmark.export.source import ExportSource
from fieldmark.predict.contract import Engine
from fieldmark.predict.exported import INPUT
from fieldmark.predict.onnx_engine import OnnxEngine
from fieldmark.predict.picture_predictor import PicturePredictor
from fieldmark.predict.pictures import fitted_pixels

if TYPE_CHECKING:
    import onnx

#: Training pictures whose activations choose the ranges of the integers.
_CALIBRATED = 256

#: Held-out pictures on which accuracy is measured, at most.
_EVALUATED = 1000

#: Most points of accuracy that may be lost.
MOST_LOST = 0.5

#: Pictures that are timed, and how often, in turns.
_TIMED, _ROUNDS = 64, 7


@dataclass(frozen=True, slots=True)
class QuantisedFigures:
    """What a file of integers costs and brings.

    Attributes:
        speed: how many times as many pictures a second as the file of floats names, the median over rounds.
        right: share of ``pictures`` that it names rightly, in 0..1.
        right_before: the same of torch.
        pictures: held-out pictures that both named.
        same_name: share of these with torch's name, in 0..1.
        same_decision: share of the checked pictures with torch's decision in all its parts, in 0..1.
    """

    speed: float
    right: float
    right_before: float
    pictures: int
    same_name: float
    same_decision: float

    @property
    def worth_it(self) -> bool:
        """Whether it is faster, and at most ``MOST_LOST`` points worse."""
        return self.speed > 1 and 100 * (self.right_before - self.right) <= MOST_LOST

    def __str__(self) -> str:
        return (
            f"{self.speed:.2f} times as fast as the ONNX file; {100 * self.right:.1f} % of {self.pictures:,} held-out "
            f"pictures right against {100 * self.right_before:.1f} %; torch's name on {100 * self.same_name:.1f} %, "
            f"its decision in all parts on {100 * self.same_decision:.1f} %"
        )


def write_quantised(job: ExportJob) -> Exported:
    """Write a recogniser as an ONNX file whose backbone computes in integers, if that is worth it.

    Ranges are chosen by the training pictures' activations (static quantisation, a scale for each output channel); the
    parts and the head stay as they are.

    Raises:
        ConfigError: another ending than ``.onnx``.
        BundleError: there is no bundle, or it can't be read.
        DataError: there are no labelled pictures to calibrate or measure it with.
        ExportError: ONNX isn't installed, the network can't be translated, or the file is not faster or loses more
            than ``MOST_LOST`` points of accuracy; then nothing is written.
    """
    refuse_ending(job.out)
    onnx = import_library("onnx", "onnx")
    import_library("onnxruntime", "onnx")
    source = ExportSource.load(job)
    held_out, pictures = _held_out(source.table), _calibration_pictures(source)
    partial = job.out.with_name(job.out.name + ".partial")
    job.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            floats = Path(folder) / "floats.onnx"
            graph = source.graph()
            onnx.save(graph, floats)
            _quantise(graph, partial, pictures)
            found, before = OnnxEngine(partial), OnnxEngine(floats)
            parity = source.compare(found, job.progress)
            figures = _measure(source, found, before, held_out, parity)
        if not figures.worth_it:
            raise ExportError(
                f"Integers are not worth it here: {figures}.",
                f"Use --format onnx. Integers are kept if faster and at most {MOST_LOST:g} points worse.",
            )
        partial.replace(job.out)
    finally:
        partial.unlink(missing_ok=True)
    return Exported(job.out, (f"{figures}.",))


def _quantise(graph: "onnx.ModelProto", out: Path, pictures: npt.NDArray[np.uint8]) -> None:
    """Write a graph with its backbone in integers, whose ranges come from pictures (B, R, R, 3)."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    class Pictures(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        """Hands out pictures one by one, as its library asks for them."""

        def __init__(self) -> None:
            self._rows: Iterator[npt.NDArray[np.uint8]] = iter(pictures[:, None])

        def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
            row = next(self._rows, None)
            return None if row is None else {INPUT: row}

    facts = {fact.key: fact.value for fact in graph.metadata_props}
    add_pre_process_metadata(graph)  # the exporter has folded and inferred what it would be told to prepare
    quantize_static(
        graph,
        str(out),
        Pictures(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        nodes_to_quantize=[node.name for node in graph.graph.node if node.name.startswith(BACKBONE_NODES)],
    )
    written = onnx.load(out)
    onnx.helper.set_model_props(written, facts)  # without the library's own notes, which are no JSON
    onnx.save(written, out)


def _calibration_pictures(source: ExportSource) -> npt.NDArray[np.uint8]:
    """Return fitted training pictures (B, R, R, 3)."""
    training = source.table.split("train")
    if not len(training):
        raise DataError("There are no training pictures to choose the integers' ranges by.", "Name data with some.")
    return _fitted(source, training, _CALIBRATED)


def _held_out(table: Table) -> Table:
    """Return labelled rows that no weight was learned from: those of validation, or else of test."""
    for split in ("val", "test"):
        rows = table.split(split).labelled()
        if len(rows):
            return shuffled(rows)
    raise DataError("There are no labelled held-out pictures to measure accuracy on.", "Name data with some: --data.")


def _fitted(source: ExportSource, table: Table, count: int) -> npt.NDArray[np.uint8]:
    found = []
    for picture in sources_of(shuffled(table)):
        try:
            found.append(fitted_pixels(picture, source.info.preprocessing))
        except BrokenImageError:  # it is set aside in training, too
            continue
        if len(found) == count:
            break
    if not found:
        raise DataError("None of the pictures can be read.", "Name others: --data FOLDER.")
    return np.stack(found)


def _measure(source: ExportSource, found: Engine, before: Engine, held_out: Table, parity: Parity) -> QuantisedFigures:
    rows = replace(held_out, frame=held_out.frame.head(_EVALUATED))
    found_names, names = _names(source, found, rows), _names(source, source.torch_engine(), rows)
    labels = rows.frame["label"].to_list()
    named = [row for row in zip(labels, found_names, names, strict=True) if row[1] is not None]
    if not named:
        raise DataError("None of the held-out pictures can be read.", "Name others: --data FOLDER.")
    return QuantisedFigures(
        speed=measured_speed(source, found, before),
        right=statistics.mean(name == label for label, name, _ in named),
        right_before=statistics.mean(name == label for label, _, name in named),
        pictures=len(named),
        same_name=statistics.mean(name == other for _, name, other in named),
        same_decision=parity.agreement,
    )


def _names(source: ExportSource, engine: Engine, rows: Table) -> list[str | None]:
    """Return the name that each row's picture gets; ``None`` where it can't be read."""
    predictor = PicturePredictor(engine, source.info)
    return [row.label for row in predictor.predict_stream(sources_of(rows))]


def measured_speed(source: ExportSource, engine: Engine, other: Engine) -> float:
    """Return how many times as many pictures a second an engine names as another, the median of rounds in turns."""
    pixels = _fitted(source, source.table, _TIMED)
    predictors = [PicturePredictor(each, source.info) for each in (engine, other)]
    for predictor in predictors:
        predictor.probabilities(pixels)  # the first call of an engine also sets it up
    ratios = []
    for _ in range(_ROUNDS):
        seconds = []
        for predictor in predictors:
            started = time.perf_counter()
            predictor.probabilities(pixels)
            seconds.append(time.perf_counter() - started)
        ratios.append(seconds[1] / seconds[0])
    return statistics.median(ratios)
