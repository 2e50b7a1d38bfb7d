import io
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fieldmark.data.images
from fieldmark.data.images import MAX_PIXELS, as_rgb, decode, fit_image, load_fitted, read_file, sample_source
from fieldmark.errors import BrokenImageError, ConfigError
from fieldmark.records import NEUTRAL_FILL, Preprocessing

sys.path.insert(0, str(Path(__file__).parents[2]))

from hostile_files import make_hostile_files


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder of hostile files and what becomes of each."""
    folder = tmp_path_factory.mktemp("hostile")
    return folder, make_hostile_files(folder)


@pytest.fixture
def outer_filters() -> Iterator[None]:
    """Every warning is shown, as some test runner or notebook may have it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def quadrants(width: int = 40, height: int = 24) -> Image.Image:
    """Red, green / blue, white."""
    image = Image.new("RGB", (width, height), "white")
    image.paste((255, 0, 0), (0, 0, width // 2, height // 2))
    image.paste((0, 255, 0), (width // 2, 0, width, height // 2))
    image.paste((0, 0, 255), (0, height // 2, width // 2, height))
    return image


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    pixels = np.asarray(image)
    return [tuple(int(value) for value in pixels[y, x]) for y in (2, -3) for x in (2, -3)]


def test_every_hostile_file_is_decoded_or_refused_with_a_short_reason(
    hostile: tuple[Path, dict[str, str]], outer_filters: None, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, expected = hostile
    assert len(expected) >= 40
    wrong = []
    for name, outcome in expected.items():
        try:
            image = decode(folder / name, at_least=32)
        except BrokenImageError as error:
            found = "broken"
            assert 5 < len(error.message) < 120
            assert "\n" not in error.message
            assert str(folder) not in error.message
        else:
            found = "fine"
            assert image.mode == "RGB"
            assert min(image.size) >= 1
        if found != outcome:
            wrong.append((name, found))
    assert wrong == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("fit", ["pad", "stretch", "crop"])
def test_every_fine_hostile_file_fits(hostile: tuple[Path, dict[str, str]], fit: str) -> None:
    folder, expected = hostile
    for name in [name for name, outcome in expected.items() if outcome == "fine"]:
        fitted = load_fitted(folder, name, Preprocessing(20, fit=fit))
        assert fitted.pixels.shape == (20, 20, 3)
        assert fitted.pixels.dtype == np.uint8
        assert fitted.window[2] >= 1
        assert fitted.window[3] >= 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.jpg", "the file is empty"),
        ("text.jpg", "not a picture in a known format"),
        ("program.jpg", "not a picture in a known format"),
        ("bomb below Pillow's own bound.png", "claims 12,000 × 12,000 pixels; at most 100,000,000 are decoded"),
        ("bomb.png", "claims far more than 100,000,000 pixels"),
        ("truncated.png", "can't be decoded: image file is truncated"),
        ("folder.jpg", "a folder, not a file"),
        ("loop.jpg", "can't be read: Too many levels of symbolic links"),
        ("dangling.jpg", "no such file"),
        ("pipe.jpg", "a pipe or device, not a file"),
        ("device.jpg", "a pipe or device, not a file"),
    ],
)
def test_reasons_in_words(hostile: tuple[Path, dict[str, str]], name: str, reason: str) -> None:
    with pytest.raises(BrokenImageError) as caught:
        decode(hostile[0] / name)
    assert caught.value.message == reason


def test_a_picture_of_more_pixels_than_allowed_is_refused_before_it_is_decoded() -> None:
    data = encode(Image.new("RGB", (40, 30)))
    assert decode(data, max_pixels=1200).size == (40, 30)
    with pytest.raises(BrokenImageError, match="40 × 30"):
        decode(data, max_pixels=1199)
    assert MAX_PIXELS < 2 * Image.MAX_IMAGE_PIXELS, "Pillow's own bound would come first"


def test_a_file_that_would_fill_the_memory_is_refused_unread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(Image.new("RGB", (9, 9))))
    monkeypatch.setattr(fieldmark.data.images, "_MAX_FILE_BYTES", 10)
    with pytest.raises(BrokenImageError, match="larger than"):
        read_file(tmp_path / "a.png")


def test_a_null_in_the_name_is_a_reason() -> None:
    with pytest.raises(BrokenImageError, match="can't be read"):
        decode(Path("a\0b.jpg"))


def test_decoding_leaves_pillow_and_the_warning_filters_alone(hostile: tuple[Path, dict[str, str]]) -> None:
    folder, expected = hostile
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters))

    def attempt(name: str) -> None:
        with suppress(BrokenImageError):
            decode(folder / name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(attempt, [*expected] * 4))
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


def test_warnings_stay_hidden_until_the_last_thread_is_done(outer_filters: None) -> None:
    inside, leave = threading.Event(), threading.Event()
    off = fieldmark.data.images._WARNINGS_OFF

    def stay() -> None:
        with off:
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=stay)
    thread.start()
    inside.wait(5)
    with off:
        pass
    pillow = {"__name__": "PIL.Image", "warnings": warnings}
    exec("warnings.warn('from Pillow')", pillow)
    with pytest.raises(UserWarning, match="from elsewhere"):
        warnings.warn("from elsewhere", stacklevel=1)
    leave.set()
    thread.join()
    with pytest.raises(UserWarning, match="from Pillow"):
        exec("warnings.warn('from Pillow')", pillow)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation: int) -> None:
    upright = quadrants()
    turns = fieldmark.data.images._UPRIGHT
    undo = {
        Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
        Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
    }
    turn = turns.get(orientation)
    stored = upright if turn is None else upright.transpose(undo.get(turn, turn))
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(encode(stored, "JPEG", quality=95, exif=exif.tobytes(), subsampling=0))
    assert decoded.size == (40, 24)
    assert np.abs(np.array(corners(decoded)) - np.array(corners(upright))).max() < 30
    assert fit_image(decoded, Preprocessing(20)).size == (40, 24)


