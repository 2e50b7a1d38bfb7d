"""What is done to one picture: every condition once, parts beside as much elsewhere."""

import numpy as np
import pytest

from fieldmark.augment import FRACTIONS, LIGHTS, OCCLUDERS
from fieldmark.evaluation.corruptions import (
    ANNOTATED,
    CLEAN,
    DISC,
    LIGHT,
    OCCLUSION,
    Condition,
    Region,
    Subject,
    disc,
    rectangle,
    views,
)

SIDE = 64
BOX = np.array([0.25, 0.25, 0.5, 0.5], np.float32)
EVERYWHERE = np.ones((SIDE, SIDE), np.bool_)


def subject(*masks: np.ndarray, window: tuple[float, float, float, float] = (0, 0, SIDE, SIDE)) -> Subject:
    pixels = np.random.default_rng(0).integers(0, 100, (SIDE, SIDE, 3), dtype=np.uint8)
    regions = tuple(Region(ANNOTATED, f"part {place}", mask) for place, mask in enumerate(masks))
    return Subject("birds/7.jpg", pixels, window, BOX, regions)


def block(top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


def test_a_picture_is_seen_once_in_every_condition() -> None:
    found = [condition for condition, _ in views(subject(block(20, 20, 8, 8)), 0)]
    assert found[0] == Condition(CLEAN)
    assert len(set(found)) == len(found)
    occluded = {(c.kind, c.level) for c in found if c.group == OCCLUSION}
    assert occluded == {(kind, fraction) for kind in OCCLUDERS for fraction in FRACTIONS[1:]}
    assert {(c.kind, c.level) for c in found if c.group == LIGHT} == {
        (kind, level) for kind, light in LIGHTS.items() for level in light.levels
    }
    assert found[-2:] == [Condition(ANNOTATED, "part 0"), Condition(ANNOTATED, "part 0", control=True)]


def test_the_company_and_the_order_change_nothing_but_the_id_does() -> None:
    one, again = dict(views(subject(), 0)), dict(views(subject(block(20, 20, 8, 8)), 0))
    assert all((one[condition] == again[condition]).all() for condition in one)
    other = dict(views(Subject("birds/8.jpg", one[Condition(CLEAN)], (0, 0, SIDE, SIDE), BOX), 0))
    seeded = dict(views(subject(), 1))
    for found in (other, seeded):
        assert (found[Condition(OCCLUSION, "leaves", 0.5)] != one[Condition(OCCLUSION, "leaves", 0.5)]).any()
        assert (found[Condition(LIGHT, "shadow", 0.9)] != one[Condition(LIGHT, "shadow", 0.9)]).any()


def test_occluders_stay_in_the_box() -> None:
    inside = rectangle(16, 16, 32, 32, SIDE)
    for condition, pixels in views(subject(), 0):
        if condition.group == OCCLUSION:
            assert (pixels == subject().pixels).all(-1)[~inside].all(), condition


def test_a_part_is_covered_and_as_much_elsewhere_on_the_object() -> None:
    part = block(20, 20, 6, 9)
    seen = dict(views(subject(part), 0))
    hidden, control = (seen[Condition(ANNOTATED, "part 0", control=flag)] for flag in (False, True))
    changed, elsewhere = ((pixels != subject().pixels).any(-1) for pixels in (hidden, control))
    assert (changed == part).all()
    assert (hidden[part] == 128).all()
    assert elsewhere.sum() == part.sum()
    assert not (elsewhere & part).any()
    assert not (elsewhere & ~rectangle(16, 16, 32, 32, SIDE)).any()


def test_what_finds_no_room_on_the_object_is_covered_elsewhere_on_the_picture_and_else_left_out() -> None:
    large, all_of_it = block(16, 16, 20, 32), block(0, 0, 40, 40)
    found = dict(views(subject(large, all_of_it), 0))
    control = (found[Condition(ANNOTATED, "part 0", control=True)] != subject().pixels).any(-1)
    assert control.sum() == large.sum()
    assert not (control & large).any()
    assert Condition(ANNOTATED, "part 1") not in found
    assert Condition(ANNOTATED, "part 1", control=True) not in found


def test_padding_is_no_place_for_a_control() -> None:
    part = block(26, 20, 10, 10)
    window = (0.0, 24.0, 64.0, 16.0)  # the box reaches beyond it
    control = dict(views(subject(part, window=window), 0))[Condition(ANNOTATED, "part 0", control=True)]
    changed = (control != subject().pixels).any(-1)
    assert changed.sum() == part.sum()
    assert not (changed & ~rectangle(*window, SIDE)).any()


@pytest.mark.parametrize("size", [0.25, 0.5, 1.0])
def test_a_disc_covers_the_same_share_of_every_box(size: float) -> None:
    side = 256
    mask = disc(0.5, 0.5, np.array([0.1, 0.1, size, size], np.float32), np.ones((side, side), np.bool_))
    assert mask.sum() / (size * side) ** 2 == pytest.approx(np.pi * DISC**2, rel=0.03)
    rows, columns = np.nonzero(mask)
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == (side / 2, side / 2)


def test_a_disc_at_the_edge_is_cut_and_never_empty() -> None:
    window = rectangle(0, 16, SIDE, 32, SIDE)
    mask = disc(0.5, 0.25, BOX, window)
    assert mask.any()
    assert not (mask & ~window).any()
    assert disc(0.5, 0.5, np.array([0, 0, 0.001, 0.001], np.float32), EVERYWHERE).sum() >= 1
