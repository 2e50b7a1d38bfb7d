"""ONNX files: the same outputs as torch of every head and part learner, what they tell, and what is refused."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from export_examples import CLASSES, write_pictures, write_run
from fieldmark.errors import BundleError, ConfigError, DataError, ExportError
from fieldmark.export import export, export_onnx, network_graph
from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.parts import PartsSpec
from fieldmark.predict import load_predictor
from fieldmark.predict.exported import OUTPUTS
from fieldmark.records import Preprocessing

#: What float32 sums in another order may make.
TOLERANCE = 1e-5

NAMES = ("beak", "tail", "wing")

#: Every head and every part learner at least once, and networks of other kinds than convolutions.
CASES: dict[str, dict[str, object]] = {
    "linear, whole": {},
    "linear, whole, usual light": {"usual_light": True},
    "linear, keypoints": {"parts": PartsSpec("keypoints", NAMES, 8)},
    "additive, discovered, rest": {"head": "additive", "parts": PartsSpec("discovered", NAMES, 8), "rest": True},
    "additive, linked keypoints": {"head": "additive", "parts": PartsSpec("linked_keypoints", NAMES, 8)},
    "additive, discovered, attention within": {
        "head": "additive",
        "parts": PartsSpec("discovered", NAMES, 8),
        "part_attention": True,
    },
    "attention": {"head": "attention"},
    "second order": {"head": "second_order"},
    "gradients": {"backbone": BackboneSpec("fieldmark:gradients")},
}


def outputs_of(file: Path, pixels: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"pixels": pixels}), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_every_output_is_torch_s_for_batches_of_any_size(case: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", **CASES[case])  # type: ignore[arg-type]
    file = export_onnx(run)
    assert [path.name for path in file.parent.iterdir()] == ["model.onnx"]
    predictor = load_predictor(run)
    for count in (1, 3):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 48, 48, 3), dtype=np.uint8)
        found, wanted = outputs_of(file, pixels), predictor.outputs(pixels)
        for name in set(OUTPUTS) - {"probabilities"}:
            value = getattr(wanted, name)
            assert found[name].shape == value.shape, name
            assert np.abs(found[name] - value).max() < TOLERANCE * max(1, np.abs(value).max()), name
        assert np.abs(found["probabilities"] - predictor.probabilities(pixels)).max() < TOLERANCE


def test_the_file_tells_what_turns_its_outputs_into_decisions(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", preprocessing=Preprocessing(40, fit="crop", fill=(1, 2, 3)))
    (run / "bundle" / "decisions.json").unlink(missing_ok=True)
    (run / "bundle" / "more.json").write_text('{"threshold": 0.25}')
    export_onnx(run, tmp_path / "elsewhere" / "birds.onnx")
    file = tmp_path / "elsewhere" / "birds.onnx"
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    found = session.get_modelmeta().custom_metadata_map
    facts = {key: json.loads(value) for key, value in found.items()}
    assert facts["classes"] == list(CLASSES)
    assert (facts["resolution"], facts["fit"], facts["fill"]) == (40, "crop", [1, 2, 3])
    assert (facts["temperature"], facts["part_names"]) == (2.0, ["whole picture"])
    assert (facts["lineage"], facts["rank_names"]) == ({}, ["class"])
    assert facts["more"] == {"threshold": 0.25}
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape[1:]) == ("pixels", "tensor(uint8)", [40, 40, 3])
    assert str(tmp_path).encode() not in file.read_bytes()
    assert b"site-packages" not in file.read_bytes()  # nor where this machine keeps its libraries


@pytest.mark.parametrize("broken", ["colours", "embedding"])
def test_a_file_that_differs_is_refused_and_nothing_is_written(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run")
    there = run / "export" / "model.onnx"
    there.parent.mkdir()
    there.write_text("mine")
    forward = network_graph.PictureNetwork.forward

    def swapped(self: network_graph.PictureNetwork, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return forward(self, pixels.flip(3))

    def scaled(self: network_graph.PictureNetwork, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = list(forward(self, pixels))
        found[2] = found[2] * 1.01 + 0.001
        return tuple(found)

    monkeypatch.setattr(network_graph.PictureNetwork, "forward", swapped if broken == "colours" else scaled)
    with pytest.raises(ExportError, match=r"differ|decides otherwise") as caught:
        export(run, "onnx", replace=True)
    assert "nothing was written" in caught.value.cure
    assert [path.name for path in there.parent.iterdir()] == ["model.onnx"]
    assert there.read_text() == "mine"


def test_what_can_not_be_exported_names_the_cure(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with pytest.raises(ConfigError, match="ending") as caught:
        export_onnx(run, tmp_path / "model.pb")
    assert "model.onnx" in caught.value.cure
    (run / "table.parquet").unlink()
    with pytest.raises(DataError, match="checked on real ones") as missing:
        export(run, "onnx")
    assert "--data" in missing.value.cure
    with pytest.raises(BundleError, match="no bundle"):
        export(tmp_path, "onnx")


def test_a_bundle_alone_is_checked_with_other_pictures(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "bundle").rename(tmp_path / "birds")
    write_pictures(tmp_path / "photos", 5)
    told: list[tuple[int, int]] = []
    found = export(
        tmp_path / "birds", "onnx", data=tmp_path / "photos", progress=lambda done, total: told.append((done, total))
    )
    assert found.file == tmp_path / "birds" / "export" / "model.onnx"
    assert "on 5 of 5 pictures (all that there are)" in found.findings[0]
    assert (told[0], told[-1]) == ((0, 512), (10, 512))
    assert load_predictor(tmp_path / "birds", engine="onnx").info.classes == CLASSES


def test_without_onnx_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExportError, match="onnx isn't installed") as caught:
        export_onnx(run)
    assert "fieldmark[onnx]" in caught.value.cure
