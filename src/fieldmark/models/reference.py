"""Reference pictures as the network sees them: what new pictures are compared with; read without torch.

reference.safetensors   embeddings (M, C) float16 of length 1, labels (M,) as indices; the rows' ids as metadata
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldmark.errors import BundleError
from fieldmark.models.bundle import find_bundle

REFERENCE_FILE = "reference.safetensors"

#: The names inside the file.
_EMBEDDINGS, _LABELS, _IDS = "embeddings", "labels", "ids"


@dataclass(frozen=True)
class Reference:
    """M pictures whose class is known.

    Attributes:
        embeddings: (M, C) float32, each of length 1.
        labels: (M,) places in the bundle's classes.
        ids: the rows' ids.
    """

    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    ids: tuple[str, ...]


def normalised(embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return embeddings (B, C) brought to length 1; of length 0 they stay so."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(lengths, 1e-12), dtype=np.float32)


def chosen_rows(labels: NDArray[np.int64], most: int, seed: int = 0) -> NDArray[np.int64]:
    """Return the places, in order, of at most ``most`` rows of each class, drawn by chance.

    Args:
        labels: (M,) class indices.
        most: rows of each class that are kept.
        seed: of the drawing.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    kept = [order[labels[order] == label][:most] for label in np.unique(labels)]
    return np.sort(np.concatenate([np.empty(0, np.int64), *kept]).astype(np.int64))


def save_reference(folder: Path, reference: Reference) -> None:
    """Write reference pictures into a bundle, atomically; those that are there are replaced.

    Args:
        folder: a bundle, or a run folder that holds one.
        reference: the pictures; embeddings are kept as float16.

    Raises:
        BundleError: there is no bundle.
    """
    from safetensors.numpy import save_file

    path = find_bundle(folder) / REFERENCE_FILE
    partial = path.with_name(path.name + ".partial")
    tensors: dict[str, NDArray[Any]] = {
        _EMBEDDINGS: np.ascontiguousarray(normalised(reference.embeddings).astype(np.float16)),
        _LABELS: np.ascontiguousarray(reference.labels.astype(np.int32)),
    }
    save_file(tensors, partial, metadata={_IDS: json.dumps(list(reference.ids), ensure_ascii=False)})
    partial.replace(path)


def load_reference(folder: Path) -> Reference | None:
    """Read a bundle's reference pictures; ``None`` where it has none.

    Args:
        folder: a bundle, or a run folder that holds one.

    Raises:
        BundleError: there is no bundle, or its reference pictures can't be read.
    """
    import safetensors

    path = find_bundle(folder) / REFERENCE_FILE
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            embeddings, labels = file.get_tensor(_EMBEDDINGS), file.get_tensor(_LABELS)
            ids = tuple(json.loads((file.metadata() or {})[_IDS]))
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise BundleError(f"{path} can't be read: {error}.", "Fit it again: fieldmark calibrate RUN.") from error
    if not len(embeddings) == len(labels) == len(ids) or embeddings.ndim != 2:
        raise BundleError(f"{path} does not fit together.", "Fit it again: fieldmark calibrate RUN.")
    return Reference(normalised(embeddings.astype(np.float32)), labels.astype(np.int64), ids)
