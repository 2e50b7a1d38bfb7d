import pytest
from PIL import Image

from fieldmark.records import Preprocessing
from fieldmark.serve.pictures import Upload, decode_upload, ending_of, shown_name
from hostile_files import encoded


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("bird.jpg", "bird.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\bird.jpg", "bird.jpg"),
        ("a/b/..", "picture 3"),
        ("", "picture 3"),
        (None, "picture 3"),
        ("bi\x00rd\n\x1b[2J.jpg", "bird[2J.jpg"),
        ("\u202egpj.exe", "gpj.exe"),
        ("x" * 500, "x" * 120),
        ("白鹭.jpg", "白鹭.jpg"),
    ],
)
def test_a_file_is_shown_by_the_last_part_of_its_name_without_tricks(given: str | None, shown: str) -> None:
    assert shown_name(given, 3) == shown


@pytest.mark.parametrize(
    ("form", "ending"),
    [("JPEG", ".jpg"), ("PNG", ".png"), ("GIF", ".gif"), ("WEBP", ".webp"), ("TIFF", ".tif"), ("BMP", ".bmp")],
)
def test_the_content_decides_on_the_ending(form: str, ending: str) -> None:
    assert ending_of(encoded(form)) == ending


def test_other_content_has_an_ending_that_nothing_opens() -> None:
    assert ending_of(b"<html>") == ".img"
    assert ending_of(b"") == ".img"


def test_a_picture_is_decoded_and_fitted() -> None:
    found = decode_upload(Upload("a", encoded("PNG")), Preprocessing(32), 10_000)
    assert found.error is None
    assert found.fitted is not None
    assert found.fitted.pixels.shape == (32, 32, 3)
    assert found.fitted.size == (48, 36)


def test_what_is_broken_or_too_large_says_why() -> None:
    cut = decode_upload(Upload("a", encoded("JPEG")[:60]), Preprocessing(32), 10_000)
    large = decode_upload(Upload("a", encoded("PNG", image=Image.new("RGB", (101, 100)))), Preprocessing(32), 10_000)
    assert cut.fitted is None
    assert cut.error
    assert large.fitted is None
    assert "10,000" in str(large.error)
