"""The geometry of pointers and bars."""

import itertools
import math

import pytest

from fieldmark.guide_results import Exemplar, PartBox
from fieldmark.records import Interval
from fieldmark.report.guide.drawing import BAR, bars, pointers


def exemplar(*boxes: tuple[int, float, float, float, float]) -> Exemplar:
    return Exemplar("1", "wren", "pictures/1.jpg", 200, 100, tuple(PartBox(*box) for box in boxes))


def test_pointers_lie_on_their_parts_in_pixels_and_only_for_numbered_parts() -> None:
    found = pointers(exemplar((5, 0.5, 0.2, 0.1, 0.4), (7, 0.1, 0.1, 0.1, 0.1)), {5: 1})
    assert len(found) == 1
    one = found[0]
    assert (one.number, one.left, one.top, one.width, one.height) == (1, 100, 20, 20, 40)


@pytest.mark.parametrize("corner", [(0.0, 0.0), (0.9, 0.0), (0.0, 0.85), (0.9, 0.85)])
def test_discs_lie_inside_the_picture(corner: tuple[float, float]) -> None:
    (one,) = pointers(exemplar((0, *corner, 0.1, 0.15)), {0: 1})
    assert one.radius <= one.x <= 200 - one.radius
    assert one.radius <= one.y <= 100 - one.radius


def test_discs_of_parts_that_lie_close_do_not_cover_each_other_nor_the_parts() -> None:
    boxes = [(0, 0.5, 0.4, 0.06, 0.1), (1, 0.52, 0.45, 0.06, 0.1), (2, 0.48, 0.48, 0.06, 0.1)]
    found = pointers(exemplar(*boxes), {0: 1, 1: 2, 2: 3})
    for a, b in itertools.combinations(found, 2):
        assert math.dist((a.x, a.y), (b.x, b.y)) >= 2 * a.radius
    for disc, box in itertools.product(found, found):
        middle = (box.left + box.width / 2, box.top + box.height / 2)
        assert math.dist((disc.x, disc.y), middle) > disc.radius


def test_bars_compare_on_one_scale_and_show_which_side() -> None:
    drawn = bars({3: Interval(4.0, 3.0, 5.0), 1: Interval(-1.0, -2.0, 0.5), 2: Interval(2.0, 2.0, 2.0)})
    assert drawn[3].high == BAR
    assert drawn[1].low == 0
    assert drawn[3].width == pytest.approx(2 * drawn[2].width, abs=0.2)
    assert drawn[1].left + drawn[1].width == pytest.approx(drawn[1].zero, abs=0.2)
    assert [drawn[part].positive for part in (3, 1, 2)] == [True, False, True]


def test_effects_of_nothing_have_no_length() -> None:
    assert bars({0: Interval(0.0, 0.0, 0.0)})[0].width == 0
    assert bars({}) == {}
