"""Every autoencoder meets the one contract; a new one is one line here."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fieldmark.errors import BundleError, ConfigError, ModelError
from fieldmark.models.autoencoders import (
    AUTOENCODERS,
    Autoencoder,
    AutoencoderSpec,
    ConvSpec,
    DenseSpec,
    MaskedConvSpec,
    MaskedViTSpec,
    PartAutoencoderSpec,
    RecurrentSpec,
    SkeletonSpec,
    build_autoencoder,
    pad_frames,
    spec_from_json,
    spec_to_json,
)
from fieldmark.models.backbones import BackboneSpec, build_backbone
from fieldmark.models.parts import PartsSpec

# timm starts the last scale of each residual at zero, which would hide whether gradients reach the layers before it.
CNN = BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32), "zero_init_last": False})
VIT = BackboneSpec("vit_tiny_patch16_224", {"depth": 2, "embed_dim": 24, "num_heads": 3, "dynamic_img_size": True})
RECURRENT = RecurrentSpec(code_dim=24, hidden=32, steps=5, input_dropout=0.2)

SPECS: dict[str, AutoencoderSpec] = {
    "dense": DenseSpec((35, 24, 12)),
    "dense squared, denoising": DenseSpec((35, 24, 12), "squared", corruption="mask", corruption_strength=0.2),
    "dense variational": DenseSpec((35, 24, 12), beta=0.1),
    "conv": ConvSpec(3, (8, 16), 6),
    "conv variational, denoising": ConvSpec(1, (8, 16), 6, beta=0.1, corruption="gaussian", corruption_strength=0.1),
    "frames": replace(RECURRENT, frame_dim=5),
    "frames, two layers, code alone": replace(RECURRENT, frame_dim=5, layers=2, teacher_forcing=False),
    "tokens": replace(RECURRENT, vocabulary=11, padding=2),
    "tokens variational, denoising": replace(
        RECURRENT, vocabulary=11, padding=2, beta=0.1, corruption="mask", corruption_strength=0.2
    ),
    "masked conv": MaskedConvSpec(CNN, decoder_width=64),
    "masked conv, large blocks": MaskedConvSpec(CNN, block=64, decoder_width=64),
    "masked conv with features": MaskedConvSpec(CNN, decoder_width=64, target_dim=512),
    "masked conv around torchvision": MaskedConvSpec(BackboneSpec("torchvision:squeezenet1_0"), decoder_width=64),
    "masked conv around a transformer": MaskedConvSpec(VIT, decoder_width=64),
    "masked vit": MaskedViTSpec(VIT, decoder_width=64, decoder_depth=1),
    "parts": PartAutoencoderSpec(CNN, PartsSpec("discovered", ("a", "b", "c"), width=16)),
    "skeleton": SkeletonSpec(CNN, PartsSpec("linked_keypoints", ("a", "b", "c"), width=16), decoder_width=8),
    "masked vit, denoising": MaskedViTSpec(VIT, 0.5, 32, 1, corruption="gaussian", corruption_strength=0.1),
}

#: Odd sizes that no stride divides.
ODD = (45, 75)


class OtherNetwork(nn.Module):
    """A feature network with another stride and another normalisation than the backbone's."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 512, 16, 16)
        self.feature_dim, self.stride = 512, 16
        self.preprocessing = replace(build_backbone(CNN).preprocessing, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

    def forward_features(self, x: Tensor) -> Tensor:
        return self.layer(x)

    def layers_to_stride(self, stride: int) -> list[nn.Module]:
        return [self.layer]


def build(spec: AutoencoderSpec) -> Autoencoder:
    torch.manual_seed(0)
    model = build_autoencoder(spec)
    if isinstance(spec, MaskedConvSpec) and spec.target_dim:
        model.attach_target(OtherNetwork())
    return model


def batch_of(spec: AutoencoderSpec, count: int = 3) -> Tensor:
    """Samples with structure, as each kind of autoencoder takes them; sequences differ in length."""
    rng = torch.Generator().manual_seed(1)
    if isinstance(spec, DenseSpec):
        return torch.rand(count, 5, 7, generator=rng)
    if isinstance(spec, RecurrentSpec) and spec.frame_dim:
        return pad_frames([torch.randn(4 + index, 5, generator=rng) for index in range(count)])
    if isinstance(spec, RecurrentSpec):
        tokens = torch.randint(3, 11, (count, 6), generator=rng)
        tokens[1, 4:] = 2
        return tokens
    if isinstance(spec, ConvSpec):
        return torch.rand(count, spec.channels, 13, 9, generator=rng)
    coarse = torch.randn(count, 3, 5, 5, generator=rng)
    return nn.functional.interpolate(coarse, ODD, mode="bilinear")


@pytest.fixture(params=SPECS, ids=list(SPECS))
def spec(request: pytest.FixtureRequest) -> AutoencoderSpec:
    return SPECS[request.param]


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_kind_is_tested() -> None:
    assert {type(spec) for spec in SPECS.values()} == {kind.spec for kind in AUTOENCODERS.values()}


def test_codes_and_reconstructions_have_the_stated_shapes(spec: AutoencoderSpec) -> None:
    model, x = build(spec), batch_of(spec)
    before = x.clone()
    z = model.encode(x)
    assert z.shape[:2] == (3, model.code_dim)
    assert z.ndim == {"vector": 2, "map": 4}[model.code_kind]
    assert len(model.decode(z)) == 3
    model.train()
    shown, rebuilt = model.reconstruct(x, seeded())
    assert shown.shape == rebuilt.shape == x.shape
    assert model.reconstruction_error(x).shape == (3,)
    assert model.reconstruction_error(x).isfinite().all()
    assert model.training
    assert torch.equal(x.nan_to_num(), before.nan_to_num())


def test_a_sample_alone_gives_what_it_gives_in_a_batch(spec: AutoencoderSpec) -> None:
    model, x = build(spec).eval(), batch_of(spec)
    wanted: list[Callable[[Tensor], Tensor]] = [model.encode, model.reconstruction_error]
    with torch.no_grad():
        for call in wanted:
            alone = torch.cat([call(one[None]) for one in x])
            assert torch.allclose(call(x), alone, atol=1e-4, rtol=1e-3)


def test_gradient_reaches_every_trainable_parameter(spec: AutoencoderSpec) -> None:
    model = build(spec).train()
    loss, terms = model.loss(batch_of(spec), seeded())
    assert all(term.ndim == 0 and not term.requires_grad for term in terms.values())
    loss.backward()
    dead = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    ]
    assert not dead


