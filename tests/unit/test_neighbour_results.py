"""The records of neighbours: as JSON and back, without pictures, and with none that is no picture."""

import json

import pytest

from fieldmark.errors import DataError
from fieldmark.neighbour_results import NearestByPart, NearestPictures
from fieldmark.similar_pictures import SimilarPicture

ADDRESS = "data:image/png;base64,AAAA"


def nearest() -> NearestPictures:
    near = SimilarPicture("7", "/photos/7.jpg", "Kea", 0.5, (1.0, 2.0, 3.0, 4.0), ADDRESS)
    compared = (NearestByPart("whole picture", 1.0, None, (near,), ADDRESS), NearestByPart("bill", 0.1, None, ()))
    return NearestPictures("bird.jpg", "Kea", 0.75, compared, 10, True, "0.1.0", ("a note",))


def test_neighbours_come_back_from_json() -> None:
    assert NearestPictures.from_json(nearest().to_json()) == nearest()


def test_without_pictures_everything_else_stays() -> None:
    bare = nearest().without_pictures()
    assert ADDRESS not in bare.to_json()
    assert bare.compared[0].nearest[0].path == "/photos/7.jpg"
    assert bare.compared[0].nearest[0].box == (1.0, 2.0, 3.0, 4.0)


def test_an_address_that_is_no_picture_is_refused() -> None:
    text = nearest().to_json().replace(ADDRESS, "https://example.org/x.png")
    with pytest.raises(DataError, match="can't be read"):
        NearestPictures.from_json(text)


def test_another_format_is_refused() -> None:
    data = json.loads(nearest().to_json()) | {"format": 99}
    with pytest.raises(DataError, match="format 99"):
        NearestPictures.from_json(json.dumps(data))
