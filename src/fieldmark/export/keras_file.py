"""Autoencoders as Keras 3 files, which open with the TensorFlow, JAX and torch backends alike."""

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import cast

import torch
from torch import nn

from fieldmark.errors import ConfigError, ExportError
from fieldmark.export.keras_model import KerasTwin, conv_twin, dense_twin
from fieldmark.models.autoencoders.contract import Autoencoder
from fieldmark.models.autoencoders.saved import load_autoencoder
from fieldmark.models.autoencoders.specs import ConvSpec, DenseSpec

#: Largest difference from Fieldmark's codes and reconstructions with which a file is kept; float32 makes some 1e-6.
TOLERANCE = 1e-4

_BACKEND = "KERAS_BACKEND"


def export_keras(run: Path, out: Path) -> Path:
    """Write a dense or convolutional autoencoder as a ``.keras`` file, and check it.

    The file holds a functional model of Keras's own layers, so that Keras opens it in safe mode; it takes and gives
    values in 0..1, channels last, and its layer ``code`` gives the codes. A dense one takes flat inputs (B, inputs), a
    convolutional one pictures (B, H, W, channels) whose sides the stride divides. Fieldmark pads other sizes by
    repeating the edge; for Keras they have to be padded before.

    The file is read again, and its codes and reconstructions of random pictures are compared with Fieldmark's.

    Args:
        run: a pretraining run, or the autoencoder in it.
        out: the file to write, atomically; its name ends in ``.keras``.

    Returns:
        The file.

    Raises:
        BundleError: there is no autoencoder, or it can't be read.
        ConfigError: another kind of autoencoder, a variational one, or another ending.
        ExportError: Keras isn't installed, or outputs differ by more than ``TOLERANCE``; then nothing is kept.
    """
    if out.suffix != ".keras":
        raise ConfigError(f"{out} has not the ending of a Keras file.", f"Call it {out.with_suffix('.keras').name}.")
    autoencoder, info = load_autoencoder(run)
    spec = info.spec
    if not isinstance(spec, DenseSpec | ConvSpec):
        raise ConfigError(f"The autoencoder in {run} can't be a Keras file.", "Dense and convolutional ones can.")
    if spec.beta is not None:
        raise ConfigError(
            f"The autoencoder in {run} is variational, which can't be a Keras file.", "Pretrain one without beta."
        )
    keras = _import_keras()
    tensors = cast("nn.Module", autoencoder).state_dict()
    if isinstance(spec, DenseSpec):
        twin = dense_twin(keras, spec, tensors, info.channels)
    else:
        twin = conv_twin(keras, spec, tensors)
    partial = out.with_name(f"{out.stem}.partial.keras")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        twin.model.save(partial)
        difference = largest_difference(keras, partial, autoencoder, twin)
        if not difference <= TOLERANCE:  # nor where it is not a number
            raise ExportError(
                f"Keras's outputs differ from Fieldmark's by {difference:.2g}, more than {TOLERANCE:g}; it isn't kept.",
                "Report it, with the autoencoder's autoencoder.json.",
            )
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return out


def largest_difference(keras: ModuleType, file: Path, autoencoder: Autoencoder, twin: KerasTwin) -> float:
    """Return the largest absolute difference between a file's codes and reconstructions and Fieldmark's.

    Args:
        keras: the module.
        file: a ``.keras`` file.
        autoencoder: what it was made of, in evaluation mode.
        twin: how values are passed between the two.
    """
    model = keras.saving.load_model(file, compile=False, safe_mode=True)
    both = keras.Model(model.input, [model.get_layer("code").output, model.output])
    with torch.no_grad():
        codes = autoencoder.encode(twin.sample)
        wanted = [twin.code_to_keras(codes), twin.input_to_keras(autoencoder.decode(codes))]
    found = both.predict(twin.input_to_keras(twin.sample).numpy(), verbose=0)
    return max(float((torch.from_numpy(a) - b).abs().max()) for a, b in zip(found, wanted, strict=True))


def _import_keras() -> ModuleType:
    """Import Keras, with torch as its backend unless the user chose one: torch is surely there."""
    if sys.modules.get("keras") is not None:
        return sys.modules["keras"]
    chosen = os.environ.get(_BACKEND)
    os.environ[_BACKEND] = chosen or "torch"
    try:
        import keras
    except ModuleNotFoundError as error:
        missing = error.name or "keras"
        raise ExportError(
            f"Keras can't be used: {missing} isn't installed.",
            "Install it: pip install 'fieldmark[keras]'." if missing == "keras" else f"Unset {_BACKEND}.",
        ) from error
    finally:
        if chosen is None:
            del os.environ[_BACKEND]
    return cast("ModuleType", keras)
