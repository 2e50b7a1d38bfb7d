"""A saved autoencoder's encoder as a backbone, and the chain of layers that is written as text."""

import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from fieldmark.errors import ConfigError, ModelError
from fieldmark.models.autoencoders import AutoencoderSpec, ConvSpec, DenseSpec, MaskedConvSpec, RecurrentSpec
from fieldmark.models.autoencoders.encoder import encoder_from_autoencoder
from fieldmark.models.backbones import BackboneSpec, build_backbone
from fieldmark.models.layers import build_chain, dense_layers
from keras_examples import save_random

CNN = BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32)})


@pytest.mark.parametrize(
    ("spec", "channels", "side"),
    [
        (DenseSpec((64, 9, 5)), 1, 8),
        (DenseSpec((48, 9, 5), beta=0.1), 3, 4),
        (ConvSpec(1, (4, 6), 5), 1, 22),
        (ConvSpec(3, (4, 6), 5, beta=0.1), 3, 21),
        (MaskedConvSpec(CNN, decoder_width=16), 3, 64),
    ],
    ids=["dense", "dense variational", "conv", "conv variational", "masked conv"],
)
def test_features_are_the_codes(spec: AutoencoderSpec, channels: int, side: int, tmp_path: Path) -> None:
    model = save_random(tmp_path, spec, channels=channels, resolution=side)
    encoder, state = encoder_from_autoencoder(tmp_path)
    backbone = build_backbone(encoder).eval()
    backbone.load_state_dict(state)
    x = torch.rand(2, channels, side, side)
    with torch.no_grad():
        codes = model.encode(x)
        features = backbone.forward_features(x.expand(-1, 3, -1, -1))
    assert codes.std() > 1e-3
    assert torch.allclose(features.view_as(codes), codes, atol=1e-6)
    assert backbone.feature_dim == model.code_dim
    if not isinstance(spec, MaskedConvSpec):
        assert backbone.preprocessing.resolution == side


def test_what_encodes_no_pictures_is_refused(tmp_path: Path) -> None:
    save_random(tmp_path, RecurrentSpec(frame_dim=3, hidden=4, code_dim=2))
    with pytest.raises(ConfigError, match="a recogniser looks at pictures"):
        encoder_from_autoencoder(tmp_path)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (BackboneSpec("fieldmark:cnn"), "no encoder 'cnn'"),
        (BackboneSpec("fieldmark:conv", {"depth": 2}), "depth"),
        (BackboneSpec("fieldmark:conv", {"channels": 2}), "2 channels"),
        (BackboneSpec("fieldmark:dense", {"sizes": (783, 4)}), "no square picture"),
        (BackboneSpec("fieldmark:dense", {"activations": "relu"}), "activations"),
        (BackboneSpec("fieldmark:dense", {"activations": "relu,rule"}), "no activation 'rule'"),
        (BackboneSpec("fieldmark:layers"), "layers"),
    ],
)
def test_impossible_encoders_are_refused(spec: BackboneSpec, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build_backbone(spec)


def test_other_sizes_and_pretrained_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match="28 × 28 px, not 32 × 28"):
        build_backbone(BackboneSpec("fieldmark:dense")).forward_features(torch.rand(1, 3, 32, 28))
    with pytest.raises(ModelError, match="without weights"):
        build_backbone(BackboneSpec("fieldmark:conv"), pretrained=True)


def test_grey_encoders_see_the_mean_of_the_channels() -> None:
    backbone = build_backbone(BackboneSpec("fieldmark:conv", {"channels": 1, "widths": (4,)})).eval()
    x = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        grey = backbone.forward_features(x.mean(1, keepdim=True).expand(-1, 3, -1, -1))
        assert torch.allclose(backbone.forward_features(x), grey, atol=1e-6)


def test_layers_to_stride_end_where_the_stride_does() -> None:
    conv = build_backbone(BackboneSpec("fieldmark:conv", {"widths": (4, 6)}))
    assert len(conv.layers_to_stride(2)) == 1
    assert len(conv.layers_to_stride(4)) == 3
    chain = build_backbone(
        BackboneSpec("fieldmark:layers", {"layers": "conv 4 3 2 same plain, relu, max 2 2 valid, relu"})
    )
    assert len(chain.layers_to_stride(2)) == 2
    assert chain.stride == 4
    with pytest.raises(ConfigError, match="stride 8"):
        conv.layers_to_stride(8)


def test_same_padding_is_literally_that_of_keras() -> None:
    x = torch.rand(1, 2, 7, 10)
    conv = build_chain(2, "conv 3 3 2 same bias").layers[0]
    # Of 7 rows, 4 cells: 2 · 3 + 3 − 7 = 2 rows of padding; of 10 columns, 5 cells: 1 column, on the right.
    padded = functional.pad(x, (0, 1, 1, 1))
    assert torch.allclose(conv(x), functional.conv2d(padded, conv.weight, conv.bias, stride=2))
    mean = build_chain(2, "average 3 2 same").layers(x)
    assert mean.shape == (1, 2, 4, 5)
    assert torch.allclose(mean[0, :, 0, 4], x[0, :, :2, 8:].mean((1, 2)))
    largest = build_chain(2, "max 3 2 same").layers(x - 2)
    assert torch.allclose(largest[0, :, 3, 0], (x - 2)[0, :, 5:, :3].amax((1, 2)))


@pytest.mark.parametrize(
    "text", ["", "conv 3", "conv 3 3 1 same maybe", "conv 3 0 1 same bias", "pad 1 1", "norm x", "max 2 2 full"]
)
def test_impossible_chains_are_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_chain(1, text)
    assert caught.value.cure


def test_dense_layers_begin_as_keras_begins_them() -> None:
    layer = dense_layers((300, 100))[0]
    limit = (6 / (300 + 100)) ** 0.5  # of the uniform draw: Glorot and Bengio 2010, equation 16
    assert 0.95 * limit < layer.weight.abs().max() <= limit
    assert layer.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.03)
    assert not layer.bias.any()
