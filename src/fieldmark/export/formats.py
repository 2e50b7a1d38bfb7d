"""The formats there are, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fieldmark.errors import ConfigError, unknown_name
from fieldmark.export.job import Exported, ExportJob
from fieldmark.export.keras_file import export_keras
from fieldmark.export.onnx_file import write_onnx
from fieldmark.export.openvino_folder import write_openvino
from fieldmark.export.quantised_file import write_quantised
from fieldmark.predict.engines import INT8_FILE, ONNX_FILE, OPENVINO_FOLDER
from fieldmark.predict.exported import export_folder
from fieldmark.records import Progress


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One format.

    Attributes:
        write: does what it is told.
        default_place: from the run's folder to where the file goes unless told otherwise.
        note: what to know when using the file, as a sentence.
    """

    write: Callable[[ExportJob], Exported]
    default_place: Callable[[Path], Path]
    note: str


#: What to know of every file that holds a recogniser.
_PICTURES = "It takes uint8 RGB pictures (B, R, R, 3) and normalises them itself; its metadata tell how they are fitted"

#: Format name → what writes it.
FORMATS: dict[str, ExportFormat] = {
    "onnx": ExportFormat(
        write_onnx,
        lambda run: export_folder(run) / ONNX_FILE,
        f"{_PICTURES}. Predict with it: --engine onnx.",
    ),
    "openvino": ExportFormat(
        write_openvino,
        lambda run: export_folder(run) / OPENVINO_FOLDER,
        f"{_PICTURES}. Predict with it: --engine openvino.",
    ),
    "int8": ExportFormat(
        write_quantised,
        lambda run: export_folder(run) / INT8_FILE,
        f"{_PICTURES}. Its decisions are not all those of torch. Predict with it: --engine int8.",
    ),
    "keras": ExportFormat(
        lambda job: Exported(export_keras(job.run, job.out)),
        lambda run: run / "autoencoder.keras",
        "It takes values in 0..1, channels last; if convolutional, sizes that its stride divides.",
    ),
}


def export(
    run: Path,
    name: str,
    out: Path | None = None,
    *,
    data: Path | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write a run's network as a file of another library.

    Args:
        run: the run's folder.
        name: a name in ``FORMATS``.
        out: the file to write; by default the format's own in the run's folder.
        data: pictures to check a recogniser's file with, as anything that ``read_table`` reads; by default those that
            the run was trained on.
        replace: write over a file that is there.
        progress: called with the pictures done and in all while the file is checked.

    Returns:
        The file, and what checking it came to.

    Raises:
        ConfigError: an unknown format, a network that the format can't hold, or the file is there already.
        BundleError: there is no such run.
        DataError: there are no pictures to check the file with.
        ExportError: a library is missing, or the file's outputs differ; then nothing is written.
    """
    if name not in FORMATS:
        raise unknown_name("export format", name, FORMATS)
    path = out or FORMATS[name].default_place(run)
    if path.exists() and not replace:
        raise ConfigError(f"{path} is there already.", "Name another file with --out, or write over it with --force.")
    return FORMATS[name].write(ExportJob(run, path, data, progress))
