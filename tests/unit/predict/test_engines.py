"""Engines that run exported files: how they are found, what they refuse, that they need no torch."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fieldmark.errors import BundleError, ConfigError
from fieldmark.models.bundle import load_bundle, save_bundle
from fieldmark.predict import load_predictor
from fieldmark.predict.exported import export_folder
from fieldmark.predict.onnx_engine import OnnxEngine
from fieldmark.predict.openvino_engine import OpenVinoEngine

#: Runs on its own: predicts with an engine, and prints the label and which heavy libraries that took.
ALONE = """
import sys
from fieldmark import load_predictor
import numpy as np
print(load_predictor(sys.argv[1], engine=sys.argv[2])([np.zeros((9, 9, 3), np.uint8)])[0].label)
print(*sorted({"torch", "timm", "lightning"} & set(sys.modules)))
"""


@pytest.fixture
def copy(exported_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported_run, tmp_path / "copy")


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_it_predicts_without_torch(engine: str, exported_run: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(exported_run), engine], capture_output=True, text=True, check=True
    )
    wanted = load_predictor(exported_run)([np.zeros((9, 9, 3), np.uint8)])[0].label
    assert done.stdout.splitlines() == [wanted, ""]


def test_an_unknown_engine_is_an_error_that_lists_them(tiny_run: Path) -> None:
    with pytest.raises(ConfigError, match="no engine 'onix'") as caught:
        load_predictor(tiny_run, engine="onix")
    assert "'onnx'" in caught.value.cure
    assert "torch" in caught.value.cure


@pytest.mark.parametrize("engine", ["onnx", "int8", "openvino"])
def test_a_run_that_was_not_exported_says_how(engine: str, copy: Path) -> None:
    shutil.rmtree(copy / "export")
    with pytest.raises(BundleError, match=f"not been exported as {engine}") as caught:
        load_predictor(copy, engine=engine)
    assert f"fieldmark export {copy} --format {engine}" in caught.value.cure


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_a_file_of_other_weights_is_refused(engine: str, copy: Path) -> None:
    load_predictor(copy, engine=engine)
    recognizer, info = load_bundle(copy)
    with torch.no_grad():
        recognizer.bias.add_(1)
    save_bundle(copy / "bundle", recognizer, info)
    with pytest.raises(BundleError, match="other weights") as caught:
        load_predictor(copy, engine=engine)
    assert "--force" in caught.value.cure


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_other_devices_are_refused(engine: str, exported_run: Path) -> None:
    with pytest.raises(ConfigError, match="not on cuda") as caught:
        load_predictor(exported_run, engine=engine, device="cuda")
    assert "torch" in caught.value.cure


@pytest.mark.parametrize(("kind", "library"), [(OnnxEngine, "onnxruntime"), (OpenVinoEngine, "openvino")])
def test_a_missing_library_a_broken_file_and_no_calls(
    kind: type[OnnxEngine] | type[OpenVinoEngine], library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="can't be read"):
        kind(tmp_path / "model")
    with pytest.raises(ConfigError, match="0 calls"):
        kind(tmp_path / "model", parallel=0)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match="isn't installed") as caught:
        kind(tmp_path / "model")
    assert f"fieldmark[{'onnx' if kind is OnnxEngine else 'openvino'}]" in caught.value.cure


def test_an_onnx_file_of_something_else_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "other", [value[0]], [value[1]])
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "other.onnx")
    with pytest.raises(BundleError, match="no output 'embedding'"):
        OnnxEngine(tmp_path / "other.onnx")


def test_exported_files_lie_beside_the_bundle_or_inside_one_that_lies_alone(copy: Path, tmp_path: Path) -> None:
    assert export_folder(copy) == export_folder(copy / "bundle") == copy / "export"
    alone = shutil.copytree(copy / "bundle", tmp_path / "birds")
    assert export_folder(alone) == alone / "export"
