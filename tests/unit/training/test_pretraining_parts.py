import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fieldmark.data.table import make_table
from fieldmark.data.tokens import ByteTokenizer
from fieldmark.errors import ConfigError, DataError
from fieldmark.models.spectrogram import LogMelSpec
from fieldmark.records import Preprocessing
from fieldmark.training.norm_statistics import kept_statistics, reestimate_statistics
from fieldmark.training.parameter_groups import parameter_groups
from fieldmark.training.pretrain_config import PretrainConfig
from fieldmark.training.pretrain_inputs import modality_of, picture_inputs, sound_inputs, text_inputs
from fieldmark.training.pretrain_rows import choose_rows
from fieldmark.training.pretrain_spec import autoencoder_spec


def table(**columns: list[object]):
    count = len(next(iter(columns.values())))
    return make_table({"id": [str(index) for index in range(count)], **columns}, Path("nowhere"), reader="test")


SPLITS = ["train", "train", "val", "test", None, "train"]
LABELS = ["a", "b", "a", "a", None, None]


def test_all_rows_but_the_test_split_are_trained_on():
    rows = choose_rows(table(path=list("uvwxyz"), split=SPLITS, label=LABELS), PretrainConfig())
    assert rows.train.tolist() == [0, 1, 2, 4, 5]
    assert rows.validation.tolist() == []
    assert rows.unlabelled == 2
    assert rows.shown.tolist() == [3]


def test_a_split_to_validate_on_is_left_out():
    rows = choose_rows(table(path=list("uvwxyz"), split=SPLITS, label=LABELS), PretrainConfig(validate_on="val"))
    assert rows.train.tolist() == [0, 1, 4, 5]
    assert rows.validation.tolist() == [2]


def test_held_out_classes_are_not_trained_on():
    some = table(path=list("uvwxyz"), split=["train"] * 6, label=["a", "b", "c", "a", "b", None])
    rows = choose_rows(some, PretrainConfig(held_out_classes=1))
    assert len(rows.held_out) == 1
    labels = some.frame["label"].to_numpy()
    assert rows.held_out[0] not in labels[rows.train].tolist()
    assert len(rows.train) == 6 - (labels == rows.held_out[0]).sum()


def test_too_much_to_leave_out_names_the_cure():
    some = table(path=list("uv"), split=["train", "test"], label=["a", "b"])
    with pytest.raises(ConfigError, match="held out"):
        choose_rows(some, PretrainConfig(held_out_classes=2))
    with pytest.raises(DataError, match="there are 1"):
        choose_rows(some, PretrainConfig())
    with pytest.raises(DataError, match="split val"):
        choose_rows(some, PretrainConfig(validate_on="val"))


def test_the_samples_decide_on_the_modality():
    assert modality_of(table(text=["x", "y"])) == "texts"
    assert modality_of(table(path=["x.wav", "y.wav", "z.png"])) == "sounds"
    assert modality_of(table(path=["x.png", "y.jpg"])) == "pictures"


