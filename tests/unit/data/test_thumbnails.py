import numpy as np
import pytest
from PIL import Image

from fieldmark.data.thumbnails import THUMBNAIL, cut_out, data_address, from_data_address


def test_parts_are_cut_out_with_a_little_around_them_whatever_the_picture_was_decoded_to() -> None:
    picture = Image.new("RGB", (400, 200), "white")
    picture.paste((255, 0, 0), (100, 50, 200, 100))
    for shown in (picture, picture.resize((200, 100))):
        part = cut_out(shown, (100, 50, 100, 50), (400, 200))
        assert part.size == pytest.approx((THUMBNAIL, THUMBNAIL / 2), abs=1)
        assert 0.35 < red_share(part) < 0.5  # 1 / 1.5²
    assert cut_out(picture, None, (400, 200)).size == (THUMBNAIL, THUMBNAIL // 2)
    assert cut_out(picture, (399.9, 199.9, 0.05, 0.05), (400, 200)).size[0] >= 1


def test_a_picture_comes_back_from_its_address() -> None:
    address = data_address(Image.new("RGB", (8, 6), (10, 200, 30)))
    assert address.startswith("data:image/jpeg;base64,")
    again = from_data_address(address)
    assert again.size == (8, 6)
    assert np.abs(np.asarray(again).astype(int) - (10, 200, 30)).max() < 6


def red_share(image: Image.Image) -> float:
    return float((np.abs(np.asarray(image).astype(int) - (255, 0, 0)).max(2) < 12).mean())