def test_orientation_six_is_a_quarter_turn_clockwise() -> None:
    # EXIF 2.3, tag 274: value 6 says that row 0 is the right side, column 0 the top.
    exif = Image.Exif()
    exif[0x0112] = 6
    red, green, blue, white = corners(quadrants())
    shown = corners(decode(encode(quadrants(), "PNG", exif=exif)))
    assert shown == [blue, red, white, green]


def test_damaged_exif_does_not_cost_the_picture() -> None:
    decoded = decode(encode(quadrants(), "PNG", exif=b"Exif\x00\x00" + b"\xff" * 40))
    assert corners(decoded) == corners(quadrants())


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.linspace(0, 65535, 256).astype(np.uint16), "PNG"),
        (np.linspace(0, 65535, 256).astype(np.uint16), "TIFF"),
        (np.linspace(0, 65535, 256).astype(np.int32), "TIFF"),
        (np.arange(256).astype(np.int32), "TIFF"),
        (np.linspace(0, 1, 256).astype(np.float32), "TIFF"),
        (np.linspace(-7, 3000, 256).astype(np.float32), "TIFF"),
        (np.linspace(-3e38, 3e38, 256).astype(np.float32), "TIFF"),
    ],
)
def test_deep_grey_is_scaled_not_clipped(values: np.ndarray, kind: str, outer_filters: None) -> None:
    image = Image.fromarray(np.tile(values, (4, 1)))
    shown = np.asarray(decode(encode(image, kind)))[0]
    assert (shown == shown[:, :1]).all(), "grey"
    if np.abs(values).max() < 1e30:
        assert np.abs(shown[:, 0].astype(int) - np.arange(256)).max() <= 1
    else:
        assert (shown[0, 0], shown[-1, 0]) == (0, 255)
        assert (np.diff(shown[:, 0].astype(int)) >= 0).all()


def test_a_dark_sixteen_bit_picture_stays_dark() -> None:
    image = Image.fromarray(np.full((4, 4), 200, np.uint16))
    assert np.asarray(decode(encode(image))).max() == 1


def test_values_that_are_no_numbers_become_black(outer_filters: None) -> None:
    image = Image.fromarray(np.array([[0, 1, np.nan, np.inf, -np.inf]], np.float32))
    assert np.asarray(decode(encode(image, "TIFF")))[0, :, 0].tolist() == [0, 255, 0, 0, 0]


def test_transparency_is_laid_over_the_neutral_fill() -> None:
    image = Image.new("RGBA", (3, 1), (10, 20, 30, 0))
    image.putpixel((1, 0), (10, 20, 30, 255))
    image.putpixel((2, 0), (10, 20, 30, 128))
    shown = np.asarray(decode(encode(image)))[0]
    assert tuple(shown[0]) == NEUTRAL_FILL
    assert tuple(shown[1]) == (10, 20, 30)
    assert np.abs(shown[2] - np.add(NEUTRAL_FILL, (10, 20, 30)) / 2).max() <= 1


def test_transparent_palette_and_grey_are_laid_over_the_neutral_fill() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    assert np.asarray(decode(encode(palette, transparency=0)))[0].tolist() == [[*NEUTRAL_FILL], [200, 100, 50]]
    assert tuple(np.asarray(decode(encode(Image.new("LA", (1, 1), (9, 0)))))[0, 0]) == NEUTRAL_FILL


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=40, **options)
    assert tuple(np.asarray(decode(data))[8, 8]) == (255, 0, 0)


