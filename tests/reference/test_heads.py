"""The heads against literal versions of their mathematics, in float64."""

import math

import pytest
import torch
from torch import Tensor

from fieldmark.models.heads import AdditiveHead, AttentionHead, SecondOrderHead
from fieldmark.models.layers import covariance, square_root
from fieldmark.models.part_attention import PartAttention
from fieldmark.training.parameter_groups import rate_of_sum


def randomised(head: torch.nn.Module) -> torch.nn.Module:
    """Give every parameter and statistic another value than that of the beginning."""
    torch.manual_seed(0)
    head = head.double().eval()
    with torch.no_grad():
        for tensor in (*head.parameters(), *(one for one in head.buffers() if one.is_floating_point())):
            tensor.copy_(0.5 + torch.rand_like(tensor))
    return head


def layer_norm(values: list[float]) -> list[float]:
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    return [(value - mean) / math.sqrt(variance + 1e-5) for value in values]


def test_additive_evidence_is_that_of_a_loop() -> None:
    K, C, N = 3, 5, 4
    head = randomised(AdditiveHead(C, K, N))
    vectors, presence = torch.randn(2, K, C).double(), torch.rand(2, K).double()
    evidence = head(vectors, presence)
    scale, shift, bias = head.norm.weight.view(K, C), head.norm.bias.view(K, C), head.bias.view(K, N)
    for b in range(2):
        for k in range(K):
            normed = layer_norm(vectors[b, k].tolist())
            for n in range(N):
                said = sum(head.weight[k, n, c] * (scale[k, c] * normed[c] + shift[k, c]) for c in range(C))
                torch.testing.assert_close(evidence[b, k, n], presence[b, k] * (said + bias[k, n]))


def test_additive_vectors_don_t_decay() -> None:
    head = AdditiveHead(6, 3, 4)
    assert {name for name, parameter in head.named_parameters() if parameter.ndim > 1} == {"weight"}


@pytest.mark.parametrize(
    ("parts", "channels", "trained", "rate"),
    [(8, 1280, False, 1000 / 10240), (8, 1280, True, 100 / 10240), (2, 100, False, 1.0), (2, 40, True, 1.0)],
)
def test_steps_of_an_additive_head_fall_with_its_entries(parts: int, channels: int, trained: bool, rate: float) -> None:
    assert rate_of_sum(AdditiveHead(channels, parts, 3).entries, trained=trained) == pytest.approx(rate)


def test_part_attention_is_that_of_a_loop() -> None:
    P, C, H, W = 2, 5, 2, 3
    torch.manual_seed(0)
    attention = PartAttention(C, P).double().requires_grad_(False)
    torch.nn.init.normal_(attention.weight)
    features, weights = torch.randn(1, C, H, W).double(), torch.rand(1, P, H, W).double()
    weights[0, 1, 0] = 0  # cells that are no part of it
    weights /= weights.sum((2, 3), keepdim=True)
    found = attention(features, weights)
    for p in range(P):
        shares = {
            (i, j): float(weights[0, p, i, j])
            * math.exp(
                sum(
                    float(attention.weight[p, c]) * value
                    for c, value in enumerate(layer_norm(features[0, :, i, j].tolist()))
                )
            )
            for i in range(H)
            for j in range(W)
        }
        for (i, j), share in shares.items():
            assert float(found[0, p, i, j]) == pytest.approx(share / sum(shares.values()), abs=1e-6)


def test_attention_is_that_of_a_loop() -> None:
    P, C, N = 6, 4, 3
    head = randomised(AttentionHead(C, 0, N, queries=2, value_dim=5))
    vectors, presence = torch.randn(2, P, C).double(), torch.rand(2, P).double()
    presence[0, 2] = 0
    evidence = head(vectors, presence)
    pooling = head.pooling
    head.requires_grad_(False)
    for b in range(2):
        cells = [
            [float(head.norm.weight[c]) * value + float(head.norm.bias[c]) for c, value in enumerate(layer_norm(row))]
            for row in vectors[b].tolist()
        ]
        values = []
        for query in range(2):
            scores = [
                sum(float(pooling.queries[query, c]) * cell[c] for c in range(C)) / math.sqrt(C) for cell in cells
            ]
            counts = [float(presence[b, place]) * math.exp(score) for place, score in enumerate(scores)]
            pooled = [sum(count * cell[c] for count, cell in zip(counts, cells, strict=True)) for c in range(C)]
            values += [
                sum(pooled[c] / sum(counts) * float(pooling.values[query, c, entry]) for c in range(C))
                for entry in range(5)
            ]
        normed = head.value_norm.weight * torch.tensor(layer_norm(values)).double() + head.value_norm.bias
        torch.testing.assert_close(evidence[b, 0], head.classifier.weight @ normed)


