import numpy as np

from fieldmark.augment.regions import elsewhere

SIDE = 64
EVERYWHERE = np.ones((SIDE, SIDE), np.bool_)


def region(side: int = SIDE) -> np.ndarray:
    mask = np.zeros((side, side), np.bool_)
    mask[10:30, 20:35] = True
    mask[5:10, 25:28] = True
    return mask


def test_controls_have_the_shape_and_lie_elsewhere_on_the_picture() -> None:
    inside = EVERYWHERE.copy()
    inside[50:] = False
    found = elsewhere(region(), inside, 6, np.random.default_rng(0))
    assert len(found) == 6
    for mask in found:
        assert mask.sum() == region().sum()
        assert not (mask & region()).any()
        assert not (mask & ~inside).any()
    assert len({mask.tobytes() for mask in found}) == 6


def test_there_may_be_no_room_for_a_control() -> None:
    large = np.zeros((SIDE, SIDE), np.bool_)
    large[:40] = True
    assert elsewhere(large, EVERYWHERE, 3, np.random.default_rng(0)) == []
    exact = np.zeros((SIDE, SIDE), np.bool_)
    exact[: SIDE // 2] = True
    (other,) = elsewhere(exact, EVERYWHERE, 3, np.random.default_rng(0))
    assert (other == ~exact).all()
