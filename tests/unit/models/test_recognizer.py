from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fieldmark.errors import BundleError, ConfigError
from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.bundle import BundleInfo, load_bundle, read_info, record_results, save_bundle, spec_from_json
from fieldmark.models.heads import HEADS, LinearHead
from fieldmark.models.parts import PARTS, PartsSpec
from fieldmark.models.pooling import pool_parts
from fieldmark.models.recognizer import Recognizer
from fieldmark.records import Preprocessing

SPEC = ModelSpec(BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32)}), classes=5)


def info() -> BundleInfo:
    return BundleInfo(
        classes=("a", "b", "c", "d", "é"),
        preprocessing=Preprocessing(64, mean=(0.1, 0.2, 0.3)),
        model=asdict(SPEC),
        rank_names=("genus", "species"),
        lineage={"a": ("x", "a")},
        training={"weights": "none", "epochs": 3},
        results={"top1": 0.5},
    )


def test_logits_are_the_sum_of_evidence_and_bias() -> None:
    recognizer = build_recognizer(SPEC).eval()
    torch.nn.init.normal_(recognizer.bias)
    x = torch.randn(3, 3, 64, 64)
    assert torch.allclose(recognizer(x), recognizer.evidence(x).sum(1) + recognizer.bias, atol=1e-5)


def test_the_whole_picture_is_average_pooling() -> None:
    recognizer = build_recognizer(SPEC).eval()
    x = torch.randn(2, 3, 64, 64)
    pooled = recognizer.backbone.forward_features(x).mean((2, 3))
    assert torch.allclose(recognizer(x), pooled @ recognizer.head.weight[0].T + recognizer.bias, atol=1e-4)


def test_pooling_is_the_literal_weighted_mean() -> None:
    features = torch.randn(2, 7, 3, 4)
    maps = torch.randn(2, 4, 3, 4).softmax(1)
    vectors, presence = pool_parts(features, maps)
    for b in range(2):
        for k in range(3):
            literal = sum(maps[b, k, i, j] * features[b, :, i, j] for i in range(3) for j in range(4))
            assert torch.allclose(vectors[b, k], literal / maps[b, k].sum(), atol=1e-5)
            assert presence[b, k] == maps[b, k].max()


def test_a_hidden_part_gives_no_evidence() -> None:
    head = LinearHead(feature_dim=6, parts=2, classes=3).eval()
    evidence = head(torch.randn(1, 2, 6), torch.tensor([[1.0, 0.0]]))
    assert (evidence[:, 1] == 0).all()
    assert (evidence[:, 0] != 0).all()


def test_parts_count_as_far_as_they_are_trusted() -> None:
    recognizer = build_recognizer(replace(SPEC, parts=PartsSpec("discovered", ("a", "b", "c")), head="additive")).eval()
    features = torch.randn(2, 32, 5, 5)
    maps = torch.tensor([0.2, 0.4, 0.1, 0.3]).view(1, 4, 1, 1).expand(2, -1, 5, 5)
    maps = maps * torch.rand(2, 4, 5, 5)
    whole = features.mean((2, 3)).unsqueeze(1).expand(-1, 3, -1)
    vectors, presence = pool_parts(features, maps)
    for trust in (0.0, 0.5, 1.0):
        found = recognizer.evidence_of(features, maps, trust=trust)
        torch.testing.assert_close(found.presence, 1 - trust * (1 - presence))
        blended = trust * vectors + (1 - trust) * whole
        torch.testing.assert_close(found.evidence, recognizer.head(blended, found.presence))


def attentive(*, rest: bool = False) -> Recognizer:
    parts = PartsSpec("discovered", ("a", "b", "c"))
    return build_recognizer(replace(SPEC, parts=parts, head="additive", rest=rest, part_attention=True)).eval()


def test_attention_begins_with_the_plain_mean() -> None:
    recognizer = attentive()
    features, maps = torch.randn(2, 32, 5, 5), torch.rand(2, 4, 5, 5).softmax(1)
    vectors, presence = recognizer.pooled(features, maps)
    expected = pool_parts(features, maps)
    torch.testing.assert_close(vectors, expected[0])
    torch.testing.assert_close(presence, expected[1])


