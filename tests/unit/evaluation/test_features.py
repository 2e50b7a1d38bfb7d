"""Features in bounded memory, and the networks that they are compared with."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fieldmark.data.table import Table, make_table
from fieldmark.errors import BundleError, ConfigError, ModelError
from fieldmark.evaluation.features import FeatureShape, extract_features, kept_grid, shrink
from fieldmark.evaluation.raw_input import pca_features
from fieldmark.evaluation.reference_networks import (
    PretrainedBackbone,
    pretrained_encoder,
    untrained_autoencoder,
)
from fieldmark.models.autoencoders import ConvSpec, DenseSpec, MaskedConvSpec, build_autoencoder
from fieldmark.models.autoencoders.saved import AutoencoderInfo
from fieldmark.models.backbones import BackboneSpec, build_backbone
from fieldmark.records import BrokenRow, Preprocessing

CNN = BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32)})


@dataclass(frozen=True)
class Given:
    """Inputs that are given as one tensor; tells how many went out at once."""

    x: Tensor
    sizes: list[int]
    broken: tuple[BrokenRow, ...] = ()

    @property
    def table(self) -> Table:
        return make_table({"id": [str(place) for place in range(len(self.x))]}, Path(), reader="test")

    def batch(self, places: np.ndarray) -> Tensor:
        self.sizes.append(len(places))
        return self.x[torch.from_numpy(places)]


def given(x: Tensor) -> Given:
    return Given(x, [])


def test_maps_are_kept_and_averaged() -> None:
    inputs = given(torch.rand(7, 3, 12, 8))
    encode = nn.Conv2d(3, 5, 3, padding=1)
    places = np.array([6, 0, 3, 4, 2])
    found = extract_features(encode, inputs, places, batch_size=2)
    assert inputs.sizes == [2, 2, 1]
    expected = encode(inputs.x[places]).detach()
    np.testing.assert_allclose(found.vectors, expected.mean((2, 3)).numpy(), atol=1e-6)
    assert found.shape == FeatureShape(5, (12, 8), (6, 4))
    assert found.maps is not None
    np.testing.assert_allclose(found.maps, nn.functional.avg_pool2d(expected, 2).numpy(), atol=1e-6)


def test_vectors_stay_vectors() -> None:
    inputs = given(torch.rand(3, 4))
    found = extract_features(lambda x: 2 * x, inputs, np.arange(3))
    assert found.maps is None
    assert found.shape == FeatureShape(4)
    np.testing.assert_allclose(found.vectors, 2 * inputs.x.numpy())


def test_maps_take_no_more_than_they_may() -> None:
    assert kept_grid((4, 4), 100, 10**9) == (4, 4)
    assert kept_grid((14, 14), 100, 10**9) == (7, 7)
    assert kept_grid((16, 5), 100, 10**9) == (8, 3)
    assert kept_grid((4, 4), 100, 4 * 100 * 15) == (2, 2)
    assert kept_grid((4, 4), 100, 1) == (1, 1)
    found = extract_features(nn.Identity(), given(torch.rand(5, 3, 4, 4)), np.arange(5), max_map_bytes=4 * 15 * 4)
    assert found.maps is not None
    assert found.maps.shape == (5, 3, 2, 2)
    assert torch.equal(shrink(torch.ones(1, 1, 3, 3), (2, 2)), torch.ones(1, 1, 2, 2))


def test_bfloat16_is_asked_for() -> None:
    inputs, layer = given(torch.rand(4, 16)), nn.Linear(16, 8)
    exact = extract_features(layer, inputs, np.arange(4)).vectors
    rough = extract_features(layer, inputs, np.arange(4), autocast=True).vectors
    np.testing.assert_allclose(exact, layer(inputs.x).detach().numpy(), atol=1e-6)
    np.testing.assert_array_equal(rough, torch.from_numpy(rough).bfloat16().float().numpy())
    assert not np.array_equal(exact, rough)


def test_features_must_be_numbers() -> None:
    with pytest.raises(BundleError, match="no numbers"):
        extract_features(lambda x: x / 0, given(torch.rand(3, 4)), np.arange(3))


def test_untrained_networks_norms_know_the_data() -> None:
    torch.manual_seed(0)
    batches = [3 + 5 * torch.randn(16, 3, 32, 32) for _ in range(4)]
    spec = ConvSpec(3, (8, 16), 6)
    state = torch.get_rng_state()
    network = untrained_autoencoder(spec, batches, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert isinstance(network, nn.Module)
    assert not any(layer.training for layer in network.modules())
    stage = network.encoder[0]
    with torch.no_grad():
        normed = stage[1](stage[0](torch.cat(batches)))
    assert normed.mean((0, 2, 3)).abs().max() < 0.05
    assert (normed.std((0, 2, 3)) - 1).abs().max() < 0.05
    assert all(layer.momentum == 0.1 for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))


def test_untrained_network_is_decided_by_its_seed() -> None:
    x = torch.randn(8, 3, 32, 32)
    spec = MaskedConvSpec(CNN, decoder_width=64)
    first, again, other = (untrained_autoencoder(spec, [x], seed) for seed in (1, 1, 2))
    with torch.no_grad():
        assert torch.equal(first.encode(x), again.encode(x))
        assert not torch.allclose(first.encode(x), other.encode(x), atol=0.01)
    alone = untrained_autoencoder(spec, [x[:1]], seed=1)  # one sample has no variance: the norms stay as built
    with torch.no_grad():
        assert alone.encode(x).isfinite().all()


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> PretrainedBackbone:
    torch.manual_seed(3)
    spec = BackboneSpec(CNN.name, CNN.options, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(build_backbone(spec).network.state_dict(), path)  # type: ignore[attr-defined]
    return PretrainedBackbone(spec, path)


def test_other_network_gets_its_own_normalisation(baseline: PretrainedBackbone) -> None:
    torch.manual_seed(3)
    backbone = build_backbone(baseline.spec)
    backbone.eval()  # type: ignore[attr-defined]
    unit = torch.rand(2, 3, 64, 64)
    wanted = backbone.forward_features(
        (unit - torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)) / torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    )
    own = Preprocessing(64)
    info = AutoencoderInfo(MaskedConvSpec(CNN), preprocessing=own)
    x = (unit - torch.tensor(own.mean).view(3, 1, 1)) / torch.tensor(own.std).view(3, 1, 1)
    for kind, given_x in (("normalised", x), ("unit", unit)):
        torch.testing.assert_close(pretrained_encoder(baseline, info, kind)(given_x), wanted, atol=1e-4, rtol=1e-4)


def test_small_grey_pictures_are_enlarged_for_the_other_network(baseline: PretrainedBackbone) -> None:
    info = AutoencoderInfo(DenseSpec(), preprocessing=Preprocessing(28), channels=1)
    assert pretrained_encoder(baseline, info, "unit")(torch.rand(2, 1, 28, 28)).shape == (2, 32, 2, 2)


def test_other_network_needs_pictures_and_weights(baseline: PretrainedBackbone, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="autoencoder of sounds"):
        pretrained_encoder(baseline, AutoencoderInfo(DenseSpec(), modality="sounds"), "frames")
    with pytest.raises(ModelError, match="no weights"):
        pretrained_encoder(
            PretrainedBackbone(CNN, tmp_path / "none.safetensors"), AutoencoderInfo(MaskedConvSpec(CNN)), "normalised"
        )


def test_components_take_the_shape_of_features() -> None:
    inputs = given(torch.rand(30, 3, 16, 24))
    train, rest = np.arange(20), np.arange(20, 30)
    found = pca_features(inputs, "unit", train, rest, FeatureShape(12, (2, 3), (2, 3)), seed=0)
    assert found.vectors.shape == (30, 12)
    assert found.maps is not None
    assert found.maps.shape == (30, 12, 2, 3)
    np.testing.assert_allclose(found.vectors[:20].mean(0), 0, atol=1e-4)  # centred on the training rows
    assert np.abs(found.vectors[20:].mean(0)).max() > 0.01
    small = pca_features(inputs, "unit", train, rest, FeatureShape(999, (8, 12), (4, 6)), seed=0)
    assert small.vectors.shape == (30, 20)  # 20 rows have no more components
    assert small.maps is not None
    assert small.maps.shape == (30, 12, 4, 6)  # patches of 3 · 2² values, averaged as the network's maps are


def test_components_of_vectors_have_no_maps_and_tokens_have_none() -> None:
    inputs = given(torch.rand(9, 1, 6, 6))
    assert pca_features(inputs, "unit", np.arange(6), np.arange(6, 9), FeatureShape(4), seed=0).maps is None
    tokens = given(torch.ones(4, 5, dtype=torch.long))
    with pytest.raises(ConfigError, match="tfidf_svm"):
        pca_features(tokens, "tokens", np.arange(3), np.arange(3, 4), FeatureShape(4), seed=0)


def test_fresh_autoencoder_is_what_build_gives() -> None:
    torch.manual_seed(5)
    built = build_autoencoder(DenseSpec((12, 8, 4)))
    x = torch.rand(3, 12)
    with torch.no_grad():
        assert torch.equal(untrained_autoencoder(DenseSpec((12, 8, 4)), [x], seed=5).encode(x), built.encode(x))
