"""Reading of Keras 3 files, ``*.keras``: a zip of JSON and HDF5, of which nothing is ever executed.

    metadata.json      version of Keras
    config.json        layers, each with its class, its options and the layers before it
    model.weights.h5   layers/CLASS[_N]/vars/0, 1, ...: the N-th layer of a class, in the model's order

Keras itself isn't needed. What a file claims is checked before memory is taken for it.
"""

import io
import json
import math
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldmark.errors import ModelError

#: Largest text and largest tensor that are read, in bytes and in entries.
_LARGEST_TEXT = 16 * 2**20
_LARGEST_WEIGHTS = 4 * 2**30
_LARGEST_TENSOR = 2**28

#: A model's class and, of every layer that may hold tensors, its class: each as the file of weights writes it.
MODELS = {"Functional": "functional", "Sequential": "sequential", "Model": "model"}
_WRITTEN = {**MODELS, "Dense": "dense", "Conv2D": "conv2d", "BatchNormalization": "batch_normalization"}

_SAVE_AGAIN = "Save the model with Keras 3: model.save('model.keras')."


@dataclass(frozen=True)
class KerasLayer:
    """One layer of a Keras model.

    Attributes:
        kind: its class, such as ``"Dense"``.
        name: its name.
        config: its options.
        path: where its tensors lie in the file of weights.
    """

    kind: str
    name: str
    config: Mapping[str, Any]
    path: str


class KerasArchive:
    """The layers of a ``.keras`` file, one after the other, and their tensors.

    Args:
        path: the file.

    Attributes:
        layers: the layers in order, those of models within the model among them; the input first where it is named.

    Raises:
        ModelError: no such file, none of Keras 3, a layer that isn't Keras's own, layers that don't form a chain, or
            h5py isn't installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        texts, self._weights = _unzip(path)
        try:
            metadata, config = (json.loads(text) for text in texts)
            version = str(metadata["keras_version"])
            if not version.startswith("3."):
                raise ModelError(f"{path} was written by Keras {version}.", _SAVE_AGAIN)
            if config["class_name"] not in MODELS:
                raise _unsupported(path, config)
            self.layers = list(_chain(path, config["config"], ""))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            raise ModelError(f"{path} can't be read: its description is broken ({error}).", _SAVE_AGAIN) from error

    def tensors(self, layer: KerasLayer, shapes: Sequence[Sequence[int | None]]) -> list[NDArray[np.float32]]:
        """Read a layer's tensors.

        Args:
            layer: one of ``layers``.
            shapes: the shape that each must have; ``None`` stands for any length.

        Raises:
            ModelError: one is missing, of another shape, or not finite.
        """
        import h5py

        try:
            with h5py.File(io.BytesIO(self._weights), "r") as file:
                return [self._tensor(file, f"{layer.path}/vars/{index}", shape) for index, shape in enumerate(shapes)]
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise ModelError(f"{self.path} can't be read: its weights are broken ({error}).", _SAVE_AGAIN) from error

    def _tensor(self, file: Any, place: str, shape: Sequence[int | None]) -> NDArray[np.float32]:
        import h5py

        found = file
        for part in place.split("/"):
            # Links to other files would read whatever the file's author names.
            link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
            if not isinstance(link, h5py.HardLink):
                raise ModelError(f"{self.path} holds no tensor {place}.", _SAVE_AGAIN)
            found = found[part]
        inside = isinstance(found, h5py.Dataset) and not found.external and not found.is_virtual
        if not inside or found.dtype.kind != "f":
            raise ModelError(f"{self.path} holds no floats at {place}.", _SAVE_AGAIN)
        fits = (
            [want in (None, has) for has, want in zip(found.shape, shape, strict=True)]
            if len(found.shape) == len(shape)
            else [False]
        )
        if not all(fits) or math.prod(found.shape) > _LARGEST_TENSOR:
            raise ModelError(f"{self.path} holds {found.shape} at {place}, which doesn't fit its layer.", _SAVE_AGAIN)
        tensor = np.asarray(found[()], np.float32)
        if not np.isfinite(tensor).all():
            raise ModelError(f"{self.path} holds values that aren't finite at {place}.", "Train the model again.")
        return tensor


def unsupported_layer(path: Path, kind: str, name: str, supported: Sequence[str]) -> ModelError:
    """Build the error for a layer that can't be taken over, which names it and what can be."""
    return ModelError(
        f"{path} has the layer {name!r} of kind {kind}, which can't be taken over.",
        f"Supported: {', '.join(supported)}.",
    )


