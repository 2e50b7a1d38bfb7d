"""Keras files that Fieldmark writes: the same outputs in Keras, the same features when they come back."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from fieldmark.errors import BundleError, ConfigError, ExportError
from fieldmark.export import export, keras_model
from fieldmark.export.keras_file import export_keras
from fieldmark.models.autoencoders import AutoencoderSpec, ConvSpec, DenseSpec, RecurrentSpec
from fieldmark.models.autoencoders.encoder import encoder_from_autoencoder
from fieldmark.models.backbones import build_backbone
from fieldmark.models.backbones.keras_encoder import encoder_from_keras
from keras_examples import import_keras, save_random

#: What float32 sums in another order may make.
TOLERANCE = 1e-5

CASES: dict[str, tuple[AutoencoderSpec, tuple[int, int, int]]] = {
    "dense": (DenseSpec((16, 12, 8, 5)), (1, 4, 4)),
    "dense, one layer": (DenseSpec((16, 5)), (1, 4, 4)),
    "dense, coloured": (DenseSpec((48, 12, 5)), (3, 4, 4)),
    "conv": (ConvSpec(3, (4, 6, 8), 5), (3, 16, 24)),
    "conv, one stage, grey": (ConvSpec(1, (4,), 2), (1, 6, 4)),
}

#: Runs on its own: opens a file in whatever backend KERAS_BACKEND names, and saves what it makes of a batch.
OPEN = """
import sys, numpy, keras
model = keras.saving.load_model(sys.argv[1], safe_mode=True)
both = keras.Model(model.input, [model.get_layer("code").output, model.output])
codes, rebuilt = both.predict(numpy.load(sys.argv[2]), verbose=0)
numpy.savez(sys.argv[3], codes=codes, rebuilt=rebuilt)
"""


@pytest.fixture(params=CASES, ids=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[AutoencoderSpec, tuple[int, int, int]]:
    return CASES[request.param]


def as_keras_takes_it(spec: AutoencoderSpec, pictures: torch.Tensor) -> np.ndarray:
    last = pictures.permute(0, 2, 3, 1)
    return (last.flatten(1) if isinstance(spec, DenseSpec) else last).numpy()


def test_keras_gives_the_same_codes_and_reconstructions(
    case: tuple[AutoencoderSpec, tuple[int, int, int]], tmp_path: Path
) -> None:
    keras, (spec, shape) = import_keras(), case
    model = save_random(tmp_path / "run", spec, channels=shape[0], resolution=shape[1])
    file = export_keras(tmp_path / "run", tmp_path / "out" / "a.keras")
    assert [path.name for path in file.parent.iterdir()] == ["a.keras"]

    x = torch.rand(3, *shape)
    with torch.no_grad():
        codes, rebuilt = model.encode(x), model.reconstruct(x)[1]
    opened = keras.saving.load_model(file, safe_mode=True)
    both = keras.Model(opened.input, [opened.get_layer("code").output, opened.output])
    found = both.predict(as_keras_takes_it(spec, x), verbose=0)
    wanted_codes = codes if codes.ndim == 2 else codes.permute(0, 2, 3, 1)
    assert np.abs(found[0] - wanted_codes.numpy()).max() < TOLERANCE
    assert np.abs(found[1] - as_keras_takes_it(spec, rebuilt)).max() < TOLERANCE


def test_the_encoder_comes_back(case: tuple[AutoencoderSpec, tuple[int, int, int]], tmp_path: Path) -> None:
    import_keras()
    spec, shape = case
    model = save_random(tmp_path / "run", spec, channels=shape[0], resolution=shape[1])
    encoder, state = encoder_from_keras(export_keras(tmp_path / "run", tmp_path / "a.keras"))
    backbone = build_backbone(encoder).eval()
    backbone.load_state_dict(state)
    x = torch.rand(3, *shape)
    with torch.no_grad():
        codes = model.encode(x)
        features = backbone.forward_features(x.expand(-1, 3, -1, -1))
    assert torch.allclose(features.squeeze() if codes.ndim == 2 else features, codes, atol=TOLERANCE)
    ours = encoder_from_autoencoder(tmp_path / "run")[0]
    assert encoder.name == ours.name
    assert {name: encoder.options[name] for name in ("widths", "sizes") if name in encoder.options} == {
        name: ours.options[name] for name in ("widths", "sizes") if name in ours.options
    }


def test_the_file_needs_nothing_but_keras(tmp_path: Path) -> None:
    import_keras()
    save_random(tmp_path / "run", CASES["conv"][0], channels=3)
    file = export_keras(tmp_path / "run", tmp_path / "a.keras")
    with zipfile.ZipFile(file) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    assert {layer["module"] for layer in layers} == {"keras.layers"}
    assert "Lambda" not in {layer["class_name"] for layer in layers}


def test_a_file_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_keras()
    save_random(tmp_path / "run", CASES["conv"][0], channels=3)
    monkeypatch.setattr(keras_model, "_EPSILON", 0.1)
    with pytest.raises(ExportError, match="differ from Fieldmark's by"):
        export_keras(tmp_path / "run", tmp_path / "a.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (DenseSpec((16, 5), beta=1.0), "variational"),
        (ConvSpec(1, (4,), 2, beta=1.0), "variational"),
        (RecurrentSpec(frame_dim=3, hidden=4, code_dim=2), "can't be a Keras file"),
    ],
)
def test_other_autoencoders_are_refused(spec: AutoencoderSpec, words: str, tmp_path: Path) -> None:
    save_random(tmp_path / "run", spec)
    with pytest.raises(ConfigError, match=words) as caught:
        export_keras(tmp_path / "run", tmp_path / "a.keras")
    assert caught.value.cure
    assert not (tmp_path / "a.keras").exists()


def test_names_and_endings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no export format 'kera'") as caught:
        export(tmp_path, "kera")
    assert "keras" in caught.value.cure
    with pytest.raises(ConfigError, match="ending"):
        export_keras(tmp_path, tmp_path / "a.h5")
    with pytest.raises(BundleError, match="no autoencoder"):
        export(tmp_path, "keras")


def test_a_file_that_is_there_stays_unless_told_otherwise(tmp_path: Path) -> None:
    import_keras()
    save_random(tmp_path / "run" / "autoencoder", CASES["dense"][0])
    file = tmp_path / "run" / "autoencoder.keras"
    file.write_text("mine")
    with pytest.raises(ConfigError, match="there already") as caught:
        export(tmp_path / "run", "keras")
    assert "--force" in caught.value.cure
    assert file.read_text() == "mine"
    assert export(tmp_path / "run", "keras", replace=True).file == file
    assert zipfile.is_zipfile(file)


def test_without_keras_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_random(tmp_path / "run", CASES["dense"][0])
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Absent(), *sys.meta_path])
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(ExportError, match="keras isn't installed") as caught:
        export_keras(tmp_path / "run", tmp_path / "a.keras")
    assert "fieldmark[keras]" in caught.value.cure


class _Absent:
    """An import hook in whose world there is no Keras."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "keras":
            raise ModuleNotFoundError("No module named 'keras'", name="keras")


