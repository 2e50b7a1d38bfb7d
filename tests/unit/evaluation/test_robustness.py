"""Robustness of a recogniser whose behaviour is known: it looks at a coloured mark and nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fieldmark.augment import FRACTIONS, OCCLUDERS
from fieldmark.data.table import Table, make_table
from fieldmark.errors import ConfigError, DataError
from fieldmark.evaluation import evaluate_robustness, robustness
from fieldmark.evaluation.part_regions import discovered_regions
from fieldmark.predict import Predictor, load_predictor
from fieldmark.predict.contract import NetworkOutputs
from fieldmark.robustness_results import RobustnessResult
from part_stand_ins import QUADRANTS, SIDE

CLASSES = ("plain", "red", "blue")
COLOURS = {"plain": (90, 90, 90), "red": (255, 0, 0), "blue": (0, 0, 255)}
EACH = 4


class ByMark:
    """Calls a picture red or blue where it sees enough of that very colour, otherwise plain; has another's parts."""

    def __init__(self, real: Predictor, **changes: object) -> None:
        self._real = real
        self.info = replace(real.info, classes=CLASSES, **changes)

    def outputs(self, pixels: NDArray[np.uint8]) -> NetworkOutputs:
        return self._real.outputs(pixels)

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        x = pixels.astype(int)
        red = ((x[..., 0] - x[..., 1:].max(-1)) > 100).sum((1, 2)) > 40
        blue = ((x[..., 2] - x[..., :2].max(-1)) > 100).sum((1, 2)) > 40
        return np.eye(3)[np.where(red, 1, np.where(blue, 2, 0))]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Grey pictures with a coloured mark at keypoint ``crown``; at keypoint ``tail`` there is nothing to see."""
    root = tmp_path / "pictures"
    root.mkdir()
    rows: dict[str, list[object]] = {name: [] for name in ("path", "label", "split", "box", "parts")}
    for label in CLASSES:
        for number in range(EACH + 1):
            picture = Image.new("RGB", (128, 96), (90, 90, 90))
            picture.paste(COLOURS[label], (40, 30, 56, 46))
            picture.save(root / f"{label}{number}.png")
            crown = {"name": "crown", "x": 48.0, "y": 38.0, "visible": True}
            tail = {"name": "tail", "x": 92.0, "y": 60.0, "visible": number > 0}
            values = (f"{label}{number}.png", label, "test" if number else "train", [24.0, 16.0, 88.0, 64.0])
            for name, value in zip(rows, (*values, [crown, tail]), strict=True):
                rows[name].append(value)
    return make_table(rows, root, reader="test", classes=CLASSES, part_names=("crown", "tail"))


@pytest.fixture
def run(quadrant_run: Path, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of the quadrants, whose answers are those of ``ByMark``."""
    import shutil

    shutil.copytree(quadrant_run, tmp_path / "run")
    table.save(tmp_path / "run" / "table.parquet")
    monkeypatch.setattr(robustness, "load_predictor", lambda run: ByMark(load_predictor(run)))
    return tmp_path / "run"


@pytest.fixture
def found(run: Path, tmp_path: Path) -> RobustnessResult:
    return evaluate_robustness(run, cache=tmp_path / "cache")


def test_what_decides_is_the_dearest_part_and_elsewhere_costs_nothing(found: RobustnessResult) -> None:
    annotated = {part.name: part for part in found.parts if part.source == "annotated"}
    assert set(annotated) == {"crown", "tail"}
    crown, tail = annotated["crown"], annotated["tail"]
    assert (crown.n, crown.clean, crown.elsewhere) == (12, 1.0, 1.0)
    assert crown.hidden == pytest.approx(1 / 3)  # only the plain ones are still called what they are
    assert (tail.clean, tail.hidden) == (1.0, 1.0)
    assert found.parts[0].name == "crown"
    assert crown.area == pytest.approx(np.pi * 0.16**2, rel=0.2)


def test_the_recogniser_s_own_parts_are_hidden_too(found: RobustnessResult) -> None:
    discovered = {part.name: part for part in found.parts if part.source == "discovered"}
    assert set(discovered) == set(QUADRANTS)  # the rest of the picture is no place
    assert discovered["top left"].hidden == pytest.approx(1 / 3)
    assert discovered["bottom right"].hidden == 1.0


