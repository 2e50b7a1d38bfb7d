"""Evaluation of pretraining runs in miniature: fresh networks on generated pictures, sounds and texts."""

import json
import math
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fieldmark.data.table import Table, make_table
from fieldmark.data.tokens import ByteTokenizer
from fieldmark.errors import BundleError
from fieldmark.evaluation import PretrainedBackbone, comparison, evaluate_pretraining, unseen
from fieldmark.evaluation.probes import attention
from fieldmark.models.autoencoders import (
    AutoencoderSpec,
    DenseSpec,
    MaskedConvSpec,
    RecurrentSpec,
    build_autoencoder,
)
from fieldmark.models.autoencoders.saved import AutoencoderInfo, load_autoencoder, save_autoencoder
from fieldmark.models.backbones import BackboneSpec, build_backbone
from fieldmark.models.spectrogram import LogMelSpec
from fieldmark.pretraining_results import PretrainingResult
from fieldmark.records import Preprocessing

CNN = BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32)})
CLASSES = ("red", "green", "blue")
TRAIN, TEST, UNLABELLED = 6, 3, 4


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_STEPS", (40, 40))


def rows_of(sample: str, make: Callable[[str, int, str], str]) -> dict[str, list[object]]:
    """Rows of three classes in training and test, and unlabelled ones; ``make`` names or writes each sample."""
    rows: dict[str, list[object]] = {"id": [], sample: [], "label": [], "split": [], "group": []}
    wanted = [("train", TRAIN), ("test", TEST)]
    plan = [(label, split, place) for label in CLASSES for split, count in wanted for place in range(count)]
    plan += [("red", None, place) for place in range(UNLABELLED)]
    for label, split, place in plan:
        values = (
            f"{label}-{split}-{place}",
            make(label, place, split or "free"),
            label if split else None,
            split,
            f"{label}-{split}" if split == "test" else None,
        )
        for name, value in zip(rows, values, strict=True):
            rows[name].append(value)
    return rows


def save_run(
    run: Path, table: Table, spec: AutoencoderSpec, info: AutoencoderInfo, files: dict[str, str] | None = None
) -> Path:
    run.mkdir()
    table.save(run / "table.parquet")
    torch.manual_seed(0)
    save_autoencoder(run / "autoencoder", build_autoencoder(spec), info, files=files)
    return run


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Table:
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)

    def draw(label: str, place: int, split: str) -> str:
        pixels = generator.integers(0, 80, size=(40, 40, 3), dtype=np.uint8)
        pixels[..., CLASSES.index(label)] += 150
        Image.fromarray(pixels).save(root / f"{split}-{label}-{place}.png")
        return f"{split}-{label}-{place}.png"

    return make_table(rows_of("path", draw), root, reader="test", classes=CLASSES)


TRAINING = {
    "rows": 16,
    "unlabelled": UNLABELLED,
    "epochs_trained": 3,
    "seed": 5,
    "cpu_hours": 0.25,
    "weights": "none",
    "held_out_classes": "blue",
}


