import numpy as np
import pytest
import torch

from fieldmark.explain.occlusion import divide, measured_flip, occlude
from part_stand_ins import SIDE, colour_reader


def test_places_tile_the_picture_and_no_padding() -> None:
    inside = np.zeros((SIDE, SIDE), np.bool_)
    inside[16:48] = True
    names, masks = divide(inside, 4)
    assert names[:5] == ("row 1, column 1", "row 1, column 2", "row 1, column 3", "row 1, column 4", "row 2, column 1")
    assert (masks.sum(0) == inside).all()
    assert {int(mask.sum()) for mask in masks} == {16 * 8}


def test_a_picture_of_few_pixels_has_fewer_places() -> None:
    inside = np.zeros((SIDE, SIDE), np.bool_)
    inside[30:32] = True
    _, masks = divide(inside, 4)
    assert len(masks) == 2 * 4
    assert (masks.sum(0) == inside).all()


def two_spots() -> np.ndarray:
    """Black, with red at rows 1 and 3 of the first column of a grid of four."""
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[4:12, 4:12, 0] = 255
    picture[36:44, 4:12, 0] = 255
    return picture


def test_covering_a_place_takes_its_evidence_away() -> None:
    weight = torch.zeros(4, 3, 3)
    weight[0, 0, 0], weight[2, 0, 0] = 40.0, 20.0
    inside = np.ones((SIDE, SIDE), np.bool_)
    reader = colour_reader(weight)
    found = occlude(reader, two_spots(), inside, fill="blur", grid=4)
    share = 0.9 * 64 / 1024
    fell = dict(zip(found.names, found.evidence[:, 0], strict=True))
    assert fell["row 1, column 1"] == pytest.approx(40 * share, rel=0.02)
    assert fell["row 3, column 1"] == pytest.approx(20 * share, rel=0.02)
    assert fell["row 2, column 4"] == pytest.approx(0, abs=0.01)
    assert np.allclose(found.evidence[:, 1:], 0, atol=1e-6)


def test_the_measured_flip_is_the_first_that_turns_it() -> None:
    weight = torch.zeros(4, 3, 3)
    weight[0, 0, 0], weight[2, 0, 0] = 40.0, 20.0
    inside = np.ones((SIDE, SIDE), np.bool_)
    reader, picture = colour_reader(weight), two_spots()
    found = occlude(reader, picture, inside, fill="blur", grid=4)
    total = float(reader.logits(picture[None])[0, 0])
    for bias, expected in ((total / 2, 1), (total * 0.9, 1), (total * 0.2, 2)):
        with torch.no_grad():
            reader._recognizer.bias.copy_(torch.tensor([0.0, bias, 0.0]))
        flip = measured_flip(reader, picture, inside, found, (0, 1), fill="blur")
        assert flip is not None
        assert [found.names[place] for place in flip][:expected] == ["row 1, column 1", "row 3, column 1"][:expected]
        assert len(flip) == expected
    with torch.no_grad():
        reader._recognizer.bias.copy_(torch.tensor([5.0, 0.0, 0.0]))
    assert measured_flip(reader, picture, inside, found, (0, 1), fill="blur") is None
