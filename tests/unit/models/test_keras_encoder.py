"""Encoders of Keras files that others wrote: the same codes as Keras's, or a reason why not."""

import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from fieldmark.errors import FieldmarkError, ModelError
from fieldmark.models.backbones import build_backbone
from fieldmark.models.backbones.keras_encoder import encoder_from_keras
from keras_examples import import_keras

TOLERANCE = 1e-5

#: A model, and the part of it that is the encoder.
Built = tuple[Any, Any]


def classical(keras: ModuleType) -> Built:
    """The dense autoencoder of Keras's own tutorial."""
    layers = keras.layers
    x = given = keras.Input((784,))
    for units in (128, 64, 32):
        x = layers.Dense(units, activation="relu")(x)
    codes = x
    for units in (64, 128):
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model(given, layers.Dense(784, activation="sigmoid")(x)), keras.Model(given, codes)


def nested(keras: ModuleType) -> Built:
    """Encoder and decoder as models of their own, other activations, no bias, layers that rest after training."""
    layers = keras.layers
    encoder = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Flatten(),
            layers.Dense(20, activation="tanh", use_bias=False),
            layers.Dropout(0.5),
            layers.Dense(7),
            layers.LeakyReLU(0.3),
        ]
    )
    decoder = keras.Sequential(
        [keras.Input((7,)), layers.Dense(20, activation="selu"), layers.Dense(108), layers.Reshape((6, 6, 3))]
    )
    given = keras.Input((6, 6, 3))
    return keras.Model(given, decoder(encoder(given))), encoder


def named(keras: ModuleType) -> Built:
    """The layer that is named code ends the encoder, though another one is narrower."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4, 4)),
            layers.Flatten(),
            layers.Dense(9, activation="gelu", name="code"),
            layers.Dense(3, activation="silu"),
            layers.Dense(16, activation="sigmoid"),
        ]
    )
    return model, keras.Model(model.inputs, model.get_layer("code").output)


def pooled(keras: ModuleType) -> Built:
    """The convolutional autoencoder of Keras's own tutorial, on an odd size."""
    layers = keras.layers
    x = given = keras.Input((21, 21, 1))
    for filters in (8, 4):
        x = layers.Conv2D(filters, 3, activation="relu", padding="same")(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    x = codes = layers.Conv2D(4, 3, activation="relu", padding="same")(x)
    x = layers.UpSampling2D(2)(x)
    return keras.Model(given, layers.Conv2D(1, 3, padding="same")(x)), keras.Model(given, codes)


def strided(keras: ModuleType) -> Built:
    """Strides whose padding is one-sided, normalisations of Keras's own epsilon, padding that isn't even."""
    layers = keras.layers
    x = given = keras.Input((None, None, 3))
    x = layers.Conv2D(6, 5, strides=2, padding="same")(x)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.Activation("elu")(x)
    # Keras's torch backend averages over one-sided padding otherwise than its JAX and TensorFlow ones, so none of it.
    x = layers.AveragePooling2D(2, strides=2)(x)
    x = layers.ZeroPadding2D(((1, 2), (0, 1)))(x)
    x = layers.Conv2D(5, 2, strides=2, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = codes = layers.ReLU()(x)
    x = layers.Conv2DTranspose(3, 3, strides=2)(x)
    return keras.Model(given, x), keras.Model(given, codes)


MODELS: dict[str, tuple[Callable[[ModuleType], Built], tuple[int, int, int]]] = {
    "classical": (classical, (28, 28, 1)),
    "nested": (nested, (6, 6, 3)),
    "named": (named, (4, 4, 1)),
    "pooled": (pooled, (21, 21, 1)),
    "strided": (strided, (27, 22, 3)),
}


@pytest.mark.parametrize("name", MODELS)
def test_codes_are_those_of_keras(name: str, tmp_path: Path) -> None:
    keras, (build, shape) = import_keras(), MODELS[name]
    keras.utils.set_random_seed(0)
    model, encoder = build(keras)
    model.set_weights(
        [np.random.default_rng(0).uniform(0.1, 0.5, w.shape) - 0.2 * (w.ndim > 1) for w in model.get_weights()]
    )
    model.save(tmp_path / "a.keras")
    spec, state = encoder_from_keras(tmp_path / "a.keras")
    backbone = build_backbone(spec).eval()
    backbone.load_state_dict(state)

    x = np.random.default_rng(1).random((3, *shape), np.float32)
    flat = name == "classical"
    given = x.reshape(3, -1) if flat else x[..., 0] if name == "named" else x
    wanted = encoder.predict(given, verbose=0)
    pictures = torch.from_numpy(x).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    with torch.no_grad():
        found = backbone.forward_features(pictures).permute(0, 2, 3, 1).numpy()
    assert found.shape[-1] == backbone.feature_dim
    assert np.abs(wanted).max() > 0.01
    assert np.abs(found.reshape(wanted.shape) - wanted).max() < TOLERANCE * max(1, np.abs(wanted).max())


def test_an_encoder_without_a_decoder_is_taken_whole(tmp_path: Path) -> None:
    keras = import_keras()
    classical(keras)[1].save(tmp_path / "a.keras")
    assert encoder_from_keras(tmp_path / "a.keras")[0].options["sizes"] == (784, 128, 64, 32)


def unsupported(keras: ModuleType) -> Any:
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.DepthwiseConv2D(3), keras.layers.Conv2D(2, 3)])