@pytest.fixture(scope="module")
def masked_run(pictures: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = MaskedConvSpec(CNN, decoder_width=64)
    info = AutoencoderInfo(spec, preprocessing=Preprocessing(64), training=TRAINING)
    return save_run(tmp_path_factory.mktemp("masked") / "run", pictures, spec, info)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> PretrainedBackbone:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(build_backbone(CNN).network.state_dict(), path)  # type: ignore[attr-defined]
    return PretrainedBackbone(CNN, path)


def test_pictures(masked_run: Path, pictures: Table, weights: PretrainedBackbone, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    result = evaluate_pretraining(
        masked_run, cache=tmp_path, baseline_weights=weights, progress=lambda done, total: told.append((done, total))
    )
    assert PretrainingResult.load(masked_run) == result
    assert told[-6:] == [(step, 6) for step in range(1, 7)]
    scores = {(score.features, score.probe): score for score in result.probes}
    sources = ("pretrained", "pca", "untrained", "imagenet")
    assert set(scores) == {(source, probe) for source in sources for probe in ("knn", "linear", "attention")}
    assert {key: scores[key].dim for key in scores if key[0] != "pca"} == dict.fromkeys(
        (key for key in scores if key[0] != "pca"), 32
    )
    assert scores["pca", "linear"].dim == 18  # as many as there are training rows
    assert scores["pca", "attention"].dim == 32
    assert scores["pca", "knn"].accuracy == 1  # colours: nothing is plainer in the input
    for score in result.probes:
        assert 0 <= score.interval.low <= score.accuracy == score.interval.value <= score.interval.high <= 1
    assert (result.probe_train, result.probe_split, result.probe_rows, result.probe_classes) == (18, "test", 9, 3)
    assert (result.autoencoder, result.modality, result.weights) == ("masked_conv", "pictures", "none")
    assert (result.epochs, result.seed, result.cpu_hours) == (3, 5, 0.25)
    assert (result.rows, result.unlabelled) == (2 * TRAIN + UNLABELLED, UNLABELLED)
    assert result.token_accuracy is None
    assert result.fingerprint == pictures.fingerprint()


def test_outliers_are_told_by_the_error(masked_run: Path, pictures: Table, tmp_path: Path) -> None:
    result = evaluate_pretraining(masked_run, cache=tmp_path)
    assert result.outliers is not None
    assert (result.outliers.held_out, result.outliers.known, result.outliers.unknown) == (("blue",), 6, 3)
    assert any("blue" in warning for warning in result.warnings)
    errors = {one.id: one.error for one in result.reconstructions}
    assert len(errors) == 8
    assert all(key.split("-")[1] == "test" for key in errors)
    network, _ = load_autoencoder(masked_run)
    expected = []
    for name in pictures.split("test").frame["path"]:
        unit = np.asarray(Image.open(pictures.root / name).resize((64, 64), Image.Resampling.LANCZOS)) / 255
        x = (unit - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        expected.append(float(network.reconstruction_error(torch.from_numpy(x).float().permute(2, 0, 1)[None])[0]))
    assert result.test_error == pytest.approx(np.mean(expected), rel=0.02)


def test_reconstructions_are_three_panels(masked_run: Path, tmp_path: Path) -> None:
    (masked_run / "reconstructions").mkdir(exist_ok=True)
    (masked_run / "reconstructions" / "stale.png").touch()
    result = evaluate_pretraining(masked_run, cache=tmp_path)
    files = {one.file for one in result.reconstructions}
    assert {f"reconstructions/{path.name}" for path in (masked_run / "reconstructions").iterdir()} == files
    pixels = np.asarray(Image.open(masked_run / result.reconstructions[0].file)).astype(float)
    assert pixels.shape == (128, 3 * 128, 3)
    whole, shown, rebuilt = np.split(pixels, 3, axis=1)
    hidden = (shown != whole).any(2).mean()
    assert 0.5 <= hidden <= 0.8  # the mean colour in 60 % of four blocks, rounded
    same = (shown == whole).all(2)
    np.testing.assert_array_equal(rebuilt[same], whole[same])
    colour = {"red": 0, "green": 1, "blue": 2}[result.reconstructions[0].label or ""]
    assert whole.mean((0, 1)).argmax() == colour


def test_the_same_seed_gives_the_same_result(masked_run: Path, tmp_path: Path) -> None:
    first, again = (json.loads(evaluate_pretraining(masked_run, cache=tmp_path, seed=2).to_json()) for _ in range(2))
    for result in (first, again):
        del result["evaluated_at"]
    assert first == again


def test_vectors_of_grey_pictures(pictures: Table, tmp_path: Path) -> None:
    spec = DenseSpec((144, 32, 8))
    info = AutoencoderInfo(spec, preprocessing=Preprocessing(12), channels=1)
    run = save_run(tmp_path / "run", pictures, spec, info)
    result = evaluate_pretraining(run, cache=tmp_path / "cache")
    found = {(score.features, score.probe): score.dim for score in result.probes}
    assert found == {(source, probe): 8 for source in ("pretrained", "pca", "untrained") for probe in ("knn", "linear")}
    assert result.outliers is None
    pixels = np.asarray(Image.open(run / result.reconstructions[0].file))
    assert pixels.shape == (132, 3 * 132, 3)
    assert (pixels[..., 0] == pixels[..., 2]).all()


def test_without_a_test_split_validation_is_measured(pictures: Table, tmp_path: Path) -> None:
    spec = DenseSpec((144, 32, 8))
    info = AutoencoderInfo(spec, preprocessing=Preprocessing(12), channels=1)
    moved = pl.when(pl.col("split") == "test").then(pl.lit("val")).otherwise("split").alias("split")
    table = Table(pictures.frame.with_columns(moved), pictures.root, CLASSES)
    result = evaluate_pretraining(save_run(tmp_path / "run", table, spec, info), cache=tmp_path / "cache")
    assert (result.probe_split, result.test_error) == ("val", None)
    assert len(result.reconstructions) == 8
    assert any("validation" in warning for warning in result.warnings)


def test_without_labels_nothing_is_probed(pictures: Table, tmp_path: Path) -> None:
    spec = DenseSpec((144, 32, 8))
    told = {"rows": len(pictures), "unlabelled": len(pictures)}
    info = AutoencoderInfo(spec, preprocessing=Preprocessing(12), channels=1, training=told)
    bare = pictures.frame.with_columns(label=pl.lit(None, pl.String), split=pl.lit(None, pl.String))
    run = save_run(tmp_path / "run", Table(bare, pictures.root), spec, info)
    result = evaluate_pretraining(run, cache=tmp_path / "cache")
    assert PretrainingResult.load(run) == result
    assert (result.probes, result.probe_split, result.reconstructions, result.test_error) == ((), "", (), None)
    assert result.rows == result.unlabelled == len(pictures)
    assert any("nothing was probed" in warning for warning in result.warnings)


def test_large_data_are_sampled_and_say_so(pictures: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MAX_ROWS", 6)
    monkeypatch.setattr(unseen, "MAX_ROWS", 5)
    spec = DenseSpec((144, 32, 8))
    info = AutoencoderInfo(spec, preprocessing=Preprocessing(12), channels=1)
    result = evaluate_pretraining(save_run(tmp_path / "run", pictures, spec, info), cache=tmp_path / "cache")
    assert (result.probe_train, result.probe_rows, result.probe_classes) == (6, 6, 3)
    text = " ".join(result.warnings)
    assert "learned from 6 of 18 rows" in text
    assert "measured on 6 of 9 rows" in text
    assert "5 of 9 rows" in text


def test_sounds(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)

    def sing(label: str, place: int, split: str) -> str:
        name = f"{label}-{split}-{place}.wav"
        time = np.arange(1600 + 160 * place) / 8000
        wave_form = np.sin(2 * math.pi * (300 + 700 * CLASSES.index(label)) * time) / 2
        samples = ((wave_form + generator.normal(size=len(time)) / 50) * 2**15).clip(-(2**15), 2**15 - 1)
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(samples.astype("<i2").tobytes())
        return name

    table = make_table(rows_of("path", sing), tmp_path, reader="test", classes=CLASSES)
    spec = RecurrentSpec(frame_dim=20, code_dim=6, hidden=8)
    info = AutoencoderInfo(
        spec,
        modality="sounds",
        log_mel=LogMelSpec(n_mels=20),
        frame_mean=(-8.0,) * 20,
        frame_std=(3.0,) * 20,
        training={"held_out_classes": "red|blue", "rows": TRAIN + UNLABELLED},
    )
    run = save_run(tmp_path / "run", table, spec, info)
    result = evaluate_pretraining(run, cache=tmp_path / "cache")
    scores = {(score.features, score.probe): score for score in result.probes}
    assert set(scores) == {
        (source, probe) for source in ("pretrained", "pca", "untrained") for probe in ("knn", "linear")
    }
    assert scores["pca", "knn"].dim == scores["pretrained", "knn"].dim == 6
    assert scores["pca", "linear"].accuracy == 1  # tones of three pitches
    assert result.outliers is not None
    assert (result.outliers.known, result.outliers.unknown) == (3, 6)
    assert result.rows == TRAIN + UNLABELLED
    example = result.reconstructions[0]
    height, width = np.asarray(Image.open(run / example.file)).shape[:2]
    frames = 1 + (1600 + 160 * int(example.id[-1])) // 80
    assert width == frames * -(-128 // frames)
    assert height == 3 * 20 * (width // frames) + 8


def test_texts(tmp_path: Path) -> None:
    table = make_table(
        rows_of("text", lambda label, place, split: f"a {label} thing, {place} of them, {split}"),
        tmp_path,
        reader="test",
        classes=CLASSES,
    )
    spec = RecurrentSpec(vocabulary=ByteTokenizer.vocabulary, code_dim=6, hidden=8)
    info = AutoencoderInfo(spec, modality="texts", max_tokens=12)
    run = save_run(tmp_path / "run", table, spec, info, {"tokenizer.json": json.dumps({"tokenizer": "bytes"})})
    result = evaluate_pretraining(run, cache=tmp_path / "cache")
    assert PretrainingResult.load(run) == result
    scores = {(score.features, score.probe): score for score in result.probes}
    assert set(scores) == {
        ("tfidf", "svm"),
        *((source, probe) for source in ("pretrained", "untrained") for probe in ("knn", "linear")),
    }
    assert scores["tfidf", "svm"].accuracy == 1
    assert scores["tfidf", "svm"].dim > 10
    network, _ = load_autoencoder(run)
    ids = torch.from_numpy(ByteTokenizer().encode(table.split("test").frame["text"].to_list(), max_tokens=12).ids)
    _, written = network.reconstruct(ids)
    assert result.token_accuracy == pytest.approx(float((written == ids).float().mean()))
    assert all(one.text.startswith("a ") and len(one.text.encode()) == 12 for one in result.reconstructions)
    assert all(one.rebuilt and not one.file for one in result.reconstructions)
    assert not (run / "reconstructions").exists()


def test_a_run_that_lacks_something_says_so(pictures: Table, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no autoencoder"):
        evaluate_pretraining(tmp_path, cache=tmp_path / "cache")
    spec = DenseSpec((144, 32, 8))
    run = save_run(tmp_path / "run", pictures, spec, AutoencoderInfo(spec))
    with pytest.raises(BundleError, match="how pictures become"):
        evaluate_pretraining(run, cache=tmp_path / "cache")


def test_a_network_that_gives_no_numbers_is_refused(pictures: Table, tmp_path: Path) -> None:
    spec = DenseSpec((144, 32, 8))
    broken = build_autoencoder(spec)
    assert isinstance(broken, torch.nn.Module)
    torch.nn.init.constant_(broken.encoder[0].weight, float("nan"))
    run = save_run(tmp_path / "run", pictures, spec, AutoencoderInfo(spec))
    info = AutoencoderInfo(spec, preprocessing=Preprocessing(12), channels=1)
    save_autoencoder(run / "autoencoder", broken, info)
    with pytest.raises(BundleError, match="no numbers"):
        evaluate_pretraining(run, cache=tmp_path / "cache")