@pytest.mark.parametrize("rest", [False, True])
def test_with_attention_evidence_still_adds_up_cell_by_cell(rest: bool) -> None:
    recognizer = attentive(rest=rest)
    assert recognizer.attention is not None
    torch.nn.init.normal_(recognizer.attention.weight)
    torch.nn.init.normal_(recognizer.bias)
    x, direction = torch.randn(2, 3, 96, 96), torch.randn(5)
    with torch.inference_mode():
        cells = recognizer.cell_evidence(x, direction)
        found = recognizer.outputs(x)
    torch.testing.assert_close(cells.sum((2, 3)), found.evidence @ direction, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(recognizer(x), found.evidence.sum(1) + recognizer.bias)


def test_attention_needs_a_head_that_adds_up() -> None:
    with pytest.raises(ConfigError, match="no part looks anywhere"):
        build_recognizer(replace(SPEC, head="attention", part_attention=True))


def test_a_bundle_keeps_its_attention(tmp_path: Path) -> None:
    recognizer = attentive()
    assert recognizer.attention is not None
    torch.nn.init.normal_(recognizer.attention.weight)
    spec = replace(SPEC, parts=PartsSpec("discovered", ("a", "b", "c")), head="additive", part_attention=True)
    save_bundle(
        tmp_path / "bundle", recognizer, replace(info(), model=asdict(spec), part_names=recognizer.evidence_names)
    )
    loaded, _ = load_bundle(tmp_path / "bundle")
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(loaded(x), recognizer(x))


def test_unknown_head_lists_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="head") as caught:
        build_recognizer(ModelSpec(SPEC.backbone, 5, head="liner"))
    assert "'linear'" in caught.value.cure
    assert all(name in caught.value.cure for name in HEADS)