def exact_root(matrices: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrices)
    return vectors @ torch.diag_embed(values.clamp_min(0).sqrt()) @ vectors.transpose(1, 2)


def matrices_with(eigenvalues: Tensor) -> Tensor:
    """Symmetric matrices (B, D, D) with eigenvalues (B, D)."""
    vectors, _ = torch.linalg.qr(torch.randn(*eigenvalues.shape, eigenvalues.shape[1]).double())
    return vectors @ torch.diag_embed(eigenvalues) @ vectors.transpose(1, 2)


def test_the_square_root_is_that_of_the_eigenvalues() -> None:
    torch.manual_seed(0)
    eigenvalues = torch.rand(4, 9).double() * torch.tensor([1e-2, 1, 50, 1e4]).view(4, 1).double()
    eigenvalues[:, :2] = 0  # fewer cells than channels
    matrices = matrices_with(eigenvalues)
    roots = square_root(matrices, 30)
    torch.testing.assert_close(roots, exact_root(matrices), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(roots @ roots, matrices, rtol=1e-6, atol=1e-6)


def test_few_steps_are_the_scalar_recursion_on_every_eigenvalue() -> None:
    torch.manual_seed(1)
    eigenvalues = torch.rand(3, 7).double() ** 4
    matrices = matrices_with(eigenvalues)
    root, inverse = eigenvalues / eigenvalues.sum(1, keepdim=True), torch.ones_like(eigenvalues)
    for _ in range(5):
        step = 0.5 * (3 - inverse * root)
        root, inverse = root * step, step * inverse
    expected = (root * eigenvalues.sum(1, keepdim=True).sqrt()).sort().values
    torch.testing.assert_close(torch.linalg.eigvalsh(square_root(matrices, 5)), expected, rtol=1e-8, atol=1e-10)


def test_five_steps_are_near_where_eigenvalues_are_alike() -> None:
    torch.manual_seed(2)
    matrices = matrices_with(1 + torch.rand(3, 8).double())
    torch.testing.assert_close(square_root(matrices, 5), exact_root(matrices), rtol=0, atol=0.02)


@pytest.mark.parametrize("equal", [False, True])
def test_the_gradient_is_that_of_finite_differences(equal: bool) -> None:
    torch.manual_seed(3)
    cells = torch.randn(2, 4, 6).double()
    if equal:  # equal eigenvalues, where that of a decomposition is infinite
        cells = torch.eye(4, 6).double().repeat(2, 1, 1)
    weights = torch.rand(2, 6).double() + 0.5
    assert torch.autograd.gradcheck(lambda x: square_root(covariance(x, weights), 5), cells.requires_grad_())


def test_covariance_is_the_weighted_one() -> None:
    torch.manual_seed(4)
    cells, weights = torch.randn(2, 3, 8).double(), torch.rand(2, 8).double()
    whole = torch.ones(8).double()
    for b in range(2):
        expected = torch.cov(cells[b], correction=0, aweights=weights[b])
        torch.testing.assert_close(covariance(cells, weights)[b], expected)
        torch.testing.assert_close(covariance(cells, whole.expand(2, 8))[b], torch.cov(cells[b], correction=0))


def test_second_order_evidence_is_read_from_the_eigen_decomposition_s_root() -> None:
    P, C, N, D = 9, 6, 3, 4
    head = randomised(SecondOrderHead(C, 0, N, reduced_dim=D, iterations=30))
    torch.nn.init.normal_(head.reduce.weight)
    vectors = torch.randn(2, P, C).double()
    reduced = vectors @ head.reduce.weight.T
    norm = head.norm
    normed = (reduced - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
    cells = normed.clamp_min(0)
    centred = cells - cells.mean(1, keepdim=True)
    roots = exact_root(centred.transpose(1, 2) @ centred / P)
    triangle = torch.stack([roots[:, row, column] for row in range(D) for column in range(row, D)], 1)
    expected = triangle @ head.classifier.weight.T
    torch.testing.assert_close(head(vectors, torch.ones(2, P).double())[:, 0], expected, rtol=1e-6, atol=1e-6)


def test_the_square_root_is_taken_in_float32_under_autocast() -> None:
    torch.manual_seed(5)
    head = SecondOrderHead(16, 0, 3, reduced_dim=8).eval()
    vectors, presence = torch.randn(2, 30, 16), torch.ones(2, 30)
    cells = torch.randn(2, 8, 30).relu()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = head._root(cells, presence)
        assert head(vectors, presence).isfinite().all()
    assert inside.dtype == torch.float32
    assert torch.equal(inside, head._root(cells, presence))
