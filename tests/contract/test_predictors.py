"""What every predictor must do; a new predictor is one more line in PREDICTORS."""

import io
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.errors import DataError
from fieldmark.predict import Predictor, load_predictor

#: Name → what loads a run with a batch size.
PREDICTORS: dict[str, Callable[[Path, int], Predictor]] = {
    "torch": lambda run, batch_size: load_predictor(run, batch_size=batch_size),
    "onnx": lambda run, batch_size: load_predictor(run, engine="onnx", batch_size=batch_size),
    "openvino": lambda run, batch_size: load_predictor(run, engine="openvino", batch_size=batch_size),
}

#: Largest difference of a probability that float32 sums in another order may make.
TOLERANCE = 1e-5


@pytest.fixture(params=PREDICTORS)
def load(request: pytest.FixtureRequest, exported_run: Path) -> Callable[[int], Predictor]:
    return lambda batch_size: PREDICTORS[request.param](exported_run, batch_size)


def pictures(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    sizes = [(60 + 7 * i % 40, 50 + 11 * i % 30) for i in range(count)]
    return [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def encoded(array: np.ndarray, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, form)
    return stream.getvalue()


def test_batches_do_not_change_a_prediction(load: Callable[[int], Predictor]) -> None:
    images = pictures(7)
    together, alone = load(4)(images), load(1)(images)
    assert [row.label for row in together] == [row.label for row in alone]
    for first, second in zip(together, alone, strict=True):
        assert dict(first.top) == pytest.approx(dict(second.top), abs=TOLERANCE)


def test_one_picture_in_every_form_gives_one_prediction(load: Callable[[int], Predictor], tmp_path: Path) -> None:
    array = pictures(1)[0]
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(array))
    forms = [path, str(path), encoded(array), ("named", encoded(array)), Image.fromarray(array), array]
    rows = load(8)(forms)
    assert [row.source for row in rows] == [str(path), str(path), "picture 3", "named", "picture 5", "picture 6"]
    for row in rows[1:]:
        assert dict(row.top) == pytest.approx(dict(rows[0].top), abs=TOLERANCE)


def test_orientation_is_applied_to_every_form_that_carries_it(load: Callable[[int], Predictor]) -> None:
    array = pictures(1)[0]
    turned = Image.fromarray(np.rot90(array).copy())  # orientation 6: turn by 270° to see it upright
    exif = turned.getexif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    turned.save(stream, "PNG", exif=exif)
    opened = Image.open(io.BytesIO(stream.getvalue()))
    upright, data, pillow = load(8)([array, stream.getvalue(), opened])
    assert dict(data.top) == pytest.approx(dict(upright.top), abs=TOLERANCE)
    assert dict(pillow.top) == pytest.approx(dict(upright.top), abs=TOLERANCE)


def test_grey_arrays_and_strange_modes_are_read(load: Callable[[int], Predictor]) -> None:
    grey = pictures(1)[0][:, :, 0]
    rows = load(8)([grey, np.stack([grey] * 3, 2), Image.fromarray(grey).convert("P"), Image.new("RGBA", (9, 5))])
    assert [row.error for row in rows] == [None] * 4
    assert dict(rows[0].top) == pytest.approx(dict(rows[1].top), abs=TOLERANCE)


def test_a_broken_picture_is_a_row_in_its_place(load: Callable[[int], Predictor], tmp_path: Path) -> None:
    good = encoded(pictures(1)[0])
    rows = load(2)([good, ("cut", good[:100]), good, tmp_path / "missing.png", ("empty", b"")])
    assert [row.error is None for row in rows] == [True, False, True, False, False]
    assert [row.source for row in rows][1] == "cut"
    for row in (rows[1], rows[3], rows[4]):
        assert (row.label, row.probability, row.top) == (None, None, ())
        assert row.error


def test_no_pictures_and_only_broken_pictures(load: Callable[[int], Predictor]) -> None:
    assert load(2)([]) == []
    assert [row.label for row in load(2)([("a", b"x"), ("b", b"y"), ("c", b"z")])] == [None] * 3


def test_predictions_add_up_and_carry_their_lineage(load: Callable[[int], Predictor]) -> None:
    predictor = load(8)
    row = predictor(pictures(1))[0]
    assert sum(value for _, value in row.top) == pytest.approx(1.0, abs=1e-12)
    assert [value for _, value in row.top] == sorted((value for _, value in row.top), reverse=True)
    assert (row.label, row.probability) == row.top[0]
    assert row.lineage == predictor.info.lineage[row.label or ""]


def test_the_stream_takes_no_more_pictures_than_it_needs(load: Callable[[int], Predictor]) -> None:
    taken = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            taken.append(1)
            yield pictures(1)[0]

    stream = load(2).predict_stream(endless())
    assert next(stream).label
    assert len(taken) <= 6


def test_probabilities_of_fitted_pictures(load: Callable[[int], Predictor]) -> None:
    predictor = load(2)
    pixels = np.random.default_rng(1).integers(0, 256, (5, 48, 48, 3), dtype=np.uint8)
    pixels.flags.writeable = False
    rows = predictor.probabilities(pixels)
    assert rows.shape == (5, 5)
    assert rows.dtype == np.float64
    assert np.allclose(rows.sum(1), 1.0, atol=1e-12)
    assert predictor.probabilities(pixels[:0]).shape == (0, 5)
    assert dict(predictor([pixels[0]])[0].top) == pytest.approx(
        dict(zip(predictor.info.classes, rows[0], strict=True)), abs=TOLERANCE
    )


def test_outputs_are_what_the_probabilities_and_the_evidence_are_made_from(load: Callable[[int], Predictor]) -> None:
    predictor = load(2)
    pixels = np.random.default_rng(2).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    found = predictor.outputs(pixels)
    scaled = np.exp(found.logits / predictor.info.temperature)
    assert np.allclose(scaled / scaled.sum(1, keepdims=True), predictor.probabilities(pixels), atol=TOLERANCE)
    slots = len(predictor.info.part_names)
    assert found.evidence.shape == (3, slots, 5)
    assert found.presence.shape == (3, slots)
    assert found.vectors.shape == (3, slots, found.embedding.shape[1])
    assert found.maps.shape[:2] == (3, slots + 1)
    # What no picture changes, the bias, is the same for all.
    bias = found.logits - found.evidence.sum(1)
    assert np.allclose(bias, bias[0], atol=1e-4)
    row = predictor([pixels[0]])[0]
    label = predictor.info.classes.index(row.label or "")
    said = found.evidence[0, :, label] - found.evidence[0].mean(1)
    assert [part.name for part in row.evidence] == list(predictor.info.part_names)
    assert [part.evidence for part in row.evidence] == pytest.approx(said, abs=1e-4)
    assert [part.presence for part in row.evidence] == pytest.approx(found.presence[0], abs=1e-4)


def test_every_predictor_says_what_torch_says(load: Callable[[int], Predictor], exported_run: Path) -> None:
    images = [*pictures(9), encoded(pictures(1)[0], "JPEG"), b"broken"]
    wanted, found = load_predictor(exported_run)(images), load(4)(images)
    assert [row.label for row in found] == [row.label for row in wanted]
    assert [(row.source, row.lineage, row.error) for row in found] == [
        (row.source, row.lineage, row.error) for row in wanted
    ]
    for first, second in zip(found, wanted, strict=True):
        assert dict(first.top) == pytest.approx(dict(second.top), abs=TOLERANCE)
        assert [part.evidence for part in first.evidence] == pytest.approx(
            [part.evidence for part in second.evidence], abs=1e-4
        )


def test_several_threads_may_ask_at_once(load: Callable[[int], Predictor]) -> None:
    predictor, images = load(2), pictures(6)
    wanted = [row.label for row in predictor(images)]
    with ThreadPoolExecutor(4) as pool:
        for rows in pool.map(predictor, [images] * 8):
            assert [row.label for row in rows] == wanted


def test_outputs_of_no_picture_are_refused(load: Callable[[int], Predictor]) -> None:
    with pytest.raises(DataError, match="no picture"):
        load(2).outputs(np.zeros((0, 48, 48, 3), np.uint8))


@pytest.mark.parametrize("pixels", [np.zeros((2, 48, 40, 3), np.uint8), np.zeros((2, 48, 48, 3), np.float32)])
def test_other_arrays_are_refused(load: Callable[[int], Predictor], pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match="can't take") as caught:
        load(2).probabilities(pixels)
    assert "48" in caught.value.cure


@pytest.mark.parametrize("source", [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8), 7])
def test_what_can_hold_no_picture_is_refused(load: Callable[[int], Predictor], source: object) -> None:
    with pytest.raises(DataError, match="is no picture"):
        load(2)([source])  # type: ignore[list-item]