def test_curves_start_clean_and_their_area_is_that_of_their_points(found: RobustnessResult) -> None:
    assert found.clean.value == 1.0
    assert tuple(curve.occluder for curve in found.curves) == tuple(OCCLUDERS)
    for curve in found.curves:
        assert curve.accuracy[0] == 1.0
        points = np.array(curve.accuracy)
        expected = 100 * ((points[1:] + points[:-1]) / 2).mean()
        assert curve.auc.value == pytest.approx(expected)
        assert curve.auc.low <= curve.auc.value <= curve.auc.high
    grey = found.curves[0]
    assert grey.accuracy[-1] < 0.7  # little of a mark is seen when nine tenths are covered
    assert found.fractions == FRACTIONS


def test_light_is_told_by_level_and_relative_to_the_clean_score(found: RobustnessResult) -> None:
    lights = {light.kind: light for light in found.lights}
    contrast = lights["contrast"]
    assert contrast.accuracy[-1] == pytest.approx(1 / 3)  # no colour is left
    assert contrast.degradation == pytest.approx(1 - np.mean(contrast.accuracy))
    assert lights["gamma"].degradation == pytest.approx(0, abs=0.01)  # pure colours stay as they are
    assert not any(light.trained for light in found.lights)


def test_the_run_keeps_figures_and_pictures(found: RobustnessResult, run: Path) -> None:
    assert RobustnessResult.load(run) == found
    assert (found.n, found.available, found.boxes, found.label) == (12, 12, 1.0, found.examples[0].predicted)
    assert {f"robustness/{path.name}" for path in (run / "robustness").iterdir()} == {e.file for e in found.examples}
    groups = [each.group for each in found.examples]
    assert groups.count("occlusion") == 2 * len(OCCLUDERS)
    assert groups.count("light") == 2 * 5
    assert {"annotated", "discovered"} <= set(groups)
    with Image.open(run / found.examples[0].file) as image:
        assert image.size == (SIDE, SIDE)


def test_measuring_again_gives_the_same_figures_and_fewer_pictures_take_all_classes(
    found: RobustnessResult, run: Path, tmp_path: Path
) -> None:
    again = evaluate_robustness(run, cache=tmp_path / "cache", pictures=None)
    assert replace(again, evaluated_at=found.evaluated_at) == found
    done: list[tuple[int, int]] = []
    few = evaluate_robustness(run, cache=tmp_path / "cache", pictures=3, progress=lambda *at: done.append(at))
    assert (few.n, few.available) == (3, 12)
    assert done == [(1, 3), (2, 3), (3, 3)]
    crown = next(part for part in few.parts if part.name == "crown")
    assert crown.hidden == pytest.approx(1 / 3)  # one of each class


def test_what_training_used_is_told_from_what_it_never_saw(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = {"occluders": "grey, noise", "lighting": 0.5}
    monkeypatch.setattr(robustness, "load_predictor", lambda run: ByMark(load_predictor(run), training=training))
    found = evaluate_robustness(run, cache=tmp_path / "cache", pictures=3)
    assert [curve.occluder for curve in found.curves if curve.trained] == ["grey", "noise"]
    assert [light.kind for light in found.lights if light.trained] == ["gamma", "shadow", "temperature"]


def test_nothing_to_measure_is_an_error_with_a_cure(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="split 'val'"):
        evaluate_robustness(run, split="val", cache=tmp_path / "cache")
    with pytest.raises(ConfigError, match="0 pictures") as caught:
        evaluate_robustness(run, cache=tmp_path / "cache", pictures=0)
    assert "1 or more" in caught.value.cure


def test_a_recogniser_that_looks_at_the_whole_picture_has_no_part_to_hide(tiny_run: Path) -> None:
    predictor = load_predictor(tiny_run)
    maps = predictor.outputs(np.zeros((1, 48, 48, 3), np.uint8)).maps[0]
    assert discovered_regions(predictor.info.part_names, maps, (0, 0, 48, 48), 48) == ()
