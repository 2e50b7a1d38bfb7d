from pathlib import Path

import numpy as np
import pytest
import torch

from fieldmark.augment import normalise
from fieldmark.errors import BundleError, ConfigError
from fieldmark.models.bundle import load_bundle
from fieldmark.predict import load_predictor


def test_probabilities_are_the_softmax_of_the_logits_at_the_temperature(tiny_run: Path) -> None:
    recognizer, info = load_bundle(tiny_run)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    x = normalise(torch.from_numpy(pixels), info.preprocessing.mean, info.preprocessing.std)
    with torch.no_grad():
        logits = recognizer(x).double().numpy()
    literal = np.exp(logits / 2.0) / np.exp(logits / 2.0).sum(1, keepdims=True)
    assert info.temperature == 2.0
    assert np.allclose(load_predictor(tiny_run).probabilities(pixels), literal, atol=1e-5)


def test_top_limits_the_listed_classes(tiny_run: Path) -> None:
    picture = np.zeros((20, 20, 3), np.uint8)
    assert len(load_predictor(tiny_run, top=2)([picture])[0].top) == 2
    assert len(load_predictor(tiny_run, top=99)([picture])[0].top) == 5


def test_bad_arguments_name_the_cure(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batch size"):
        load_predictor(tiny_run, batch_size=0)
    with pytest.raises(ConfigError, match="'warp'"):
        load_predictor(tiny_run, device="warp")
    with pytest.raises(BundleError, match="no bundle"):
        load_predictor(tmp_path)
