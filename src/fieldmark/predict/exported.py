"""Where a run's exported files lie, and what they are asked for; the names that exporting and predicting share."""

import os
from pathlib import Path

from fieldmark.errors import BundleError
from fieldmark.models.bundle import find_bundle, weights_fingerprint

#: The name of the network's input, and of what it gives, in order.
INPUT = "pixels"
OUTPUTS = ("logits", "probabilities", "embedding", "vectors", "presence", "evidence", "maps")

#: Those outputs that a ``NetworkOutputs`` holds; probabilities it makes itself, at the bundle's present temperature.
NETWORK_OUTPUTS = tuple(name for name in OUTPUTS if name != "probabilities")

#: The metadata under which a file says which weights it holds.
WEIGHTS_KEY = "weights"


def export_folder(run: Path) -> Path:
    """Return the folder of a run's exported files: beside its bundle, or inside a bundle that lies alone.

    Args:
        run: a run's folder, or a bundle.

    Raises:
        BundleError: there is no bundle.
    """
    bundle = find_bundle(run)
    return (bundle.parent if bundle.name == "bundle" else bundle) / "export"


def exported_file(run: Path, name: str, form: str) -> Path:
    """Return an exported file of a run.

    Args:
        run: a run's folder, or a bundle.
        name: the file's name in the folder of exported files.
        form: the format that ``fieldmark export`` writes it in.

    Raises:
        BundleError: there is no bundle, or it was not exported.
    """
    path = export_folder(run) / name
    if not path.is_file():
        raise BundleError(
            f"{run} has not been exported as {form}.", f"Export it: fieldmark export {run} --format {form}."
        )
    return path


def check_weights(run: Path, file: Path, found: str | None, form: str) -> None:
    """Refuse a file that holds other weights than the bundle.

    Args:
        run: a run's folder, or a bundle.
        file: the exported file.
        found: the fingerprint that it states; ``None`` where it states none.
        form: the format that ``fieldmark export`` writes it in.

    Raises:
        BundleError: there is no bundle, or the weights differ.
    """
    if found != weights_fingerprint(run):
        raise BundleError(
            f"{file} holds other weights than the bundle of {run}.",
            f"Export it again: fieldmark export {run} --format {form} --force.",
        )


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
