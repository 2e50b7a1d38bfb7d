"""The engine that runs an exported file in onnxruntime; it needs no torch."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fieldmark.errors import BundleError, ConfigError
from fieldmark.predict.contract import NetworkOutputs
from fieldmark.predict.exported import INPUT, NETWORK_OUTPUTS, WEIGHTS_KEY, usable_cores

#: Of onnxruntime's levels of messages, errors; it warns of nodes that it leaves to the processor, as all are here.
_ERRORS_ONLY = 3


class OnnxEngine:
    """Runs an exported network in onnxruntime, one thread a call and as many calls at once as there are cores.

    Threads that share one call wait for each other after every layer; calls of their own never wait, nor do they take
    the cores from those that decode.

    Args:
        file: what ``fieldmark export --format onnx`` wrote.
        parallel: how many calls at once; by default the number of cores.

    Raises:
        ConfigError: onnxruntime isn't installed, or fewer than one call.
        BundleError: the file can't be read, or is no exported network.
    """

    def __init__(self, file: Path, *, parallel: int | None = None) -> None:
        if parallel is not None and parallel < 1:
            raise ConfigError(f"{parallel} calls at once are none.", "Give a whole number of 1 or more.")
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"The engine onnx can't be used: {error.name or 'onnxruntime'} isn't installed.",
                "Install it: pip install 'fieldmark[onnx]'.",
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own errors have no class in common
            reason = str(error).splitlines()[0]
            raise BundleError(f"{file} can't be read: {reason}", "Export the run again, with --force.") from error
        missing = set(NETWORK_OUTPUTS) - {output.name for output in self._session.get_outputs()}
        if missing:
            raise BundleError(f"{file} has no output {sorted(missing)[0]!r}.", "Export the run again, with --force.")
        self.parallel = parallel or usable_cores()

    @property
    def weights(self) -> str | None:
        """The fingerprint of the weights that the file holds; ``None`` where it states none."""
        return stated(self._session.get_modelmeta().custom_metadata_map.get(WEIGHTS_KEY))

    def run(self, pixels: npt.NDArray[np.uint8]) -> NetworkOutputs:
        """Return what the network says of one batch of fitted pictures (B, R, R, 3)."""
        found = self._session.run(NETWORK_OUTPUTS, {INPUT: np.ascontiguousarray(pixels)})
        return outputs_of(dict(zip(NETWORK_OUTPUTS, found, strict=True)))


def stated(fact: str | None) -> str | None:
    """Return a text that an exported file states as JSON; ``None`` where it states none."""
    try:
        return None if fact is None else str(json.loads(fact))
    except ValueError:
        return None


def outputs_of(found: dict[str, npt.NDArray[np.float32]]) -> NetworkOutputs:
    """Return named outputs of an exported network as one record."""
    return NetworkOutputs(
        logits=found["logits"].astype(np.float64),
        embedding=found["embedding"],
        vectors=found["vectors"],
        presence=found["presence"],
        evidence=found["evidence"],
        maps=found["maps"],
    )
