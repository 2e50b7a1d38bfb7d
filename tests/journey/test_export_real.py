"""A real network on real photos, from training's table to an exported file that decides the same."""

from dataclasses import asdict
from pathlib import Path

import pytest

from fieldmark.data.reading import read_table
from fieldmark.export import export
from fieldmark.models.backbones import BackboneSpec
from fieldmark.models.backbones.build import load_weights
from fieldmark.models.build import ModelSpec, build_recognizer
from fieldmark.models.bundle import BundleInfo, save_bundle
from fieldmark.records import Preprocessing
from fieldmark.training.run_folder import TABLE_FILE

HALF = (0.5, 0.5, 0.5)


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_mobilenet_decides_the_same_on_256_photos(form: str, shared: Path, tmp_path: Path) -> None:
    table = read_table(shared / "data" / "grocery")
    spec = ModelSpec(BackboneSpec("mobilenetv2_100", {"pad_type": "same"}, HALF, HALF), len(table.classes))
    recognizer = build_recognizer(spec)
    load_weights(recognizer.backbone, shared / "weights" / "mobilenetv2_100.safetensors")
    info = BundleInfo(table.classes, Preprocessing(96, HALF, HALF), asdict(spec), lineage=table.lineage_of())
    save_bundle(tmp_path / "bundle", recognizer, info)
    table.save(tmp_path / TABLE_FILE)
    exported = export(tmp_path, form)
    assert exported.findings[0].startswith("The same decision as torch on 256 of 256 pictures;")
