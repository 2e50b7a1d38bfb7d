"""Files of integers: kept only where they are faster and nearly as accurate; speed is stood in for."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from export_examples import CLASSES, write_run
from fieldmark.data.table import Table
from fieldmark.errors import ConfigError, DataError, ExportError
from fieldmark.export import export, quantised_file
from fieldmark.export.job import ExportJob
from fieldmark.export.quantised_file import QuantisedFigures, measured_speed
from fieldmark.export.source import ExportSource
from fieldmark.models.parts import PartsSpec
from fieldmark.predict import load_predictor
from fieldmark.predict.contract import NetworkOutputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", head="additive", parts=PartsSpec("keypoints", ("beak", "tail"), 8), pictures=16)


def test_a_file_that_is_worth_it_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised_file, "measured_speed", lambda *_: 1.5)
    monkeypatch.setattr(quantised_file, "MOST_LOST", 100.0)
    done = export(folder, "int8")
    assert done.file == folder / "export" / "model.int8.onnx"
    assert "1.50 times as fast" in done.findings[0]
    assert "of 4 held-out pictures right" in done.findings[0]
    assert "torch's name on" in done.findings[0]

    model = onnx.load(done.file)
    assert json.loads({fact.key: fact.value for fact in model.metadata_props}["classes"]) == list(CLASSES)
    assert all(json.loads(fact.value) is not None for fact in model.metadata_props)
    graph = model.graph
    integers = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    layers = [node for node in graph.node if node.op_type == "Conv"]
    inside = [node for node in layers if set(node.input) & integers]
    assert 0 < len(inside) < len(layers)  # the backbone's, not those of the parts

    pixels = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    found, wanted = load_predictor(folder, engine="int8").outputs(pixels), load_predictor(folder).outputs(pixels)
    assert 0 < np.abs(found.embedding - wanted.embedding).max() < 0.1 * np.abs(wanted.embedding).max()


def test_a_file_that_is_not_worth_it_is_refused_with_the_figures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised_file, "measured_speed", lambda *_: 0.875)
    with pytest.raises(ExportError, match=r"0\.88 times as fast .* of 4 held-out pictures right against") as caught:
        export(folder, "int8")
    assert "--format onnx" in caught.value.cure
    assert list((folder / "export").iterdir()) == []


@pytest.mark.parametrize(
    ("speed", "right", "worth_it"),
    [(1.2, 0.800, True), (1.2, 0.7951, True), (1.2, 0.794, False), (1.2, 0.9, True), (1.0, 0.8, False)],
)
def test_worth_it_is_faster_and_at_most_half_a_point_worse(speed: float, right: float, worth_it: bool) -> None:
    assert QuantisedFigures(speed, right, 0.8, 1000, 0.99, 0.9).worth_it is worth_it


def test_it_takes_training_and_labelled_held_out_pictures(folder: Path) -> None:
    with pytest.raises(ConfigError, match="ending"):
        export(folder, "int8", folder / "model")
    table = Table.load(folder / "table.parquet")
    table.split("val", "test").save(folder / "table.parquet")
    with pytest.raises(DataError, match="no training pictures"):
        export(folder, "int8")
    table.split("train").save(folder / "table.parquet")
    with pytest.raises(DataError, match="no labelled held-out pictures"):
        export(folder, "int8")


def test_speed_is_how_many_times_as_many_pictures_a_second(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(quantised_file.time, "perf_counter", lambda: clock[0])
    source = ExportSource.load(ExportJob(folder, folder / "x"))
    torch_engine = source.torch_engine()

    class Timed:
        parallel = 1

        def __init__(self, seconds: float) -> None:
            self.seconds = seconds

        def run(self, pixels: np.ndarray) -> NetworkOutputs:
            clock[0] += self.seconds
            return torch_engine.run(pixels)

    assert measured_speed(source, Timed(2.0), Timed(5.0)) == pytest.approx(2.5)