def _unzip(path: Path) -> tuple[list[bytes], bytes]:
    try:
        import h5py  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelError("Reading Keras files needs h5py.", "Install it: pip install 'fieldmark[keras]'.") from error
    if not path.is_file():
        raise ModelError(f"There is no Keras file at {path}.", "Give a file that model.save('model.keras') wrote.")
    limits = {"metadata.json": _LARGEST_TEXT, "config.json": _LARGEST_TEXT, "model.weights.h5": _LARGEST_WEIGHTS}
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {name: archive.getinfo(name).file_size for name in limits}
            too_large = [name for name, size in sizes.items() if size > limits[name]]
            if too_large:
                raise ModelError(f"{path} claims {sizes[too_large[0]]:,} bytes for {too_large[0]}.", _SAVE_AGAIN)
            metadata, config, weights = (archive.read(name) for name in limits)
            return [metadata, config], weights
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, NotImplementedError) as error:
        raise ModelError(f"{path} is no file of Keras 3 ({error}).", _SAVE_AGAIN) from error


def _chain(path: Path, config: Mapping[str, Any], place: str) -> Iterator[KerasLayer]:
    """Yield the layers of a model and of the models within it, having checked that each follows the one before."""
    seen: Counter[str] = Counter()
    before: str | None = None
    for entry in config["layers"]:
        kind, options = entry["class_name"], entry["config"]
        if not str(entry["module"]).startswith("keras.") and entry["module"] != "keras":
            raise _unsupported(path, entry)
        name = str(options["name"])
        _check_follows(path, entry, name, before)
        written = _WRITTEN.get(kind, kind)
        number = f"_{seen[written]}" if seen[written] else ""
        seen[written] += 1
        inner = f"{place}layers/{written}{number}"
        if kind in MODELS:
            yield from (
                layer for layer in _chain(path, options, f"{inner}/") if layer.kind != "InputLayer" or not before
            )
        else:
            yield KerasLayer(kind, name, options, inner)
        before = name
    if place and set(_texts(config.get("output_layers", []))) - {before}:
        raise ModelError(
            f"{path} goes on from the middle of the model {config.get('name')!r}.", "Give a plain chain of layers."
        )


def _check_follows(path: Path, entry: Mapping[str, Any], name: str, before: str | None) -> None:
    """Check that a layer of a functional model is called once, on the layer before it; others have no such record."""
    if "inbound_nodes" not in entry:
        return
    nodes = entry["inbound_nodes"]
    calls = [source for node in nodes for source in _sources([node["args"], node["kwargs"]])]
    if len(nodes) > 1 or calls != ([] if before is None else [before]):
        raise ModelError(
            f"{path} is no plain chain of layers: {name!r} is fed by {', '.join(calls) or 'nothing'}.",
            "Give a model in which each layer has one input, the layer before it.",
        )


def _sources(value: object) -> Iterator[str]:
    """Yield the names of the layers whose outputs are somewhere among a call's arguments."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            yield str(value["config"]["keras_history"][0])
        else:
            yield from (name for inner in value.values() for name in _sources(inner))
    elif isinstance(value, list):
        yield from (name for inner in value for name in _sources(inner))


def _texts(value: object) -> Iterator[str]:
    """Yield the texts somewhere in nested lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (text for inner in value for text in _texts(inner))


def _unsupported(path: Path, entry: Mapping[str, Any]) -> ModelError:
    name = entry["config"].get("name", "?") if isinstance(entry["config"], Mapping) else "?"
    return ModelError(
        f"{path} has {name!r} of the class {entry['class_name']}, which isn't Keras's own.",
        "Custom classes can't be read without executing them; build the model of Keras's own layers.",
    )
