"""Recognisers as ONNX files."""

from pathlib import Path

import numpy as np

from fieldmark.errors import ConfigError, ExportError
from fieldmark.export.job import Exported, ExportJob
from fieldmark.export.libraries import import_library
from fieldmark.export.parity import TOLERANCE
from fieldmark.export.source import ExportSource
from fieldmark.predict.engines import ONNX_FILE
from fieldmark.predict.exported import INPUT, export_folder
from fieldmark.predict.onnx_engine import OnnxEngine
from fieldmark.predict.picture_predictor import PicturePredictor
from fieldmark.records import Progress


def export_onnx(
    run: Path | str,
    out: Path | str | None = None,
    *,
    data: Path | str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a run's recogniser as an ONNX file, and check it; a file that is there is replaced.

    The file takes uint8 RGB pictures (B, R, R, 3) of any number B and gives ``logits``, calibrated ``probabilities``,
    ``embedding``, ``vectors``, ``presence``, ``evidence`` and ``maps``. Its metadata, each value JSON, tell the
    classes, their lineage, the parts' names, how pictures are fitted (``resolution``, ``fit``, ``fill``), the
    temperature and, where there is one, the decision rule (``decisions``).

    Args:
        run: the run's folder, or a bundle.
        out: the file to write, atomically; by default ``export/model.onnx`` in the run's folder.
        data: pictures to check it with, as anything that ``read_table`` reads; by default those of the run's table.
        progress: called with the pictures done and in all while the file is checked.

    Returns:
        The file.

    Raises:
        ConfigError: another ending than ``.onnx``.
        BundleError: there is no bundle, or it can't be read.
        DataError: there are no pictures to check the file with.
        ExportError: ONNX isn't installed, the network can't be translated, or the file decides otherwise than torch on
            a picture or gives other outputs; then nothing is written.
    """
    run = Path(run)
    file = export_folder(run) / ONNX_FILE if out is None else Path(out)
    return write_onnx(ExportJob(run, file, None if data is None else Path(data), progress)).file


def write_onnx(job: ExportJob) -> Exported:
    """Write a recogniser as an ONNX file, as ``export_onnx`` does."""
    refuse_ending(job.out)
    onnx = import_library("onnx", "onnx")
    import_library("onnxruntime", "onnx")
    source = ExportSource.load(job)
    graph = source.graph()
    partial = job.out.with_name(job.out.name + ".partial")
    job.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        onnx.save(graph, partial)
        finding = source.check(OnnxEngine(partial), "ONNX", job.progress)
        _check_probabilities(partial, source)
        partial.replace(job.out)
    finally:
        partial.unlink(missing_ok=True)
    return Exported(job.out, (finding,))


def refuse_ending(path: Path) -> None:
    """Refuse a name that no ONNX file has.

    Raises:
        ConfigError: another ending than ``.onnx``.
    """
    if path.suffix != ".onnx":
        raise ConfigError(f"{path} has not the ending of an ONNX file.", f"Call it {path.with_suffix('.onnx').name}.")


def _check_probabilities(file: Path, source: ExportSource) -> None:
    """Refuse a file whose own probabilities, which no engine reads, are not those of the predictor."""
    onnxruntime = import_library("onnxruntime", "onnx")
    side = source.info.preprocessing.resolution
    pixels = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    found = session.run(["probabilities"], {INPUT: pixels})[0]
    difference = np.abs(found - PicturePredictor(source.torch_engine(), source.info).probabilities(pixels)).max()
    if not difference <= TOLERANCE:
        raise ExportError(
            f"The ONNX file's probabilities differ from torch's by {difference:.2g}, more than {TOLERANCE:g}.",
            "Report it, with the bundle's bundle.json; nothing was written.",
        )