def test_cmyk_keeps_its_colours() -> None:
    shown = np.asarray(decode(encode(quadrants().convert("CMYK"), "JPEG", quality=95)))
    assert np.abs(shown[3, 3].astype(int) - (255, 0, 0)).max() < 25
    assert np.abs(shown[-3, -3].astype(int) - (255, 255, 255)).max() < 25


def test_as_rgb_makes_a_new_picture() -> None:
    image = quadrants()
    shown = as_rgb(image)
    assert shown is not image
    assert corners(shown) == corners(image)
    assert as_rgb(image.convert("1")).mode == "RGB"


@pytest.mark.parametrize("size", [(1600, 1200), (1200, 1600), (700, 3000), (300, 200)])
@pytest.mark.parametrize("at_least", [1, 64, 150, 300, 5000])
def test_a_jpeg_is_decoded_small_but_never_too_small(size: tuple[int, int], at_least: int) -> None:
    image = decode(encode(quadrants(*size), "JPEG"), at_least=at_least)
    assert min(image.size) >= min(at_least, *size)
    if at_least <= min(size) // 8:
        assert image.size == tuple(-(-side // 8) for side in size), "an eighth would do"
    fitted = fit_image(image, Preprocessing(32))
    assert fitted.size == size, "the size is that of the original"


def test_scaled_decoding_looks_like_full_decoding() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise).resize((1600, 1200), Image.Resampling.BICUBIC), "JPEG", quality=95)
    small = fit_image(decode(data, at_least=96), Preprocessing(96)).pixels.astype(int)
    whole = fit_image(decode(data), Preprocessing(96)).pixels.astype(int)
    assert np.abs(small - whole).mean() < 1.5


def test_pad_keeps_the_whole_picture_and_says_where_it_lies() -> None:
    fitted = fit_image(quadrants(40, 20), Preprocessing(20, fill=(1, 2, 3)))
    assert fitted.window == (0.0, 5.0, 20.0, 10.0)
    assert (fitted.pixels[:5] == (1, 2, 3)).all()
    assert (fitted.pixels[15:] == (1, 2, 3)).all()
    assert corners(Image.fromarray(fitted.pixels[5:15])) == corners(quadrants())


def test_stretch_fills_the_square() -> None:
    fitted = fit_image(quadrants(40, 20), Preprocessing(20, fit="stretch"))
    assert fitted.window == (0.0, 0.0, 20.0, 20.0)
    assert corners(Image.fromarray(fitted.pixels)) == corners(quadrants())


def test_crop_cuts_the_centre_and_its_window_reaches_beyond() -> None:
    image = Image.new("RGB", (60, 20), "red")
    image.paste((0, 0, 255), (20, 0, 40, 20))
    fitted = fit_image(image, Preprocessing(10, fit="crop"))
    assert fitted.window == (-10.0, 0.0, 30.0, 10.0)
    # The outermost pixels blend with what lies beyond the cut, as if the whole had been resized first.
    assert (fitted.pixels[:, 1:-1] == (0, 0, 255)).all()
    assert (fitted.pixels[:, [0, -1], 2] > 200).all()


def test_an_unknown_fit_names_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="pad"):
        fit_image(quadrants(), Preprocessing(10, fit="padd"))


def test_downscaling_is_antialiased() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit_image(Image.fromarray(stripes), Preprocessing(32)).pixels.astype(int) - 127).max() <= 3


@pytest.mark.parametrize("size", [(1, 1), (20_000, 1), (1, 20_000)])
def test_extreme_shapes_keep_at_least_one_pixel(size: tuple[int, int]) -> None:
    fitted = fit_image(Image.new("RGB", size, "red"), Preprocessing(16))
    assert min(fitted.window[2:]) >= 1
    assert (fitted.pixels == (255, 0, 0)).all(axis=-1).any()


def test_a_row_is_a_file_or_a_picture_inside_one(tmp_path: Path) -> None:
    assert sample_source(tmp_path, "a/b#1.jpg") == tmp_path / "a/b#1.jpg"
    digits = np.arange(2 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(2, 28, 28)
    header = bytes([0, 0, 8, 3]) + np.array([2, 28, 28], ">u4").tobytes()
    (tmp_path / "images-ubyte").write_bytes(header + digits.tobytes())
    fitted = load_fitted(tmp_path, "images-ubyte#1", Preprocessing(28))
    assert (fitted.pixels[:, :, 0] == digits[1]).all()
    with pytest.raises(BrokenImageError):
        load_fitted(tmp_path, "images-ubyte#2", Preprocessing(28))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(quadrants()))
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(BrokenImageError, match="Permission denied"):
        decode(tmp_path / "a.png")
