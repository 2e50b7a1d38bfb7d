"""Fixtures that several test folders use."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the test folders are no packages

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights; the test skips where it is missing."""
    folder = Path(os.environ.get("FIELDMARK_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"real data not found at {folder}; set FIELDMARK_SHARED to its place")
    return folder


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder whose bundle names five classes at 48 px, with random weights and a temperature of 2."""
    from dataclasses import asdict

    import torch

    from fieldmark.models.backbones import BackboneSpec
    from fieldmark.models.build import ModelSpec, build_recognizer
    from fieldmark.models.bundle import BundleInfo, save_bundle
    from fieldmark.records import Preprocessing

    torch.manual_seed(0)
    classes = ("ant", "bee", "cat", "dog", "élan")
    spec = ModelSpec(BackboneSpec("resnet10t", {"channels": (8, 16, 24, 32)}), classes=len(classes))
    recognizer = build_recognizer(spec)
    torch.nn.init.normal_(recognizer.bias)
    info = BundleInfo(
        classes=classes,
        preprocessing=Preprocessing(48),
        model=asdict(spec),
        rank_names=("kind", "species"),
        lineage={name: ("insect" if name in ("ant", "bee") else "mammal", name) for name in classes},
        temperature=2.0,
    )
    run = tmp_path_factory.mktemp("tiny") / "run"
    save_bundle(run / "bundle", recognizer, info)
    return run


@pytest.fixture(scope="session")
def deciding_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run with a decision rule, fitted on what it says of noise, and reference pictures of noise."""
    import shutil

    import numpy as np

    from fieldmark.decide import HeldOut, RuleOptions, fit_rule
    from fieldmark.models.reference import Reference
    from fieldmark.predict import load_predictor
    from fieldmark.predict.deciding import record_decisions
    from fieldmark.predict.neighbours import Neighbours

    run = tmp_path_factory.mktemp("deciding") / "run"
    shutil.copytree(tiny_run, run)
    predictor, generator = load_predictor(run), np.random.default_rng(0)
    found = predictor.outputs(generator.integers(0, 256, (90, 48, 48, 3), dtype=np.uint8))
    truth = generator.integers(0, 5, 90)
    reference = Reference(found.embedding[:30], truth[:30], tuple(f"noise {place}" for place in range(30)))
    similarities = Neighbours(found.embedding[:30]).nearest(found.embedding[30:], 10)[0]
    held = HeldOut(found.logits[30:], truth[30:], similarities, "noise")
    info = predictor.info
    options = RuleOptions(precision=0.5, known_share=0.6, costs={"ant": 4.0})
    rule, temperature = fit_rule(held, info.classes, info.rank_names, info.lineage, options)
    record_decisions(run, rule, temperature, reference, ("It was fitted on noise.",))
    return run


@pytest.fixture(scope="session")
def exported_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run, exported as ONNX and for OpenVINO."""
    from export_examples import write_pictures
    from fieldmark.export import export

    pictures = tmp_path_factory.mktemp("exported") / "pictures"
    write_pictures(pictures)
    for form in ("onnx", "openvino"):
        export(tiny_run, form, data=pictures)
    return tiny_run


@pytest.fixture(scope="session")
def _written_quadrant_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from part_stand_ins import register_quadrants, write_quadrant_run

    with pytest.MonkeyPatch.context() as patch:
        register_quadrants(patch)
        return write_quadrant_run(tmp_path_factory.mktemp("quadrants"))


@pytest.fixture
def quadrant_run(_written_quadrant_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with a table whose parts are the quadrants of the picture; they are a part learner while the test runs."""
    from part_stand_ins import register_quadrants

    register_quadrants(monkeypatch)
    return _written_quadrant_run


@pytest.fixture(scope="session")
def _written_colour_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fieldmark.evaluation import fit_decisions
    from gallery_stand_ins import write_colour_run

    folder = tmp_path_factory.mktemp("colours")
    run = write_colour_run(folder)
    fit_decisions(run, cache=folder / "cache")
    return run


@pytest.fixture
def colour_run(_written_colour_run: Path, tmp_path: Path) -> Path:
    """A run of its own whose classes are colours, with decisions and with what its network sees."""
    shutil.copytree(_written_colour_run, tmp_path / "run")
    return tmp_path / "run"
