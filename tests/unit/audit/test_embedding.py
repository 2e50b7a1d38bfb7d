from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fieldmark.audit.embedding as embedding_module
from audit_stand_ins import colour_network, picture, three_classes, write_table
from fieldmark.audit.embedding import embed_pictures
from fieldmark.audit.network import network_from_run, network_from_weights
from fieldmark.audit.projection import COMPONENTS, Projection, centred
from fieldmark.data.table import Table
from fieldmark.errors import BundleError, ConfigError, ModelError


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return write_table(tmp_path, three_classes())


def test_each_row_has_its_own_picture_whatever_the_batches(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    found = embed_pictures(table, colour_network())
    monkeypatch.setattr(embedding_module, "BATCH", 5)
    assert embed_pictures(table, colour_network()) == pytest.approx(found, abs=1e-5)
    again = embed_pictures(replace(table, frame=table.frame.reverse()), colour_network())
    cosines = found @ found.T
    turned = (again @ again.T)[::-1, ::-1]
    assert turned == pytest.approx(cosines, abs=1e-4)


def test_pictures_of_one_class_lie_nearer_than_others(table: Table) -> None:
    found = centred(embed_pictures(table, colour_network()))
    labels = np.array(table.frame["label"].to_list())
    cosines = found @ found.T
    same = labels[:, None] == labels[None]
    assert cosines[same].mean() > 0.5
    assert cosines[~same].mean() < 0


def test_components_are_those_of_a_sample_where_there_are_many(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_module, "_SAMPLE", 12)
    monkeypatch.setattr(embedding_module, "BATCH", 4)
    found = embed_pictures(table, colour_network())
    assert found.shape == (36, 12)
    assert (np.abs(found).sum(1) > 0).all()


def test_the_projection_keeps_cosines_where_all_components_stay() -> None:
    sample = np.random.default_rng(0).normal(3, 1, (50, 10)).astype(np.float32)
    projected = Projection(sample)(sample)
    scaled = sample / np.linalg.norm(sample, axis=1, keepdims=True)
    assert projected.shape == (50, 10)
    assert projected @ projected.T == pytest.approx(scaled @ scaled.T, abs=1e-5)
    apart = scaled - scaled.mean(0)
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    assert centred(projected) @ centred(projected).T == pytest.approx(apart @ apart.T, abs=1e-4)
    wide = np.random.default_rng(0).normal(size=(400, 300)).astype(np.float32)
    assert Projection(wide)(wide).shape == (400, COMPONENTS)


def test_what_lies_outside_the_components_makes_a_picture_less_like_all_others() -> None:
    generator = np.random.default_rng(0)
    usual = generator.normal(size=(600, 300)).astype(np.float32) * np.array([1.0] * 250 + [0.01] * 50, np.float32)
    odd = generator.normal(size=(1, 300)).astype(np.float32) * np.array([0.01] * 250 + [1.0] * 50, np.float32)
    projected = Projection(usual)(np.concatenate([usual, odd]))
    lengths = np.linalg.norm(projected, axis=1)
    assert lengths[-1] < 0.5 < lengths[:-1].min()


def test_a_picture_that_went_missing_resembles_nothing(table: Table) -> None:
    (table.root / "bee/3.png").unlink()
    found = embed_pictures(table, colour_network())
    missing = table.frame["id"].to_list().index("bee/3.png")
    assert (found[missing] == 0).all()
    assert (centred(found)[missing] == 0).all()


@pytest.mark.filterwarnings("error")
def test_one_picture_or_equal_ones_are_embedded_without_ado(tmp_path: Path) -> None:
    one = write_table(tmp_path, {f"{index}.png": ("ant", None, picture(0)) for index in range(3)})
    assert embed_pictures(one.where(one.frame["id"] == "0.png"), colour_network()).shape[0] == 1
    assert np.isfinite(embed_pictures(one, colour_network())).all()


def test_a_run_gives_its_backbone_and_its_preprocessing(tiny_run: Path) -> None:
    network = network_from_run(tiny_run)
    vectors = network.embed(np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8))
    assert network.preprocessing.resolution == 48
    assert network.name == "resnet10t of run"
    assert vectors.shape == (3, 32)
    assert not np.allclose(vectors[0], vectors[1])


def test_weights_are_those_of_the_network_of_their_name(tiny_run: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file
    from timm import create_model

    network = create_model("resnet10t", num_classes=0)
    save_file(network.state_dict(), tmp_path / "resnet10t.safetensors")
    by_name = network_from_weights(tmp_path / "resnet10t.safetensors", resolution=64)
    (tmp_path / "resnet10t.safetensors").rename(tmp_path / "mine.safetensors")
    told = network_from_weights(tmp_path / "mine.safetensors", "resnet10t", resolution=64, mean=(0.5, 0.5, 0.5))
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    assert by_name.preprocessing.resolution == 64
    assert told.preprocessing.mean == (0.5, 0.5, 0.5)
    assert not np.allclose(by_name.embed(pixels), told.embed(pixels))  # the mean differs
    assert load_file(tmp_path / "mine.safetensors")
    with pytest.raises(ConfigError, match="--backbone"):
        network_from_weights(tmp_path / "mine.safetensors")
    with pytest.raises(ModelError, match="no weights at"):
        network_from_weights(tmp_path / "resnet10t.safetensors")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="Give the folder"):
        network_from_run(tmp_path)
