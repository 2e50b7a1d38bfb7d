from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fieldmark.errors import ConfigError, DataError
from fieldmark.explain import collect_evidence, evidence_of_rows, load_images, load_reader
from fieldmark.explain.evidence import EvidenceReader, reader_around
from fieldmark.models.bundle import load_bundle
from fieldmark.models.recognizer import REST, Recognizer
from fieldmark.predict import load_predictor
from fieldmark.predict.picture_predictor import PicturePredictor
from part_stand_ins import (
    CLASSES,
    QUADRANTS,
    SIDE,
    AnotherEngine,
    Colours,
    Quadrants,
    Summed,
    bundle_info,
    colour_reader,
)


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.mark.parametrize(("parts", "mirrored"), [("keypoints", (1, 0, 2)), ("discovered", None)])
def test_only_learned_sides_are_exchanged_in_a_mirror_image(parts: str, mirrored: tuple[int, ...] | None) -> None:
    names = ("left eye", "right eye", "bill")
    recognizer = colour_reader()._recognizer
    info = replace(bundle_info(names=recognizer.evidence_names), model={"parts": {"name": parts, "names": names}})
    assert EvidenceReader(recognizer, info).mirrored == mirrored


@pytest.mark.parametrize("rest", [False, True])
def test_evidence_and_bias_add_up_to_the_logits(rest: bool) -> None:
    reader = colour_reader(rest=rest)
    read = reader.read(pixels(3))
    assert read.evidence.shape == (3, 4 + rest, len(CLASSES))
    assert np.allclose(read.evidence.sum(1) + reader.bias, read.logits, atol=1e-5)
    assert np.allclose(read.logits, reader.logits(pixels(3)), atol=1e-6)


def test_a_quadrants_evidence_is_the_literal_one() -> None:
    """0.9 of presence times the weights times the quadrant's mean colour."""
    reader = colour_reader()
    picture = pixels(1)
    weight = reader._recognizer.head.weight.detach().numpy()  # (slot, class, channel)
    read = reader.read(picture)
    colour = picture[0, :32, 32:].reshape(-1, 3).mean(0) / 255
    assert read.vectors[0, 1] == pytest.approx(colour, abs=1e-5)
    assert read.evidence[0, 1] == pytest.approx(0.9 * weight[1] @ colour, abs=1e-5)
    assert read.presence[0] == pytest.approx([0.9] * 4)
    assert read.maps.shape == (1, 5, 8, 8)


def test_batches_change_nothing() -> None:
    recognizer = colour_reader()._recognizer
    together = EvidenceReader(recognizer, bundle_info(), batch_size=8).read(pixels(5))
    alone = EvidenceReader(recognizer, bundle_info(), batch_size=2).read(pixels(5))
    for name in ("maps", "presence", "vectors", "evidence", "logits"):
        assert np.allclose(getattr(together, name), getattr(alone, name), atol=1e-6), name


def test_a_head_that_is_not_additive_has_one_part_the_whole_picture() -> None:
    recognizer = Recognizer(Colours(), Quadrants(), Summed(len(CLASSES)), len(CLASSES))
    reader = EvidenceReader(recognizer, bundle_info(names=recognizer.evidence_names))
    read = reader.read(pixels(2))
    assert not reader.additive
    assert reader.names == ("whole picture",)
    assert read.evidence.shape == (2, 1, len(CLASSES))
    assert read.presence.tolist() == [[1.0], [1.0]]
    assert read.maps.shape == (2, 2, 8, 8)
    assert read.vectors[0, 0] == pytest.approx(pixels(2)[0].reshape(-1, 3).mean(0) / 255, abs=1e-5)
    assert np.allclose(read.evidence[:, 0] + reader.bias, read.logits, atol=1e-6)


def test_probabilities_are_the_predictors(quadrant_run: Path) -> None:
    reader, predictor = load_reader(quadrant_run), load_predictor(quadrant_run)
    assert reader.info.temperature == 2.0
    found = reader.probabilities(reader.logits(pixels(3)))
    assert np.allclose(found, predictor.probabilities(pixels(3)), atol=1e-6)


