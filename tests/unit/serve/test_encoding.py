import base64

import numpy as np
import pytest

from fieldmark.data.images import FittedImage
from fieldmark.records import Decision, PartShare, Prediction
from fieldmark.serve.encoding import broken_answer, picture_answer

#: A picture of 200 × 100 px in a square of 40 px: padded above and below.
FITTED = FittedImage(np.zeros((40, 40, 3), np.uint8), (0.0, 10.0, 40.0, 20.0), (200, 100))


def answered(decision: Decision | None = None, *, with_maps: bool = False):  # type: ignore[no-untyped-def]
    maps = np.zeros((3, 4, 4), np.float32)  # two parts and the background
    maps[0, 1, 0] = 1.0  # the second row, the first column
    shares = tuple(PartShare(name, 0.5, value) for name, value in (("crown", 2.0), ("bill", -1.0), ("rest", 0.1)))
    prediction = Prediction("", "ant", 0.9, (("ant", 0.9), ("bee", 0.1)), ("insect", "ant"), shares, decision)
    return picture_answer(prediction, maps, FITTED, source="a.png", sha256="0", with_maps=with_maps)


def test_boxes_are_in_pixels_of_the_original_and_what_is_no_place_has_none() -> None:
    crown, bill, rest = answered().parts
    assert crown.box == pytest.approx((0, 0, 50, 50))
    assert bill.box is None  # its map is empty
    assert rest.box is None  # it has no map
    assert (rest.name, rest.evidence) == ("rest", 0.1)


def test_maps_come_only_when_they_are_asked_for_with_the_place_of_their_grid() -> None:
    assert answered().grid is None
    assert answered().parts[0].map is None
    drawn = answered(with_maps=True)
    shares = np.frombuffer(base64.b64decode(str(drawn.parts[0].map)), np.uint8).reshape(4, 4)
    assert shares[1, 0] == 255
    assert shares.sum() == 255
    assert (drawn.grid.rows, drawn.grid.columns) == (4, 4)
    assert drawn.grid.box == pytest.approx((0, -50, 200, 200))
    assert drawn.parts[2].map is None


def test_the_decision_is_told_as_it_is() -> None:
    assert answered().decision is None
    told = answered(Decision(False, 0.7, ("ant", "bee"), "kind", "insect", 0.99, ("bee",))).decision
    assert (told.known, told.candidates, told.rank, told.name) == (False, ("ant", "bee"), "kind", "insect")
    assert told.flagged == ("bee",)


def test_a_broken_picture_has_its_reason_and_nothing_else() -> None:
    told = broken_answer(source="a.png", sha256="0", error="the file is empty")
    assert (told.label, told.top, told.parts, told.error) == (None, (), (), "the file is empty")