def test_the_loss_of_one_batch_falls(spec: AutoencoderSpec) -> None:
    model, x = build(spec).train(), batch_of(spec)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3 if model.input_kind == "normalised" else 1e-2)
    losses = []
    for _ in range(30):
        loss, _ = model.loss(x, seeded())  # the same masks and noise each time
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    # The binary cross-entropy of grey pixels can't go below their own entropy, 0.5 nats on average.
    bernoulli = getattr(spec, "pixel_loss", "") == "bernoulli"
    floor = 0.5 if bernoulli else 0.0
    assert losses[-1] - floor < 0.8 * (losses[0] - floor), losses


def test_the_same_generator_gives_the_same_loss_and_gradient(spec: AutoencoderSpec) -> None:
    x, results = batch_of(spec), []
    for unrelated in (1, 2):
        model = build(spec).train()
        torch.manual_seed(unrelated)
        loss, _ = model.loss(x, seeded())
        loss.backward()
        shown, rebuilt = model.reconstruct(x, seeded())
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        results.append([loss, *gradients, shown.nan_to_num(), rebuilt.nan_to_num(), model.reconstruction_error(x)])
    assert all(torch.equal(first, second) for first, second in zip(*results, strict=True))


def test_bfloat16_is_finite_and_near(spec: AutoencoderSpec) -> None:
    model, x = build(spec).train(), batch_of(spec)
    exact, _ = model.loss(x, seeded())
    with torch.autocast("cpu", torch.bfloat16):
        rough, _ = model.loss(x, seeded())
        code, error = model.encode(x), model.reconstruction_error(x)
        shown, rebuilt = model.reconstruct(x, seeded())
    rough.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert torch.allclose(exact, rough.float(), rtol=0.1)
    assert code.isfinite().all()
    assert error.isfinite().all()
    assert torch.equal(rebuilt.isnan(), shown.isnan())


