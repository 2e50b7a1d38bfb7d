"""Autoencoders against literal versions of their maths; and what is hidden stays hidden."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fieldmark.models.autoencoders import (
    DenseSpec,
    MaskedConvSpec,
    MaskedViTSpec,
    RecurrentSpec,
    build_autoencoder,
    mark_padding,
)
from fieldmark.models.autoencoders.bottleneck import VariationalBottleneck, normal_divergence
from fieldmark.models.autoencoders.corruption import GaussianNoise, MaskingNoise
from fieldmark.models.autoencoders.feature_target import FrozenFeatures
from fieldmark.models.autoencoders.masked_vit import shown_first, sine_positions, take, unshuffle
from fieldmark.models.autoencoders.masking import (
    BlockMasking,
    covering_masks,
    hide,
    normalise_blocks,
    random_masks,
    spread,
)
from fieldmark.models.backbones import BackboneSpec, build_backbone
from fieldmark.models.layers.padding import pad_to_multiple
from fieldmark.records import Preprocessing

CNN = BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32)})
VIT = BackboneSpec("vit_tiny_patch16_224", {"depth": 2, "embed_dim": 24, "num_heads": 3, "dynamic_img_size": True})


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_dense_network_is_the_classical_one_and_equals_numpy() -> None:
    model = build_autoencoder(DenseSpec())
    shapes = [tuple(layer.weight.shape) for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert shapes == [(128, 784), (64, 128), (128, 64), (784, 128)]
    x = torch.rand(5, 1, 28, 28)

    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    values = x.flatten(1).double().numpy()
    layers = ["encoder.0", "encoder.2", "decoder.0", "decoder.2"]
    code = None
    for index, layer in enumerate(layers):
        values = values @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]
        if index < 3:
            values = np.maximum(values, 0)
        if index == 1:
            code = values
    values = 1 / (1 + np.exp(-values))
    target = x.flatten(1).double().numpy()
    entropy = -(target * np.log(values) + (1 - target) * np.log(1 - values)).mean()

    assert np.allclose(model.encode(x).detach(), code, atol=1e-5)
    assert np.allclose(model.decode(model.encode(x)).detach(), values, atol=1e-5)
    assert float(model.loss(x)[0].detach()) == pytest.approx(entropy, abs=1e-5)
    assert np.allclose(model.reconstruction_error(x), ((values - target) ** 2).mean(1), atol=1e-5)
    squared = build_autoencoder(DenseSpec(pixel_loss="squared"))
    squared.load_state_dict(model.state_dict())
    assert float(squared.loss(x)[0].detach()) == pytest.approx(((values - target) ** 2).mean(), abs=1e-5)


def test_the_divergence_is_the_closed_form_and_what_sampling_gives() -> None:
    mean, log_variance = torch.randn(4, 6), torch.randn(4, 6)
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    prior = torch.distributions.Normal(torch.zeros(4, 6), torch.ones(4, 6))
    assert torch.allclose(
        normal_divergence(mean, log_variance), torch.distributions.kl_divergence(posterior, prior).sum(1), atol=1e-5
    )
    assert normal_divergence(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0

    bottleneck = VariationalBottleneck(beta=3.0)
    h = torch.cat([mean, log_variance], 1)
    loss, terms = bottleneck.with_penalty(torch.tensor(2.0), h, 10)
    assert loss.item() == pytest.approx(2 + 3 * terms["divergence"].item() / 10)
    drawn = bottleneck.sample(h.repeat(20_000, 1), torch.Generator().manual_seed(0)).view(-1, 4, 6)
    assert torch.allclose(drawn.mean(0), mean, atol=0.1)
    assert torch.allclose(drawn.var(0), log_variance.exp(), rtol=0.1)
    assert torch.equal(bottleneck.code(h), mean)


def test_corruptions_have_the_stated_strength() -> None:
    x = torch.ones(200, 500)
    noise = GaussianNoise(0.3)(x) - x
    assert noise.std().item() == pytest.approx(0.3, abs=0.005)
    assert noise.mean().item() == pytest.approx(0, abs=0.005)
    masked = MaskingNoise(0.25)(x)
    assert (masked == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert set(masked.unique().tolist()) == {0.0, 1.0}


def test_noise_is_added_in_training_only() -> None:
    model = build_autoencoder(DenseSpec((6, 4), corruption="gaussian", corruption_strength=1.0))
    x = torch.rand(3, 6)
    assert len({model.train().loss(x)[0].item() for _ in range(3)}) == 3
    assert len({model.eval().loss(x)[0].item() for _ in range(3)}) == 1


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.6, 0.75])
def test_masks_hide_the_stated_share_everywhere_alike(ratio: float) -> None:
    masks = random_masks((4, 5), ratio, torch.rand(4_000, 20))
    assert (masks.flatten(1).sum(1) == round(ratio * 20)).all()
    assert torch.allclose(masks.float().mean(0), torch.tensor(round(ratio * 20) / 20), atol=0.04)
    covering = covering_masks((4, 5), ratio)
    assert covering.any(0).all()
    assert (covering.flatten(1).sum(1) == round(ratio * 20)).all()
    assert len(covering) == -(-20 // round(ratio * 20))


def test_blocks_are_normalised_as_a_loop_would() -> None:
    x = torch.randn(2, 3, 8, 12) * 3 + 1
    normalised, mean, deviation = normalise_blocks(x, 4)
    for picture, row, column in itertools.product(range(2), range(0, 8, 4), range(0, 12, 4)):
        place = (slice(row, row + 4), slice(column, column + 4))
        block = x[picture][(slice(None), *place)].double()
        wanted = (block - block.mean()) / (block.var(correction=0) + 1e-3).sqrt()
        assert torch.allclose(normalised[picture][(slice(None), *place)].double(), wanted, atol=1e-5)
        assert torch.allclose(mean[picture][(0, *place)].double(), block.mean(), atol=1e-5)
    assert torch.allclose(normalised * deviation + mean, x, atol=1e-5)
    assert normalise_blocks(torch.full((1, 3, 4, 4), 0.7), 4)[0].abs().max() < 1e-3


def test_the_loss_is_on_hidden_places_inside_the_picture_only() -> None:
    task = BlockMasking(4, 0.5, "absolute")
    x, prediction = torch.randn(2, 3, 8, 12), torch.randn(2, 3, 8, 12)
    mask = random_masks((2, 3), 0.5, torch.rand(2, 6))
    size = (7, 10)
    target, wanted = normalise_blocks(x, 4)[0], []
    for picture in range(2):
        distances = [
            (prediction - target)[picture, channel, row, column].abs().item()
            for channel, row, column in itertools.product(range(3), range(size[0]), range(size[1]))
            if mask[picture, row // 4, column // 4]
        ]
        wanted.append(sum(distances) / len(distances))
    assert task.errors(prediction, x, mask, size).tolist() == pytest.approx(wanted, abs=1e-5)

    counted = spread(mask, 4).clone()
    counted[..., 7:, :] = False
    counted[..., 10:] = False
    elsewhere = torch.where(counted, prediction, torch.randn_like(prediction))
    assert torch.equal(task.errors(elsewhere, x, mask, size), task.errors(prediction, x, mask, size))
    shifted = torch.where(counted, prediction + 1, prediction)
    assert not torch.allclose(task.errors(shifted, x, mask, size), task.errors(prediction, x, mask, size))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", ["conv", "vit"])
def test_the_encoder_never_sees_what_is_hidden(kind: str, training: bool) -> None:
    if kind == "conv":
        model = build_autoencoder(MaskedConvSpec(CNN, decoder_width=32))
    else:
        model = build_autoencoder(MaskedViTSpec(VIT, decoder_width=32, decoder_depth=1))
    model.train(training)
    size = (75, 101)
    x = torch.randn(2, 3, *size)
    padded = pad_to_multiple(x, model.masking.block)
    mask = model.masking.draw(padded, torch.Generator().manual_seed(1))
    hidden = spread(mask, model.masking.block)[..., : size[0], : size[1]]
    other_hidden = torch.where(hidden, 100 * torch.randn_like(x), x)
    other_shown = torch.where(hidden, x, x + 1)

    def seen(pictures: Tensor) -> Tensor:
        return model.encode_visible(pad_to_multiple(pictures, model.masking.block), mask)

    assert torch.equal(seen(x), seen(other_hidden))
    assert not torch.allclose(seen(x), seen(other_shown))
    # What is drawn for the eye hides the same places, and shows the others as they are.
    shown, rebuilt = model.reconstruct(x, torch.Generator().manual_seed(1))
    assert torch.equal(shown, x.masked_fill(hidden, 0))
    assert torch.equal(torch.where(hidden, 0, rebuilt), shown)
    assert not torch.equal(rebuilt, shown)


def test_nothing_hidden_flows_back_into_the_encoders_input() -> None:
    for spec in (MaskedConvSpec(CNN, decoder_width=32), MaskedViTSpec(VIT, decoder_width=32, decoder_depth=1)):
        model = build_autoencoder(spec).eval()
        x = torch.randn(1, 3, 96, 96, requires_grad=True)
        mask = model.masking.draw(x, torch.Generator().manual_seed(1))
        model.encode_visible(x, mask).square().sum().backward()
        assert x.grad is not None
        hidden = spread(mask, model.masking.block).expand_as(x)
        assert not x.grad[hidden].any()
        assert x.grad[~hidden].any()


def test_unshuffling_restores_the_order() -> None:
    mask = random_masks((3, 4), 0.75, torch.rand(6, 12))
    tokens, mask_token = torch.randn(6, 12, 5), torch.full((5,), 9.0)
    shown = take(tokens, shown_first(mask)[:, :3])
    back = unshuffle(shown, mask_token, mask)
    for picture, place in itertools.product(range(6), range(12)):
        hidden = mask[picture].flatten()[place]
        assert torch.equal(back[picture, place], mask_token if hidden else tokens[picture, place])


def test_the_masked_vit_with_all_patches_is_the_backbone() -> None:
    model = build_autoencoder(MaskedViTSpec(VIT, decoder_width=32, decoder_depth=1)).eval()
    x = torch.randn(2, 3, 64, 48)
    tokens = model.encode_visible(x, torch.zeros(2, 4, 3, dtype=torch.bool))
    features = model.backbone.forward_features(x)
    assert torch.allclose(tokens.transpose(1, 2).reshape(2, 24, 4, 3), features, atol=1e-5)


def test_positions_tell_all_patches_apart() -> None:
    positions = sine_positions((5, 7), 32)
    assert positions.shape == (35, 32)
    distances = torch.cdist(positions, positions) + torch.eye(35)
    assert distances.min() > 0.1
    # A row's half depends on the row alone, a column's on the column.
    grid = positions.view(5, 7, 32)
    assert torch.equal(grid[:, 0, :16], grid[:, 6, :16])
    assert torch.equal(grid[0, :, 16:], grid[4, :, 16:])


def test_a_feature_network_sees_whole_pictures_in_its_own_normalisation() -> None:
    network = build_backbone(CNN)
    given = Preprocessing(64, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    pixels = torch.rand(2, 3, 64, 64)

    def normalised(preprocessing: Preprocessing) -> Tensor:
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
        return (pixels - mean) / std

    features = FrozenFeatures(network, given)(normalised(given))
    assert torch.allclose(features, network.forward_features(normalised(network.preprocessing)), atol=1e-4)
    assert not features.requires_grad
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_feature_term_counts_hidden_cells_only() -> None:
    model = build_autoencoder(MaskedConvSpec(CNN, decoder_width=32, target_dim=512, target_weight=2.0)).eval()
    network = build_backbone(BackboneSpec("resnet10t"))
    model.attach_target(network)
    x = torch.randn(2, 3, 96, 96)
    loss, terms = model.loss(x, torch.Generator().manual_seed(1))
    mask = model.masking.draw(x, torch.Generator().manual_seed(1))
    predicted = model.target_head(model.backbone.forward_features(hide(x, mask, 32)))
    target = network.forward_features(x)
    cosines = [
        nn.functional.cosine_similarity(predicted[picture, :, row, column], target[picture, :, row, column], dim=0)
        for picture, row, column in itertools.product(range(2), range(3), range(3))
        if mask[picture, row, column]
    ]
    assert terms["features"].item() == pytest.approx(1 - torch.stack(cosines).mean().item(), abs=1e-5)
    assert loss.item() == pytest.approx((terms["pixels"] + 2 * terms["features"]).item(), abs=1e-5)
    assert not any(name.startswith("_target.") for name in model.state_dict())


@pytest.mark.parametrize("teacher_forcing", [True, False])
@pytest.mark.parametrize("kind", ["frames", "tokens"])
def test_padding_changes_nothing(kind: str, teacher_forcing: bool) -> None:
    if kind == "frames":
        spec = RecurrentSpec(frame_dim=4, code_dim=8, hidden=16, teacher_forcing=teacher_forcing)
        rows = torch.randn(2, 9, 4)
        batches = [mark_padding(rows[:, :end], torch.tensor([3, 5])) for end in (5, 6, 9)]
    else:
        spec = RecurrentSpec(vocabulary=9, padding=1, code_dim=8, hidden=16, teacher_forcing=teacher_forcing)
        rows = torch.randint(2, 9, (2, 9))
        rows[0, 3:], rows[1, 5:] = 1, 1
        batches = [rows[:, :end] for end in (5, 6, 9)]
    model = build_autoencoder(spec).eval()
    alone = torch.cat([model.encode(batches[0][:1, :3]), model.encode(batches[0][1:, :5])])
    for batch in batches:
        assert torch.allclose(model.encode(batch), alone, atol=1e-6)
        assert torch.allclose(model.loss(batch)[0], model.loss(batches[0])[0], atol=1e-6)
        assert torch.allclose(model.reconstruction_error(batch), model.reconstruction_error(batches[0]), atol=1e-6)
    changed = batches[0].clone()
    changed[0, 2] = changed[0, 0] + 1 if kind == "frames" else 1 + changed[0, 2] % 8
    assert not torch.allclose(model.encode(changed)[0], alone[0], atol=1e-4)


def test_a_recurrent_loss_is_the_mean_over_real_steps() -> None:
    model = build_autoencoder(RecurrentSpec(vocabulary=9, padding=1, code_dim=8, hidden=16)).eval()
    rows = torch.tensor([[2, 3, 4, 1, 1], [5, 6, 7, 8, 2]])
    loss, terms = model.loss(rows)
    errors = model.reconstruction_error(rows)
    assert loss.item() == pytest.approx(((3 * errors[0] + 5 * errors[1]) / 8).item(), abs=1e-5)
    assert round(terms["token_accuracy"].item() * 8, 3) in range(9)

    framed = build_autoencoder(RecurrentSpec(frame_dim=3, code_dim=8, hidden=16, teacher_forcing=False)).eval()
    frames = mark_padding(torch.randn(2, 5, 3), torch.tensor([2, 5]))
    written = framed.decode(framed.encode(frames), 5)
    wanted = ((written - frames) ** 2).nanmean()
    assert framed.loss(frames)[0].item() == pytest.approx(wanted.item(), abs=1e-5)


def test_a_sequence_without_steps_has_a_code_and_costs_nothing() -> None:
    model = build_autoencoder(RecurrentSpec(vocabulary=9, padding=1, code_dim=8, hidden=16)).eval()
    rows = torch.tensor([[1, 1, 1], [5, 6, 7]])
    assert model.encode(rows).isfinite().all()
    assert model.reconstruction_error(rows)[0].item() == 0
    assert torch.allclose(model.loss(rows)[0], model.loss(rows[1:])[0], atol=1e-6)


def test_a_told_decoder_writes_alone_what_it_writes_when_told_its_own_steps() -> None:
    model = build_autoencoder(RecurrentSpec(vocabulary=9, padding=1, code_dim=8, hidden=16)).eval()
    z = torch.randn(3, 8)
    written = model.decode(z, 6)
    assert written.shape == (3, 6)
    assert not (written == 1).any()
    logits = model._write(z, model.embed(written), None)
    logits[..., 1] = float("-inf")
    assert torch.equal(logits.argmax(-1), written)


def test_dropping_every_input_leaves_the_code_alone() -> None:
    model = build_autoencoder(RecurrentSpec(frame_dim=3, code_dim=8, hidden=16, input_dropout=1.0)).train()
    z, frames = torch.randn(2, 8), torch.randn(2, 5, 3)
    told = model._write(z, model.embed(frames), None)
    assert torch.equal(told, model._write(z, model.embed(frames + 1), None))
    assert not torch.allclose(told, model.eval()._write(z, model.embed(frames), None))
