"""A recogniser as an ONNX graph that takes pictures as bytes, with all that a bundle knows as its metadata."""

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fieldmark.augment import normalise
from fieldmark.errors import ExportError
from fieldmark.export.libraries import import_library
from fieldmark.models.bundle import INFO_FILE, BundleInfo, find_bundle, weights_fingerprint
from fieldmark.models.recognizer import Recognizer
from fieldmark.predict.exported import INPUT, OUTPUTS, WEIGHTS_KEY

if TYPE_CHECKING:
    import onnx

#: Version of the operators: normalisation of groups came with 18, and onnxruntime reads it since 1.17 (early 2024).
_OPSET = 20

#: What the names of the backbone's nodes begin with.
BACKBONE_NODES = "backbone/"

#: Where the exporter notes which module a node comes from.
_SCOPES = "pkg.torch.onnx.name_scopes"


class PictureNetwork(nn.Module):
    """A recogniser with what comes before and after it: from pixels to all that there is to say.

    Args:
        recognizer: the network.
        info: its bundle: how pixels are normalised, and the temperature.
    """

    def __init__(self, recognizer: Recognizer, info: BundleInfo) -> None:
        super().__init__()
        self.recognizer = recognizer
        self._mean, self._std, self._temperature = info.preprocessing.mean, info.preprocessing.std, info.temperature

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Turn fitted pictures (B, R, R, 3) of uint8 RGB into what ``OUTPUTS`` names, in that order."""
        found = self.recognizer.outputs(normalise(pixels, self._mean, self._std))
        probabilities = (found.logits / self._temperature).softmax(1)
        return (
            found.logits,
            probabilities,
            found.embedding,
            found.vectors,
            found.presence,
            found.evidence,
            found.maps,
        )


def network_graph(recognizer: Recognizer, info: BundleInfo, facts: dict[str, str]) -> "onnx.ModelProto":
    """Translate a recogniser to ONNX, for batches of any size.

    Args:
        recognizer: the network, in evaluation mode.
        info: its bundle.
        facts: the metadata.

    Raises:
        ExportError: ONNX isn't installed, or the network does something that can't be translated.
    """
    import_library("onnx", "onnx")
    import_library("onnxscript", "onnx")
    side = info.preprocessing.resolution
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    try:
        program = torch.onnx.export(
            PictureNetwork(recognizer, info).eval(),
            (example,),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ExportError(
            f"The network can't be translated to ONNX: {reason}", "Use another backbone, part learner or head."
        ) from error
    if program is None:
        raise ExportError("The network can't be translated to ONNX.", "Use another backbone, part learner or head.")
    graph: onnx.ModelProto = program.model_proto
    _clean(graph)
    for key, value in facts.items():
        graph.metadata_props.add(key=key, value=value)
    return graph


def facts_of(run: Path, info: BundleInfo) -> dict[str, str]:
    """Return what a file tells of itself, by name, each as JSON: all that turns its outputs into decisions.

    Args:
        run: a run's folder, or a bundle; every JSON file in the bundle is taken along under its own name.
        info: the bundle.

    Raises:
        BundleError: there is no bundle.
    """
    preprocessing = info.preprocessing
    facts: dict[str, object] = {
        "classes": info.classes,
        "rank_names": info.rank_names,
        "lineage": info.lineage,
        "part_names": info.part_names,
        "resolution": preprocessing.resolution,
        "fit": preprocessing.fit,
        "fill": preprocessing.fill,
        "temperature": info.temperature,
        "data_fingerprint": info.data_fingerprint,
        "fieldmark_version": info.fieldmark_version,
        WEIGHTS_KEY: weights_fingerprint(run),
    }
    for path in sorted(find_bundle(run).glob("*.json")):
        if path.name != INFO_FILE:
            facts.setdefault(path.stem, json.loads(path.read_text(encoding="utf-8")))
    return {key: json.dumps(value, ensure_ascii=False) for key, value in facts.items()}


def _clean(graph: "onnx.ModelProto") -> None:
    """Take out notes on this machine's files, and name the backbone's nodes for what they are."""
    for node in graph.graph.node:
        notes = {note.key: note.value for note in node.metadata_props}
        scopes = ast.literal_eval(notes.get(_SCOPES, "[]"))
        if any(scope.startswith("recognizer.backbone") for scope in scopes):
            node.name = BACKBONE_NODES + node.name
        del node.metadata_props[:]
    for value in (*graph.graph.value_info, *graph.graph.input, *graph.graph.output):
        del value.metadata_props[:]