@pytest.fixture(params=PREDICTORS)
def load_deciding(request: pytest.FixtureRequest, deciding_run: Path, exported_run: Path) -> Callable[[int], Predictor]:
    shutil.copytree(exported_run / "export", deciding_run / "export", dirs_exist_ok=True)  # of the same weights
    return lambda batch_size: PREDICTORS[request.param](deciding_run, batch_size)


def test_batches_do_not_change_a_decision(load_deciding: Callable[[int], Predictor]) -> None:
    images = pictures(7)
    together, alone = load_deciding(4)(images), load_deciding(1)(images)
    for first, second in zip(together, alone, strict=True):
        assert first.decision is not None
        assert second.decision is not None
        assert first.decision.novelty == pytest.approx(second.decision.novelty, abs=1e-3)
        assert replace(first.decision, novelty=0, confidence=0) == replace(second.decision, novelty=0, confidence=0)
        assert first.answer == second.answer


def test_decisions_are_what_the_rule_makes_of_the_outputs(load_deciding: Callable[[int], Predictor]) -> None:
    predictor = load_deciding(4)
    pixels = np.random.default_rng(3).integers(0, 256, (6, 48, 48, 3), dtype=np.uint8)
    assert predictor.rule is not None
    found = predictor.outputs(pixels)
    assert np.allclose(predictor.calibrated(found.logits), predictor.probabilities(pixels), atol=TOLERANCE)
    decisions = predictor.decisions(found)
    assert len(decisions) == 6
    for row, probabilities in zip(decisions, predictor.calibrated(found.logits), strict=True):
        assert row is not None
        assert row.known == (row.novelty <= predictor.rule.novelty_threshold)
        order = [predictor.info.classes[index] for index in np.argsort(-probabilities, kind="stable")]
        assert row.candidates
        assert [name for name in order if name in row.candidates] == list(row.candidates)
        assert (row.flagged == ("ant",)) == (probabilities[0] >= 0.2)


def test_a_bundle_without_a_rule_decides_nothing(load: Callable[[int], Predictor]) -> None:
    predictor = load(2)
    assert predictor.rule is None
    row = predictor(pictures(1))[0]
    assert (row.decision, row.answer) == (None, None)
