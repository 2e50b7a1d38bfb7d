"""The engines there are, by name."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark.errors import ConfigError

if TYPE_CHECKING:
    from fieldmark.models.bundle import BundleInfo
    from fieldmark.predict.contract import Engine

#: From a run's folder or a bundle, and a device, to an engine and the bundle that it runs.
Loader = Callable[[Path, str], "tuple[Engine, BundleInfo]"]

#: The names of files in the folder of exported ones.
ONNX_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
OPENVINO_FOLDER = "openvino"
OPENVINO_FILE = "model.xml"


def _torch(run: Path, device: str) -> "tuple[Engine, BundleInfo]":
    from fieldmark.models.bundle import load_bundle
    from fieldmark.predict.torch_engine import TorchEngine

    recognizer, info = load_bundle(run)
    return TorchEngine(recognizer, info.preprocessing, device=device), info


def _onnx(run: Path, device: str) -> "tuple[Engine, BundleInfo]":
    return _onnxruntime(run, device, ONNX_FILE, "onnx")


def _int8(run: Path, device: str) -> "tuple[Engine, BundleInfo]":
    return _onnxruntime(run, device, INT8_FILE, "int8")


def _onnxruntime(run: Path, device: str, name: str, form: str) -> "tuple[Engine, BundleInfo]":
    from fieldmark.models.bundle import read_info
    from fieldmark.predict.exported import check_weights, exported_file
    from fieldmark.predict.onnx_engine import OnnxEngine

    _refuse_devices(device, form)
    info, file = read_info(run), exported_file(run, name, form)
    engine = OnnxEngine(file)
    check_weights(run, file, engine.weights, form)
    return engine, info


def _openvino(run: Path, device: str) -> "tuple[Engine, BundleInfo]":
    from fieldmark.models.bundle import read_info
    from fieldmark.predict.exported import check_weights, exported_file
    from fieldmark.predict.openvino_engine import OpenVinoEngine

    _refuse_devices(device, "openvino")
    info, file = read_info(run), exported_file(run, f"{OPENVINO_FOLDER}/{OPENVINO_FILE}", "openvino")
    engine = OpenVinoEngine(file)
    check_weights(run, file, engine.weights, "openvino")
    return engine, info


def _refuse_devices(device: str, name: str) -> None:
    if device != "cpu":
        raise ConfigError(
            f"The engine {name} runs on the processor, not on {device}.",
            "Leave the device out, or use the engine torch.",
        )


#: Engine name → what loads it. All but torch run an exported file, and load without torch.
ENGINES: dict[str, Loader] = {
    "torch": _torch,
    "onnx": _onnx,
    "int8": _int8,
    "openvino": _openvino,
}
