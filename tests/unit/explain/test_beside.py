"""A picture set beside pictures of another class, with recognisers whose sums are known."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from fieldmark.data.thumbnails import from_data_address
from fieldmark.explain import ClassPictures, class_pictures, field_marks, load_images, load_reader, set_beside
from fieldmark.explain.beside import ALIKE, evidence_by_cell
from fieldmark.explain.evidence import EvidenceReader, reader_around
from fieldmark.explain.poses import nearest_poses
from fieldmark.models.recognizer import REST
from fieldmark.predict import load_predictor
from fieldmark.predict.picture_predictor import PicturePredictor
from part_stand_ins import CLASSES, QUADRANTS, SIDE, AnotherEngine, colour_reader


def of_class(run: Path, cache: Path, label: str) -> tuple[EvidenceReader, ClassPictures]:
    reader = load_reader(run)
    found = class_pictures(reader, load_images(run, reader, cache), label)
    assert found is not None
    return reader, found


def noise(seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def test_the_cells_add_up_to_what_sets_the_evidence_apart(quadrant_run: Path, tmp_path: Path) -> None:
    reader, others = of_class(quadrant_run, tmp_path, CLASSES[1])
    read = reader.read(noise()[None])
    found = set_beside(reader, noise(), read, others, (0, 1))
    said = others.table.evidence.astype(np.float64).sum(1)[[pose.row for pose in found.poses]]
    own = read.evidence[0].astype(np.float64).sum(0)
    # the stand-in's parts don't depend on the picture, so nothing is mirrored or moved
    assert {(pose.mirrored, pose.down, pose.across) for pose in found.poses} == {(False, 0, 0)}
    assert found.cells.sum() == pytest.approx(own[0] - own[1] - (said[:, 0] - said[:, 1]).mean(), abs=1e-4)
    assert found.contrasts.sum() == pytest.approx(found.cells.sum(), abs=1e-4)  # the rest of the picture is a slot
    assert found.contrasts.shape == (len(QUADRANTS) + 1,)


def test_a_picture_of_b_beside_itself_differs_nowhere(quadrant_run: Path, tmp_path: Path) -> None:
    reader, others = of_class(quadrant_run, tmp_path, CLASSES[1])
    own = others.pixels([0])
    found = set_beside(reader, own[0], reader.read(own), others, (0, 1), count=1)
    assert found.poses[0].row == 0
    assert np.allclose(found.cells, 0, atol=1e-4)
    assert np.allclose(found.contrasts, 0, atol=1e-4)


def test_what_a_picture_lacks_is_seen_at_its_place() -> None:
    """B is told by red in the top left alone; a picture of A is grey there, and no quadrant of it says anything."""
    weight = torch.zeros(4, 3, 3)
    weight[0, 1, 0] = 5.0
    reader = colour_reader(weight)
    lacking = np.zeros((SIDE, SIDE, 3), np.uint8)
    having = lacking.copy()
    having[: SIDE // 2, : SIDE // 2, 0] = 255
    read = reader.read(lacking[None])
    pictures = np.stack([having, having])
    found = set_beside(reader, lacking, read, in_memory(pictures, reader.read(pictures).maps), (0, 1))
    spoken = read.evidence[0] @ [1, -1, 0]
    assert np.ptp(spoken[1:]) == pytest.approx(0, abs=1e-6)
    assert found.contrasts.argmax() == 0
    assert found.cells.sum() == pytest.approx(4.5, abs=1e-4)  # a quadrant's presence is 0.9
    assert found.contrasts[0] == pytest.approx(0.9 * 4.5, abs=1e-4)  # as is its share of each cell
    assert found.contrasts[1:] == pytest.approx([0, 0, 0], abs=1e-4)
    half = found.cells.shape[0] // 2
    assert found.cells[:half, :half].sum() == pytest.approx(found.cells.sum(), abs=1e-4)


def in_memory(pixels: np.ndarray, maps: np.ndarray) -> ClassPictures:
    """Return pictures that are in memory, with their parts' maps."""
    return cast("ClassPictures", SimpleNamespace(table=SimpleNamespace(maps=maps), pixels=lambda rows: pixels[rows]))


def test_mirrored_pictures_are_read_mirrored() -> None:
    weight = torch.zeros(4, 3, 3)
    weight[:, 1, 0] = torch.tensor([5.0, 1.0, 0.0, 0.0])
    reader = colour_reader(weight)
    pixels = noise()
    read = reader.read(pixels[None])
    mirrored = in_memory(pixels[None, :, ::-1].copy(), read.maps[..., ::-1])
    found = set_beside(reader, pixels, read, mirrored, (0, 1))
    assert [pose.mirrored for pose in found.poses] == [True]
    assert np.allclose(found.cells, 0, atol=1e-4)


def test_without_torch_each_part_is_spread_over_its_cells(quadrant_run: Path) -> None:
    predictor = load_predictor(quadrant_run)
    another = PicturePredictor(AnotherEngine(predictor.engine), predictor.info)
    loaded, around = load_reader(quadrant_run), reader_around(another)
    direction = np.array([1, -1, 0], np.float32)
    seen = np.stack([noise(), noise(6)])
    exact, spread = (evidence_by_cell(reader, seen, direction) for reader in (loaded, around))
    assert exact.shape == spread.shape
    assert spread.sum((1, 2)) == pytest.approx(exact.sum((1, 2)), abs=1e-4)
    read = loaded.read(seen)
    shares = read.maps / read.maps.sum((2, 3), keepdims=True)
    said = np.einsum("bphw,bpn,n->bhw", shares, read.evidence, direction)
    assert np.allclose(spread, said, atol=1e-4)


def test_an_explanation_shows_the_pictures_it_was_set_beside(quadrant_run: Path, tmp_path: Path) -> None:
    picture = Image.fromarray(noise())
    found = field_marks(quadrant_run, picture, cache=tmp_path)
    reader, others = of_class(quadrant_run, tmp_path, found.rival)
    poses = nearest_poses(reader.read(np.asarray(picture)[None]).maps[0], others.table.maps, ALIKE)
    assert [one.id for one in found.alike] == [others.table.ids[pose.row] for pose in poses]
    assert all(one.label == found.rival and one.box is None for one in found.alike)
    assert found.alike[0].similarity == pytest.approx(1 - poses[0].distance)
    assert from_data_address(found.alike[0].thumbnail).size
    coloured = np.asarray(from_data_address(found.beside).convert("RGB")).astype(int)
    assert (coloured.max(2) - coloured.min(2)).max() > 60
    classes = CLASSES.index(found.label), CLASSES.index(found.rival)
    expected = set_beside(reader, noise(), reader.read(noise()[None]), others, classes).contrasts
    for mark in found.marks:
        assert mark.contrast == pytest.approx(expected[[*QUADRANTS, REST].index(mark.part)], abs=1e-6)
    bare = found.without_pictures()
    assert bare.beside == ""
    assert [one.thumbnail for one in bare.alike] == [""] * len(poses)
    without = field_marks(quadrant_run, picture)
    assert (without.beside, without.alike) == ("", ())
    assert all(mark.contrast is None for mark in without.marks)