def test_plain_pictures_come_from_memory_as_they_are(tmp_path: Path):
    generator = np.random.default_rng(0)
    for index in range(3):
        Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / f"{index}.png")
    some = make_table({"path": [f"{index}.png" for index in range(3)]}, tmp_path, reader="test")
    plain = Preprocessing(8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    inputs = picture_inputs(some, plain, tmp_path / "cache")
    expected = np.asarray(Image.open(tmp_path / "1.png")).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(inputs.batch(np.array([1]))[0].numpy(), expected, atol=1e-6)
    grey = picture_inputs(some, plain, tmp_path / "cache", channels=1)
    np.testing.assert_allclose(grey.batch(np.array([1]))[0, 0].numpy(), expected.mean(0), atol=0.5 / 255 + 1e-6)


def test_frames_have_mean_0_and_deviation_1_over_rows_outside_the_test(tmp_path: Path):
    import wave

    generator = np.random.default_rng(0)
    for index in range(4):
        samples = (generator.normal(0, 3000 * (1 + index), 4000)).astype("<i2")
        with wave.open(str(tmp_path / f"{index}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(samples.tobytes())
    paths = [f"{index}.wav" for index in range(4)]
    some = make_table({"path": paths, "split": ["train", "train", None, "test"]}, tmp_path, reader="test")
    inputs = sound_inputs(some, LogMelSpec())
    seen = inputs.batch(np.arange(3)).flatten(0, 1)
    torch.testing.assert_close(seen.mean(0), torch.zeros(40), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen.std(0), torch.ones(40), atol=1e-3, rtol=0)
    assert inputs.batch(np.array([3])).mean() > 0.5  # the loud one
    assert inputs.lengths.tolist() == [51] * 4


def test_a_batch_of_texts_is_as_long_as_its_longest():
    inputs = text_inputs(table(text=["a", "abc", None]), ByteTokenizer(), max_tokens=3)
    assert len(inputs.table) == 2
    assert inputs.batch(np.array([0])).tolist() == [[ord("a") + 3, 2]]
    assert inputs.batch(np.array([0, 1])).shape == (2, 3)


def test_rebuilding_leaves_running_statistics_alone_but_normalises_by_the_batch():
    norm = nn.BatchNorm1d(2)
    x = torch.tensor([[0.0, 1.0], [2.0, 5.0]])
    with kept_statistics(norm):
        inside = norm(x)
    assert norm.running_mean.tolist() == [0, 0]
    assert norm.running_var.tolist() == [1, 1]
    torch.testing.assert_close(inside, nn.BatchNorm1d(2)(x))
    norm(x)
    assert norm.running_mean.tolist() == pytest.approx([0.1, 0.3])


def test_statistics_are_measured_anew():
    norm = nn.BatchNorm1d(1)
    norm.running_mean.fill_(100)
    norm.eval()
    batches = [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [7.0]])]
    reestimate_statistics(norm, norm, batches)
    assert norm.running_mean.item() == pytest.approx(4)
    assert norm.running_var.item() == pytest.approx(2)
    assert (norm.training, norm.momentum) == (False, 0.1)


def test_vectors_do_not_decay():
    layer = nn.Linear(2, 3)
    frozen = nn.Parameter(torch.zeros(2, 2), requires_grad=False)
    decaying, fixed = parameter_groups([*layer.parameters(), frozen], 0.5, 0.1)
    assert decaying == {"params": [layer.weight], "lr": 0.5, "peak": 0.5, "weight_decay": 0.1}
    assert (fixed["params"], fixed["weight_decay"]) == ([layer.bias], 0.0)


@pytest.mark.parametrize("name", ["dense", "conv", "recurrent", "masked_conv", "masked_vit"])
def test_every_kind_has_its_spec(name: str):
    config = PretrainConfig(
        autoencoder=name,
        backbone="vit_tiny_patch16_224" if name == "masked_vit" else "resnet18",
        corruption="mask",
        corruption_strength=0.25,
        mask_ratio=0.5,
        grey=True,
        resolution=28,
    )
    spec = dataclasses.asdict(autoencoder_spec(config, vocabulary=0))
    assert (spec["corruption"], spec["corruption_strength"]) == ("mask", 0.25)
    expected = {"dense": ("sizes", (784, 128, 64)), "conv": ("channels", 1), "recurrent": ("frame_dim", 40)}
    key, value = expected.get(name, ("ratio", 0.5))
    assert spec[key] == value


@pytest.mark.parametrize(
    "wrong",
    [
        {"autoencoder": "mask_conv"},
        {"mask_ratio": 1.0},
        {"hidden_sizes": ()},
        {"widths": (32, 0)},
        {"feature_weights": "x.safetensors", "autoencoder": "conv"},
        {"validate_on": "train"},
        {"freeze_backbone": True},
        {"freeze_backbone": True, "autoencoder": "skeleton"},
        {"init": "run", "weights": "hub"},
        {"init": "run", "autoencoder": "conv"},
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, object]):
    with pytest.raises(ConfigError):
        PretrainConfig(**wrong)