class Halves(nn.Module):
    """The upper and the lower half as parts, each with half of a cell left over."""

    names = ("upper", "lower")
    background = True

    def forward(self, features: Tensor) -> Tensor:
        batch, _, height, width = features.shape
        maps = torch.zeros(batch, 3, height, width)
        maps[:, 0, : height // 2] = 0.5
        maps[:, 1, height // 2 :] = 0.5
        maps[:, 2] = 0.5
        return maps


@pytest.fixture
def halves(monkeypatch: pytest.MonkeyPatch) -> PartsSpec:
    monkeypatch.setitem(PARTS, "halves", lambda _spec, _dim: Halves())
    return PartsSpec("halves")


def test_the_rest_of_the_picture_is_one_more_part(halves: PartsSpec) -> None:
    recognizer = build_recognizer(replace(SPEC, head="additive", parts=halves, rest=True)).eval()
    assert recognizer.evidence_names == ("upper", "lower", "rest of the picture")
    found = recognizer.parts_evidence(torch.randn(2, 3, 64, 64))
    assert found.evidence.shape == (2, 3, 5)
    assert found.presence.tolist() == [[0.5, 0.5, 1.0]] * 2


def test_a_bundle_keeps_the_options_of_its_head(halves: PartsSpec, tmp_path: Path) -> None:
    spec = replace(SPEC, head="additive", parts=halves, rest=True, dropout=0.3, part_dropout=0.2)
    recognizer = build_recognizer(spec).eval()
    save_bundle(tmp_path, recognizer, replace(info(), model=asdict(spec), part_names=recognizer.evidence_names))
    again, _ = load_bundle(tmp_path)
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(again(x), recognizer(x))
    assert again.head.part_dropout.share == 0.2
    assert again.head.dropout.p == 0.3


@pytest.mark.parametrize(
    ("changes", "message", "cure"),
    [
        ({"rest": True}, "'whole' leaves no background", "Leave rest out"),
        ({"rest": True, "head": "attention"}, "'attention' pools", "linear, additive"),
        ({"parts": PartsSpec("discovered", ("a", "b")), "head": "attention"}, "takes no parts", "parts 0"),
        ({"parts": PartsSpec("keypoints", ("a", "b")), "head": "second_order"}, "takes no parts", "no keypoints"),
        ({"rest": True, "head": "second_order"}, "'second_order' pools", "linear, additive"),
        ({"part_dropout": 0.2}, "only one", "part_dropout to 0"),
        ({"part_dropout": 0.2, "head": "additive"}, "only one", "part_dropout to 0"),
        ({"part_dropout": 0.2, "head": "attention"}, "this head has none", "'additive'"),
        ({"parts": PartsSpec("cells")}, "no fixed number of parts", "attention, second_order"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, object], message: str, cure: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build_recognizer(replace(SPEC, **changes))
    assert cure in caught.value.cure


def test_bundle_gives_back_weights_and_everything_else(tmp_path: Path) -> None:
    recognizer = build_recognizer(SPEC).eval()
    save_bundle(tmp_path / "run" / "bundle", recognizer, info())
    again, read = load_bundle(tmp_path / "run")
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(again(x), recognizer(x))
    assert not again.training
    assert read.classes == info().classes
    assert read.preprocessing == info().preprocessing
    assert read.lineage == {"a": ("x", "a")}
    assert {path.name for path in (tmp_path / "run" / "bundle").iterdir()} == {
        "bundle.json",
        "weights.safetensors",
        "README.md",
    }


def test_the_spec_comes_back_equal_from_json() -> None:
    import json
    from dataclasses import asdict, replace

    spec = replace(SPEC, parts=PartsSpec("keypoints", names=("beak", "tail")))
    assert spec_from_json(json.loads(json.dumps(asdict(spec)))) == spec


def test_saving_again_replaces_the_bundle_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for _ in range(2):
        save_bundle(tmp_path / "bundle", build_recognizer(SPEC), info())
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_measured_results_join_the_bundle_and_its_card(tmp_path: Path) -> None:
    save_bundle(tmp_path / "bundle", build_recognizer(SPEC), info())
    record_results(tmp_path, {"test top1": 0.8125})
    assert read_info(tmp_path).results == {"top1": 0.5, "test top1": 0.8125}
    assert "test top1: 0.8125" in (tmp_path / "bundle" / "README.md").read_text()
    assert len(list((tmp_path / "bundle").iterdir())) == 3


def test_missing_unfinished_and_damaged_bundles_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle"):
        read_info(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(BundleError, match="not finished") as caught:
        read_info(tmp_path)
    assert "--resume" in caught.value.cure
    save_bundle(tmp_path / "bundle", build_recognizer(SPEC), info())
    (tmp_path / "bundle" / "weights.safetensors").write_bytes(b"cut off")
    with pytest.raises(BundleError, match=r"weights\.safetensors"):
        load_bundle(tmp_path)
    (tmp_path / "bundle" / "bundle.json").write_text('{"format": 99}')
    with pytest.raises(BundleError, match="format 99"):
        read_info(tmp_path)


def test_weights_of_another_network_say_what_they_lack_or_have_besides(tmp_path: Path) -> None:
    save_bundle(tmp_path / "bundle", build_recognizer(SPEC), info())
    path = tmp_path / "bundle" / "weights.safetensors"
    weights = load_file(path)
    save_file({name: values for name, values in weights.items() if name != "bias"}, path)
    with pytest.raises(BundleError, match=r"another network than this version builds: it lacks bias\.") as caught:
        load_bundle(tmp_path)
    assert "train the bundle again" in caught.value.cure
    save_file(weights | {"more": torch.zeros(1), "most": torch.zeros(1)}, path)
    with pytest.raises(BundleError, match="it has, besides, more and 1 more"):
        load_bundle(tmp_path)
    save_file(weights | {"bias": torch.zeros(3)}, path)
    with pytest.raises(BundleError, match=r"than this version builds\."):
        load_bundle(tmp_path)
