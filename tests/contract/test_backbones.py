"""Every backbone meets the one contract; a new library is one line here."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fieldmark.errors import ConfigError, ModelError
from fieldmark.models.backbones import Backbone, BackboneSpec, build_backbone, load_weights

SPECS = {
    "cnn": BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32)}),
    "cut short": BackboneSpec(
        "resnet10t", {"channels": (8, 16, 24, 32), "features_only": True, "out_indices": (0, 1, 2)}
    ),
    "depthwise": BackboneSpec("mobilenetv2_035", {"pad_type": "same"}),
    "vit": BackboneSpec("vit_tiny_patch16_224", {"depth": 1, "embed_dim": 24, "dynamic_img_size": True}),
    "channels last": BackboneSpec("convnext_atto", {"depths": (1, 1, 1, 1), "dims": (8, 8, 16, 16)}),
    "torchvision": BackboneSpec("torchvision:squeezenet1_0"),
    "conv encoder": BackboneSpec("fieldmark:conv", {"channels": 1, "widths": (8, 16), "code_dim": 6}),
    "gradients": BackboneSpec("fieldmark:gradients"),
    "dense encoder": BackboneSpec("fieldmark:dense", {"sizes": (64 * 64, 12, 9, 6)}),
    "encoder of layers": BackboneSpec(
        "fieldmark:layers", {"layers": "conv 8 3 2 same bias, norm 0.001, relu, conv 6 3 2 valid bias"}
    ),
}

#: Backbones without weights, for targets.
WEIGHTLESS = {"gradients"}

#: Backbones that take one size only.
ONE_SIZE = {"dense encoder": 64}


@pytest.fixture(scope="module", params=SPECS, ids=list(SPECS))
def backbone(request: pytest.FixtureRequest) -> Backbone:
    torch.manual_seed(0)
    return build_backbone(SPECS[request.param])


@pytest.mark.parametrize("side", [64, 96])
def test_features_have_the_stated_shape_and_gradients(
    backbone: Backbone, side: int, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.params["backbone"]
    if ONE_SIZE.get(name, side) != side:
        with pytest.raises(ConfigError, match=f"{ONE_SIZE[name]} px"):
            backbone.forward_features(torch.randn(2, 3, side, side))
        return
    backbone.train()
    features = backbone.forward_features(torch.randn(2, 3, side, side))
    assert features.shape[:2] == (2, backbone.feature_dim)
    assert abs(features.shape[2] - side / backbone.stride) <= 1
    if name in WEIGHTLESS:
        assert not list(backbone.parameters())
        return
    features.square().sum().backward()
    missing = [name for name, p in backbone.named_parameters() if p.requires_grad and p.grad is None]
    assert not missing
    assert sum(p.requires_grad for p in backbone.parameters()) > 5


def test_a_picture_alone_gives_what_it_gives_in_a_batch(backbone: Backbone) -> None:
    backbone.eval()
    x = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        together = backbone.forward_features(x)
        alone = torch.cat([backbone.forward_features(one[None]) for one in x])
    assert torch.allclose(together, alone, atol=1e-3, rtol=1e-3)


def test_preprocessing_is_complete(backbone: Backbone) -> None:
    assert backbone.preprocessing.resolution >= 32
    assert all(0 <= value < 1 for value in backbone.preprocessing.mean)
    assert all(0 < value <= 1 for value in backbone.preprocessing.std)


def test_saved_weights_come_back(backbone: Backbone, tmp_path: Path) -> None:
    inner = getattr(backbone, "network", backbone)
    wanted = {name: tensor.clone() for name, tensor in inner.state_dict().items()}
    save_file({**wanted, "classifier.weight": torch.zeros(5, 3)}, tmp_path / "weights.safetensors")
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(1)
    load_weights(backbone, tmp_path / "weights.safetensors")
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in inner.state_dict().items())


def test_layers_to_stride_are_the_first_ones() -> None:
    network = build_backbone(SPECS["depthwise"])
    few, more = network.layers_to_stride(4), network.layers_to_stride(8)
    assert list(more)[: len(few)] == list(few)
    assert len(more) > len(few)
    assert isinstance(few[0], nn.Conv2d)
    with pytest.raises(ConfigError, match="stride 5"):
        network.layers_to_stride(5)


def test_a_network_cut_short_ends_at_its_last_stage_and_takes_the_whole_networks_weights(tmp_path: Path) -> None:
    whole, short = build_backbone(SPECS["cnn"]), build_backbone(SPECS["cut short"])
    assert (short.stride, short.feature_dim) == (8, 16)
    assert len(short.layers_to_stride(8)) > len(short.layers_to_stride(4))
    save_file(whole.network.state_dict(), tmp_path / "whole.safetensors")
    load_weights(short, tmp_path / "whole.safetensors")
    x = torch.randn(2, 3, 64, 64)
    hidden = []
    whole.layers_to_stride(8)[-1].register_forward_hook(lambda _module, _given, out: hidden.append(out))
    whole.eval().forward_features(x)
    assert torch.equal(short.eval().forward_features(x), hidden[0])


def test_unknown_names_show_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        build_backbone(BackboneSpec("mobilenetv2_1000"))
    assert "'mobilenetv2_100'" in caught.value.cure
    with pytest.raises(ConfigError, match="library"):
        build_backbone(BackboneSpec("keras:vgg16"))


def test_wrong_options_are_named() -> None:
    with pytest.raises(ConfigError, match="no_such_option"):
        build_backbone(BackboneSpec("resnet10t", {"no_such_option": 1}))


def test_weights_that_are_not_there_or_of_another_network(tmp_path: Path) -> None:
    network = build_backbone(SPECS["cnn"])
    with pytest.raises(ModelError, match="no weights at"):
        load_weights(network, tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(ModelError, match="not a safetensors file"):
        load_weights(network, tmp_path / "text.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="does not fit") as caught:
        load_weights(network, tmp_path / "other.safetensors")
    assert "same backbone options" in caught.value.cure


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("spec", "file"),
    [
        (BackboneSpec("mobilenetv2_100", {"pad_type": "same"}), "mobilenetv2_100.safetensors"),
        (BackboneSpec("torchvision:squeezenet1_0"), "squeezenet1_0.safetensors"),
    ],
)
def test_published_weights_load(shared: Path, spec: BackboneSpec, file: str) -> None:
    network = build_backbone(spec)
    before = next(iter(network.parameters())).clone()
    load_weights(network, shared / "weights" / file)
    assert not torch.equal(before, next(iter(network.parameters())))