def recurrent(keras: ModuleType) -> Any:
    return keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4)])


def dense_on_maps(keras: ModuleType) -> Any:
    layers = keras.layers
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten(name="flat"), layers.Dense(4)])


def executable(keras: ModuleType) -> Any:
    return keras.Sequential(
        [keras.Input((16,)), keras.layers.Lambda(lambda x: x, name="any_code"), keras.layers.Dense(4)]
    )


def branching(keras: ModuleType) -> Any:
    given = keras.Input((16,))
    first = keras.layers.Dense(4, name="first")(given)
    return keras.Model(given, keras.layers.Add(name="both")([first, keras.layers.Dense(4)(given)]))


def shared(keras: ModuleType) -> Any:
    given, layer = keras.Input((16,)), keras.layers.Dense(16, name="twice")
    return keras.Model(given, layer(layer(given)))


def oblong(keras: ModuleType) -> Any:
    return keras.Sequential([keras.Input((14, 56)), keras.layers.Flatten(), keras.layers.Dense(4)])


def unusual_activation(keras: ModuleType) -> Any:
    return keras.Sequential([keras.Input((16,)), keras.layers.Dense(4, activation="softmax", name="soft")])


def uneven(keras: ModuleType) -> Any:
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, (3, 5), name="uneven")])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (unsupported, "depthwise_conv2d.*DepthwiseConv2D"),
        (recurrent, "neither dense nor convolutional"),
        (dense_on_maps, "'flat' of kind Flatten"),
        (executable, "'any_code' of kind Lambda"),
        (branching, "no plain chain.*is fed by"),
        (shared, "no plain chain"),
        (oblong, "no square pictures"),
        (unusual_activation, "'softmax' in 'soft'"),
        (uneven, r"kernel_size \[3, 5\] in 'uneven'"),
    ],
)
def test_what_can_t_be_taken_over_is_named(build: Callable[[ModuleType], Any], words: str, tmp_path: Path) -> None:
    build(import_keras()).save(tmp_path / "a.keras")
    with pytest.raises(ModelError, match=words) as caught:
        encoder_from_keras(tmp_path / "a.keras")
    assert caught.value.cure


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras, file = import_keras(), tmp_path_factory.mktemp("honest") / "a.keras"
    keras.Sequential([keras.Input((16,)), keras.layers.Dense(4), keras.layers.Dense(16)]).save(file)
    encoder_from_keras(file)  # is fine
    return file