def test_saved_weights_and_spec_give_the_same_network(spec: AutoencoderSpec, tmp_path: Path) -> None:
    model, x = build(spec).eval(), batch_of(spec)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, tmp_path / "w.safetensors")
    again = spec_from_json(json.loads(json.dumps(spec_to_json(spec))))
    assert again == spec
    torch.manual_seed(9)
    other = build_autoencoder(again).eval()
    other.load_state_dict(load_file(tmp_path / "w.safetensors"))
    with torch.no_grad():
        assert torch.equal(other.encode(x), model.encode(x))
        assert torch.equal(other.reconstruction_error(x), model.reconstruction_error(x))


@pytest.mark.parametrize("name", ["masked conv", "masked vit"])
def test_the_backbone_that_was_pretrained_is_the_one_that_encodes(name: str) -> None:
    model, x = build(SPECS[name]).eval(), torch.randn(2, 3, 64, 96)
    backbone = build_backbone(SPECS[name].backbone).eval()
    backbone.load_state_dict(model.backbone.state_dict())
    with torch.no_grad():
        assert torch.equal(backbone.forward_features(x), model.encode(x))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (DenseSpec((784,)), "layer sizes"),
        (DenseSpec(pixel_loss="hinge"), "no reconstruction loss 'hinge'"),
        (DenseSpec(corruption="salt"), "no corruption 'salt'"),
        (DenseSpec(corruption="mask", corruption_strength=1.0), "strength 1.0"),
        (DenseSpec(corruption="gaussian"), "strength 0.0"),
        (DenseSpec(beta=-1.0), "beta"),
        (ConvSpec(widths=()), "at least one stage"),
        (RecurrentSpec(), "frames or tokens"),
        (RecurrentSpec(frame_dim=3, vocabulary=3), "frames or tokens"),
        (RecurrentSpec(frame_dim=3, input_dropout=1.5), "1.5"),
        (MaskedConvSpec(CNN, block=48), "stride of 32"),
        (MaskedConvSpec(CNN, ratio=1.0), "ratio"),
        (MaskedConvSpec(CNN, target_distance="euclid"), "feature distance"),
        (MaskedViTSpec(CNN), "vision transformers"),
        (MaskedViTSpec(VIT, decoder_width=50), "50 wide"),
    ],
)
def test_impossible_specs_are_refused_with_a_cure(spec: AutoencoderSpec, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        build_autoencoder(spec)
    assert caught.value.cure


def test_wrong_batches_are_refused_with_a_cure() -> None:
    with pytest.raises(ConfigError, match="takes 35 values; the batch has 36"):
        build(SPECS["dense"]).encode(torch.rand(2, 36))
    with pytest.raises(ConfigError, match="one block of 64 px"):
        build(SPECS["masked conv, large blocks"]).loss(torch.randn(1, 3, 40, 40))
    fixed = MaskedViTSpec(replace(VIT, options={**VIT.options, "dynamic_img_size": False}))
    with pytest.raises(ConfigError, match="224 × 224 px, not 96 × 96") as caught:
        build(fixed).loss(torch.randn(1, 3, 96, 96))
    assert "dynamic_img_size" in caught.value.cure


def test_a_feature_network_must_be_there_and_fit() -> None:
    spec = SPECS["masked conv with features"]
    model = build_autoencoder(spec)
    with pytest.raises(ModelError, match="no feature network"):
        model.loss(batch_of(spec))
    with pytest.raises(ModelError, match="512 channels; this autoencoder predicts 0"):
        build_autoencoder(SPECS["masked conv"]).attach_target(OtherNetwork())


def test_specs_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="no autoencoder 'desne'"):
        spec_from_json({"autoencoder": "desne"})
    with pytest.raises(BundleError, match="names no autoencoder"):
        spec_from_json({"sizes": [3, 2]})
    with pytest.raises(BundleError, match="has no width"):
        spec_from_json({"autoencoder": "dense", "width": 3})
    with pytest.raises(BundleError, match="can't be read"):
        spec_from_json({"autoencoder": "masked_conv", "backbone": {"title": "x"}})
