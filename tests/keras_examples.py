"""Autoencoders with random weights, saved as Fieldmark saves them, and Keras with torch as its backend."""

import os
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from fieldmark.models.autoencoders import Autoencoder, AutoencoderSpec, build_autoencoder
from fieldmark.models.autoencoders.saved import AutoencoderInfo, save_autoencoder
from fieldmark.records import Preprocessing

UNIT = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def import_keras() -> ModuleType:
    """Keras, unless it isn't installed; the backend is chosen when it is first imported."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras", reason="Keras isn't installed: pip install 'fieldmark[keras]'")


def save_random(folder: Path, spec: AutoencoderSpec, *, channels: int = 1, resolution: int = 28) -> Autoencoder:
    """Save an autoencoder whose normalisations have seen data, and return it in evaluation mode."""
    torch.manual_seed(0)
    model = build_autoencoder(spec)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.normal_(layer.weight, 1)
            nn.init.normal_(layer.bias)
    info = AutoencoderInfo(spec, preprocessing=Preprocessing(resolution, **UNIT), channels=channels)
    save_autoencoder(folder, model, info)
    return model.eval()