def rewritten(source: Path, target: Path, **entries: bytes | None) -> Path:
    """A copy of a file with other entries; ``None`` leaves one out."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as copy:
        for name in archive.namelist():
            content = entries.get(name.split(".")[0], archive.read(name))
            if content is not None:
                copy.writestr(name, content)
    return target


def changed_config(source: Path, change: Callable[[Any], None]) -> bytes:
    with zipfile.ZipFile(source) as archive:
        config = json.loads(archive.read("config.json"))
    change(config)
    return json.dumps(config).encode()


def dense_of(config: Any) -> Any:
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Dense")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda config: dense_of(config).update(module="os", class_name="system"), "isn't Keras's own"),
        (lambda config: dense_of(config)["config"].pop("units"), "broken"),
        (lambda config: dense_of(config)["config"].update(units=10**12), "doesn't fit its layer"),
        (lambda config: config.update(config=3), "broken"),
        (lambda config: config.update(class_name="Pickle"), "isn't Keras's own"),
        (lambda config: config["config"].update(layers=[]), "neither dense"),
    ],
)
def test_false_descriptions_are_refused(
    change: Callable[[Any], None], words: str, honest: Path, tmp_path: Path
) -> None:
    file = rewritten(honest, tmp_path / "b.keras", config=changed_config(honest, change))
    with pytest.raises(ModelError, match=words):
        encoder_from_keras(file)


def test_broken_files_are_refused(honest: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no Keras file at"):
        encoder_from_keras(tmp_path / "none.keras")
    text = tmp_path / "text.keras"
    text.write_text("hello")
    for file, words in [
        (text, "no file of Keras 3"),
        (rewritten(honest, tmp_path / "a.keras", metadata=None), "no file of Keras 3"),
        (rewritten(honest, tmp_path / "b.keras", metadata=b'{"keras_version": "2.15.0"}'), "written by Keras 2.15.0"),
        (rewritten(honest, tmp_path / "c.keras", config=b"{"), "description is broken"),
        (rewritten(honest, tmp_path / "d.keras", config=b"[" * 100_000), "description is broken"),
        (rewritten(honest, tmp_path / "e.keras", model=b"no HDF5"), "weights are broken"),
    ]:
        with pytest.raises(ModelError, match=words):
            encoder_from_keras(file)
    whole = honest.read_bytes()
    for end in range(0, len(whole), 997):
        (tmp_path / "cut.keras").write_bytes(whole[:end])
        with pytest.raises(FieldmarkError):
            encoder_from_keras(tmp_path / "cut.keras")


def test_weights_that_point_out_of_the_file_are_not_followed(honest: Path, tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["kernel"] = np.zeros((16, 4), np.float32)

    def weights(write: Callable[[Any], None]) -> bytes:
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            group = file.create_group("layers/dense/vars")
            write(group)
            group["1"] = np.zeros(4, np.float32)
        return stream.getvalue()

    def external(group: Any) -> None:
        group["0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "kernel")

    def raw(group: Any) -> None:
        group.create_dataset("0", (16, 4), np.float32, external=[(str(tmp_path / "secret.h5"), 0, 256)])

    def endless(group: Any) -> None:
        group["0"] = np.full((16, 4), np.nan, np.float32)

    for write, words in [(external, "no tensor"), (raw, "no floats"), (endless, "aren't finite")]:
        with pytest.raises(ModelError, match=words):
            encoder_from_keras(rewritten(honest, tmp_path / "x.keras", model=weights(write)))


def test_without_h5py_the_message_says_what_to_install(honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModelError, match="h5py") as caught:
        encoder_from_keras(honest)
    assert "fieldmark[keras]" in caught.value.cure


def test_nothing_of_keras_is_needed_to_read(honest: Path) -> None:
    import subprocess

    code = (
        "import sys; from pathlib import Path\n"
        "from fieldmark.models.backbones.keras_encoder import encoder_from_keras\n"
        "encoder_from_keras(Path(sys.argv[1])); assert 'keras' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(honest)], check=True)