def test_bad_arguments_name_the_cure(quadrant_run: Path) -> None:
    reader = load_reader(quadrant_run)
    for wrong in (pixels(1)[:, :60], pixels(1).astype(np.float32)):
        with pytest.raises(DataError, match="can't take") as caught:
            reader.read(wrong)
        assert str(SIDE) in caught.value.cure
    with pytest.raises(DataError, match="no picture"):
        reader.read(pixels(0))
    with pytest.raises(ConfigError, match="batch size"):
        load_reader(quadrant_run, batch_size=0)
    with pytest.raises(ConfigError, match="warp"):
        load_reader(quadrant_run, device="warp")


def test_a_split_gives_a_table(quadrant_run: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = collect_evidence(quadrant_run, "train", tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert found.names == (*QUADRANTS, REST)
    assert found.classes == CLASSES
    assert len(found) == 9
    assert found.labels == tuple(label for label in CLASSES for _ in range(3))
    assert found.ids == found.paths
    assert set(found.predicted) <= set(CLASSES)
    assert found.evidence.shape == (9, 5, 3)
    assert found.vectors.shape == (9, 5, 32)
    assert seen[-1] == (9, 9)
    assert found.boxes[0, 3].tolist() == [0.5, 0.5, 0.5, 0.5]
    assert found.centres[0, 0].tolist() == [0.25, 0.25]
    assert np.isnan(found.boxes[:, 4]).all()  # the rest of the picture is no place
    called = (found.evidence.sum(1) + found.bias).argmax(1)
    assert found.predicted == tuple(CLASSES[index] for index in called)


def test_rows_are_those_of_the_recogniser_itself(quadrant_run: Path, tmp_path: Path) -> None:
    reader = load_reader(quadrant_run)
    images = load_images(quadrant_run, reader, tmp_path)
    found = evidence_of_rows(reader, images, np.array([7, 2]))
    recognizer, _ = load_bundle(quadrant_run)
    x = torch.from_numpy(np.array(images.pixels[[7, 2]])).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        literal = recognizer.parts_evidence(x)
    assert np.allclose(found.evidence, literal.evidence.numpy(), atol=1e-4)
    assert np.allclose(found.presence, literal.presence.numpy(), atol=1e-6)
    assert found.ids == (images.table.frame["id"][7], images.table.frame["id"][2])


def test_boxes_of_a_table_are_given_in_pixels_of_the_originals(quadrant_run: Path, tmp_path: Path) -> None:
    found = collect_evidence(quadrant_run, "test", tmp_path)
    width, height = (int(value) for value in found.sizes[0])
    assert (width, height) == (46, 76)  # taller than wide: padded at the sides
    assert found.box_in_picture(0, 0) == pytest.approx((0, 0, width / 2, height / 2), abs=1.5)
    assert found.box_in_picture(0, 3) == pytest.approx((width / 2, height / 2, width / 2, height / 2), abs=1.5)
    assert found.box_in_picture(0, 4) is None


def test_a_run_without_table_or_split_says_so(quadrant_run: Path, tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which data it was trained on"):
        collect_evidence(tiny_run, "train", tmp_path)
    with pytest.raises(DataError, match="no pictures in split 'other'") as caught:
        collect_evidence(quadrant_run, "other", tmp_path)
    assert "train (9)" in caught.value.cure


def test_a_reader_around_a_predictor_reads_the_same(quadrant_run: Path) -> None:
    loaded, around = load_reader(quadrant_run), reader_around(load_predictor(quadrant_run))
    seen = pixels(2)
    assert around.names == loaded.names
    assert around.additive == loaded.additive
    assert around.bias == pytest.approx(loaded.bias, abs=1e-5)
    assert np.allclose(around.read(seen).evidence, loaded.read(seen).evidence, atol=1e-6)


def test_cells_add_up_to_what_each_slot_says_where_torch_runs_the_network(quadrant_run: Path) -> None:
    predictor = load_predictor(quadrant_run)
    loaded, around = load_reader(quadrant_run), reader_around(predictor)
    seen, direction = pixels(2), np.zeros(len(CLASSES), np.float32)
    direction[:2] = 1, -1
    cells, same = (reader.cell_evidence(seen, direction) for reader in (loaded, around))
    assert cells is not None
    assert same is not None
    assert np.allclose(cells.sum((2, 3)), loaded.read(seen).evidence @ direction, atol=1e-4)
    assert np.allclose(cells, same, atol=1e-5)
    another = PicturePredictor(AnotherEngine(predictor.engine), predictor.info)
    assert reader_around(another).cell_evidence(seen, direction) is None
