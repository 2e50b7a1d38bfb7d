"""The engine that runs an exported file in OpenVINO; it needs no torch."""

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fieldmark.errors import BundleError, ConfigError
from fieldmark.predict.contract import NetworkOutputs
from fieldmark.predict.exported import INPUT, NETWORK_OUTPUTS, WEIGHTS_KEY, usable_cores
from fieldmark.predict.onnx_engine import outputs_of, stated

#: Where in a file's own facts those of Fieldmark stand.
FACTS = "fieldmark"


class OpenVinoEngine:
    """Runs an exported network in OpenVINO, one thread a call and as many calls at once as there are cores.

    It computes in float32: left to itself, OpenVINO takes bfloat16 on processors that have it, and decisions change.

    Args:
        file: the ``.xml`` that ``fieldmark export --format openvino`` wrote.
        parallel: how many calls at once; by default the number of cores.

    Raises:
        ConfigError: OpenVINO isn't installed, or fewer than one call.
        BundleError: the file can't be read.
    """

    def __init__(self, file: Path, *, parallel: int | None = None) -> None:
        if parallel is not None and parallel < 1:
            raise ConfigError(f"{parallel} calls at once are none.", "Give a whole number of 1 or more.")
        try:
            import openvino
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"The engine openvino can't be used: {error.name or 'openvino'} isn't installed.",
                "Install it: pip install 'fieldmark[openvino]'.",
            ) from error
        self.parallel = parallel or usable_cores()
        options = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": self.parallel,
            "NUM_STREAMS": self.parallel,
        }
        try:
            core = openvino.Core()
            model = core.read_model(file)
            facts = [FACTS, WEIGHTS_KEY]
            self.weights = stated(model.get_rt_info(facts).astype(str)) if model.has_rt_info(facts) else None
            self._model = core.compile_model(model, "CPU", options)
        except Exception as error:  # its own errors have no class in common
            reason = str(error).strip().splitlines()[-1]
            raise BundleError(f"{file} can't be read: {reason}", "Export the run again, with --force.") from error
        self._requests = threading.local()

    def run(self, pixels: npt.NDArray[np.uint8]) -> NetworkOutputs:
        """Return what the network says of one batch of fitted pictures (B, R, R, 3)."""
        request = getattr(self._requests, "own", None)
        if request is None:  # one request serves one thread
            request = self._requests.own = self._model.create_infer_request()
        found = request.infer({INPUT: np.ascontiguousarray(pixels)})
        return outputs_of({name: np.array(found[name]) for name in NETWORK_OUTPUTS})