def test_the_choice_of_backend_is_the_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import os\n"
        "from fieldmark.export.keras_file import _import_keras\n"
        "print(_import_keras().backend.backend(), os.environ.get('KERAS_BACKEND'))\n"
    )
    import_keras()
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "torch None"


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax", "tensorflow"])
@pytest.mark.parametrize("name", ["dense, coloured", "conv"])
def test_every_backend_opens_it_with_the_same_outputs(name: str, backend: str, tmp_path: Path) -> None:
    """FIELDMARK_KERAS_PYTHON may name the Python of another environment, such as one with TensorFlow."""
    import_keras()
    python = os.environ.get("FIELDMARK_KERAS_PYTHON", sys.executable)
    there = subprocess.run([python, "-c", f"import keras, {backend}"], capture_output=True, check=False)
    if there.returncode:
        pytest.skip(f"Keras or its backend {backend} isn't installed for {python}")
    spec, shape = CASES[name]
    model = save_random(tmp_path / "run", spec, channels=shape[0], resolution=shape[1])
    file = export_keras(tmp_path / "run", tmp_path / "a.keras")
    x = torch.rand(3, *shape)
    np.save(tmp_path / "x.npy", as_keras_takes_it(spec, x))
    subprocess.run(
        [python, "-c", OPEN, str(file), str(tmp_path / "x.npy"), str(tmp_path / "y.npz")],
        env={**os.environ, "KERAS_BACKEND": backend},
        check=True,
        capture_output=True,
    )
    found = np.load(tmp_path / "y.npz")
    with torch.no_grad():
        codes, rebuilt = model.encode(x), model.reconstruct(x)[1]
    wanted_codes = codes if codes.ndim == 2 else codes.permute(0, 2, 3, 1)
    assert np.abs(found["codes"] - wanted_codes.numpy()).max() < TOLERANCE
    assert np.abs(found["rebuilt"] - as_keras_takes_it(spec, rebuilt)).max() < TOLERANCE
