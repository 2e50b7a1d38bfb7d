"""The formats there are, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fieldmark.errors import ConfigError, unknown_name
from fieldmark.export.keras_file import export_keras


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One format.

    Attributes:
        write: from a run's folder and the file to write to that file.
        default_name: the file's name in the run's folder unless told otherwise.
        note: what to know when using the file, as a sentence.
    """

    write: Callable[[Path, Path], Path]
    default_name: str
    note: str


#: Format name → what writes it.
FORMATS: dict[str, ExportFormat] = {
    "keras": ExportFormat(
        export_keras,
        "autoencoder.keras",
        "It takes values in 0..1, channels last; if convolutional, sizes that its stride divides.",
    )
}


def export(run: Path, name: str, out: Path | None = None, *, replace: bool = False) -> Path:
    """Write a run's network as a file of another library.

    Args:
        run: the run's folder.
        name: a name in ``FORMATS``.
        out: the file to write; by default the format's own in the run's folder.
        replace: write over a file that is there.

    Returns:
        The file.

    Raises:
        ConfigError: an unknown format, a network that the format can't hold, or the file is there already.
        BundleError: there is no such run.
        ExportError: a library is missing, or the file's outputs differ.
    """
    if name not in FORMATS:
        raise unknown_name("export format", name, FORMATS)
    path = out or run / FORMATS[name].default_name
    if path.exists() and not replace:
        raise ConfigError(f"{path} is there already.", "Name another file with --out, or write over it with --force.")
    return FORMATS[name].write(run, path)
