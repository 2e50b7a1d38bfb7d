import numpy as np
import pytest
from PIL import Image

from fieldmark.data.images import fit_image
from fieldmark.predict.regions import (
    box_in_picture,
    inside_mask,
    part_region,
    pixel_mask,
    region_box,
    region_centre,
)
from fieldmark.records import Preprocessing


def test_a_region_is_what_hangs_together_with_the_maximum() -> None:
    share = np.zeros((5, 6), np.float32)
    share[1, 1], share[1, 2], share[2, 2] = 0.8, 0.5, 0.41
    share[3, 3] = 0.7  # touches a corner only
    share[4, 0] = 0.79  # as strong, but apart
    share[0, 1] = 0.4  # exactly half: not more than half
    region = part_region(share)
    assert {tuple(cell) for cell in np.argwhere(region)} == {(1, 1), (1, 2), (2, 2)}


def test_a_part_that_is_nowhere_has_no_place() -> None:
    nothing = part_region(np.zeros((3, 4), np.float32))
    assert not nothing.any()
    assert np.isnan(region_box(nothing)).all()
    assert np.isnan(region_centre(np.zeros((3, 4), np.float32), nothing)).all()
    assert box_in_picture(region_box(nothing), 64, (0, 0, 64, 64), (10, 10)) is None


def test_box_and_centre_are_shares_of_the_square() -> None:
    region = np.zeros((4, 8), np.bool_)
    region[1:3, 2:6] = True
    assert region_box(region).tolist() == [0.25, 0.25, 0.5, 0.5]
    share = region.astype(np.float32)
    assert region_centre(share, region).tolist() == [0.5, 0.5]
    share[1, 2] = 9  # (2.5, 1.5) nine times, the other seven cells once
    expected_x = (9 * 2.5 + 3.5 + 4.5 + 5.5 + 2.5 + 3.5 + 4.5 + 5.5) / 16 / 8
    expected_y = (9 * 1.5 + 3 * 1.5 + 4 * 2.5) / 16 / 4
    assert region_centre(share, region) == pytest.approx([expected_x, expected_y])


@pytest.mark.parametrize("side", [64, 50])
def test_a_mask_covers_the_cells_of_its_region(side: int) -> None:
    region = np.zeros((4, 4), np.bool_)
    region[1, 2] = True
    rows, columns = np.nonzero(pixel_mask(region, side))
    cell = side / 4
    assert (rows.min(), columns.min()) == (np.ceil(cell), np.ceil(2 * cell))
    assert (rows.max() + 1, columns.max() + 1) == (np.ceil(2 * cell), np.ceil(3 * cell))


@pytest.mark.parametrize("size", [(301, 97), (97, 301), (64, 64), (1000, 3)])
@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
def test_boxes_go_back_to_where_they_came_from(size: tuple[int, int], fit: str) -> None:
    """A box is painted into the original; its place is found in the square, then taken back."""
    width, height = size
    left, top, right, bottom = width * 0.4, height * 0.4, width * 0.6, height * 0.6
    picture = Image.new("RGB", size)
    fitted = fit_image(picture, Preprocessing(64, fit=fit))
    in_square = np.array([left, top]) / size * np.array(fitted.window[2:]) + np.array(fitted.window[:2])
    end = np.array([right, bottom]) / size * np.array(fitted.window[2:]) + np.array(fitted.window[:2])
    box = np.concatenate([in_square, end - in_square]).astype(np.float32) / 64
    found = box_in_picture(box, 64, fitted.window, fitted.size)
    assert found == pytest.approx((left, top, right - left, bottom - top), abs=1e-3 * max(size))


def test_a_box_found_in_the_pixels_of_the_square_is_where_it_was_painted() -> None:
    picture = Image.new("RGB", (300, 100))
    picture.paste((255, 255, 255), (150, 25, 225, 75))
    fitted = fit_image(picture, Preprocessing(64, fill=(0, 0, 0)))
    white = fitted.pixels[:, :, 0] > 127
    found = box_in_picture(region_box(white), 64, fitted.window, fitted.size)
    assert found == pytest.approx((150, 25, 75, 50), abs=300 / 64)  # a pixel of the square


def test_boxes_are_cut_at_the_picture_and_padding_is_no_place() -> None:
    fitted = fit_image(Image.new("RGB", (200, 100)), Preprocessing(64))
    whole = np.array([0, 0, 1, 1], np.float32)
    assert box_in_picture(whole, 64, fitted.window, fitted.size) == (0, 0, 200, 100)
    above = np.array([0, 0, 1, 0.2], np.float32)
    assert box_in_picture(above, 64, fitted.window, fitted.size) is None


def test_the_inside_is_the_picture_without_its_padding() -> None:
    fitted = fit_image(Image.new("RGB", (200, 100), "white"), Preprocessing(64, fill=(0, 0, 0)))
    assert (inside_mask(fitted) == (fitted.pixels[:, :, 0] == 255)).all()
    cut = fit_image(Image.new("RGB", (200, 100), "white"), Preprocessing(64, fit="crop"))
    assert inside_mask(cut).all()
