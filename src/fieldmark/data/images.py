"""Decode pictures of any kind into RGB, and fit them into the square that a network takes."""

import io
import stat
import struct
import threading
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from fieldmark.data import containers
from fieldmark.errors import BrokenImageError, unknown_name
from fieldmark.records import FITS, NEUTRAL_FILL, Preprocessing

#: Pictures of more pixels are refused before they are decoded (a decompression bomb claims billions).
MAX_PIXELS = 100_000_000

#: Formats that are decoded, by Pillow's names. Of the others some run a program (EPS starts Ghostscript) and some have
#: no signature, so any file passes for a picture (TGA).
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF")

#: Larger files are refused unread: they would fill the memory.
_MAX_FILE_BYTES = 2**30

#: Downscaling first averages whole blocks, as long as the result stays this many times larger than wanted.
_REDUCING_GAP = 3.0

#: Key of ``Image.info`` under which ``decode`` leaves the upright (width, height) of the full picture.
_FULL_SIZE = "full_size"

_ORIENTATION = 0x0112

#: What turns a picture of each EXIF orientation upright (EXIF 2.3, section 4.6.4, tag 274).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})

#: What Pillow raises of EXIF data that is damaged.
_EXIF_ERRORS = (SyntaxError, ValueError, TypeError, LookupError, struct.error)


class _PillowWarningsOff:
    """Hides Pillow's warnings as long as any thread decodes.

    Much that Pillow warns of is handled here (bombs, odd EXIF), and a warning would end on the user's screen. Python's
    filters belong to the whole process: were every thread to set and restore them, one would bring back another's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._before.__exit__(None, None, None)


_WARNINGS_OFF = _PillowWarningsOff()


@dataclass(frozen=True, slots=True)
class FittedImage:
    """A picture inside a square.

    Attributes:
        pixels: (R, R, 3) uint8 RGB.
        window: (left, top, width, height) of the picture, in px of the square; it reaches beyond the square where
            the picture was cut.
        size: (width, height) of the original in px.
    """

    pixels: npt.NDArray[np.uint8]
    window: tuple[float, float, float, float]
    size: tuple[int, int]


def decode(source: Path | bytes, *, at_least: int | None = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode one picture, upright and in RGB; of an animation the first frame.

    Args:
        source: a file, or a file's bytes; the content decides on the format, not the name.
        at_least: smallest shorter side in px that is wanted; a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as
            long as it stays at least as large.
        max_pixels: largest number of pixels that is decoded.

    Raises:
        BrokenImageError: with the reason in words.
    """
    data = source if isinstance(source, bytes) else read_file(source)
    if not data:
        raise BrokenImageError("the file is empty")
    with _WARNINGS_OFF:
        try:
            return _first_frame(data, at_least, max_pixels)
        except BrokenImageError:
            raise
        except UnidentifiedImageError as error:
            raise BrokenImageError("not a picture in a known format") from error
        except Image.DecompressionBombError as error:
            raise BrokenImageError(f"claims far more than {max_pixels:,} pixels") from error
        except MemoryError as error:
            raise BrokenImageError("too large for the memory") from error
        except Exception as error:  # Pillow's parsers raise whatever they stumble over
            raise BrokenImageError(f"can't be decoded: {_first_line(error)}") from error


def read_file(path: Path) -> bytes:
    """Read a regular file whole; anything that could block or is no file is refused.

    Raises:
        BrokenImageError: with the reason in words.
    """
    try:
        state = path.stat()
        mode = state.st_mode
        if stat.S_ISDIR(mode):
            raise BrokenImageError("a folder, not a file")
        if not stat.S_ISREG(mode):
            raise BrokenImageError("a pipe or device, not a file")  # reading one could wait for ever
        if state.st_size > _MAX_FILE_BYTES:
            raise BrokenImageError(f"larger than {_MAX_FILE_BYTES / 2**30:.0f} GiB")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BrokenImageError("no such file") from error
    except (OSError, ValueError) as error:
        raise BrokenImageError(f"can't be read: {_first_line(error)}") from error


def as_rgb(image: Image.Image) -> Image.Image:
    """Turn an open picture upright (EXIF) and into RGB.

    Sixteen-bit and floating-point grey are scaled to 8 bits, not clipped; transparency is laid over the neutral fill.

    Args:
        image: any of Pillow's modes; of an animation the current frame. It stays as it is.

    Returns:
        A new picture in mode RGB.
    """
    turn = _UPRIGHT.get(_orientation(image))
    upright = image.copy() if turn is None else image.transpose(turn)
    if upright.mode == "RGB":
        return upright  # one colour may be declared transparent; it is left as drawn
    if upright.mode.startswith(("I", "F")):
        return _from_deep_grey(upright)
    if upright.has_transparency_data:
        shown = upright.convert("RGBA")
        ground = Image.new("RGBA", shown.size, (*NEUTRAL_FILL, 255))
        return Image.alpha_composite(ground, shown).convert("RGB")
    return upright.convert("RGB")


def fit_image(image: Image.Image, preprocessing: Preprocessing) -> FittedImage:
    """Resize an RGB picture into the square of a preprocessing.

    Large pictures are first averaged in whole blocks, then resized bilinearly with antialiasing (Pillow's ``resize``
    with ``reducing_gap``).

    Args:
        image: upright RGB.
        preprocessing: its ``fit``: ``"pad"`` keeps the whole picture and its shape, ``"stretch"`` keeps the whole
            picture, ``"crop"`` keeps the centre square.

    Raises:
        ConfigError: there is no such ``fit``.
    """
    if preprocessing.fit not in FITS:
        raise unknown_name("fit", preprocessing.fit, FITS)
    side = preprocessing.resolution
    full = image.info.get(_FULL_SIZE, image.size)
    width, height = image.size
    if preprocessing.fit == "crop":
        # Only the centre square is resized: the rest of a very long picture would take gigabytes.
        cut = min(width, height)
        x, y, scale = (width - cut) / 2, (height - cut) / 2, side / cut
        fitted = _resize(image, (side, side), (x, y, x + cut, y + cut))
        window = (-x * scale, -y * scale, width * scale, height * scale)
    else:
        scale = side / max(width, height)
        whole = (max(1, round(width * scale)), max(1, round(height * scale)))
        inner = whole if preprocessing.fit == "pad" else (side, side)
        left, top = (side - inner[0]) // 2, (side - inner[1]) // 2
        fitted = _resize(image, inner, None)
        if inner != (side, side):
            fitted = _laid_on(fitted, side, preprocessing.fill, (left, top))
        window = (float(left), float(top), float(inner[0]), float(inner[1]))
    return FittedImage(np.asarray(fitted), window, (int(full[0]), int(full[1])))


def sample_source(root: Path, path: str) -> Path | bytes:
    """Return the file of a table's row, or the bytes of a picture inside a file of many (``file#index``).

    Args:
        root: the table's root.
        path: the row's path, relative to ``root``.
    """
    return containers.read_member(root, path) if containers.is_member(path) else root / path


def load_fitted(root: Path, path: str, preprocessing: Preprocessing) -> FittedImage:
    """Decode and fit the picture of a table's row.

    Raises:
        BrokenImageError: it can't be decoded.
    """
    return fit_image(decode(sample_source(root, path), at_least=preprocessing.resolution), preprocessing)


def _first_frame(data: bytes, at_least: int | None, max_pixels: int) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=_formats()) as image:
        width, height = image.size
        if width < 1 or height < 1:
            raise BrokenImageError("has no pixels")
        if width * height > max_pixels:
            raise BrokenImageError(f"claims {width:,} × {height:,} pixels; at most {max_pixels:,} are decoded")
        if at_least is not None and image.format in ("JPEG", "MPO"):
            scale = min(1.0, at_least / min(width, height))
            image.draft("RGB", (round(width * scale), round(height * scale)))
        image.load()
        turn = _orientation(image)
        sideways = turn in _SIDEWAYS
        # What is upright and in RGB is nobody else's: a copy would only take time.
        rgb = image if image.mode == "RGB" and turn == 1 else as_rgb(image)
        rgb.info[_FULL_SIZE] = (height, width) if sideways else (width, height)
        return rgb


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    """Return those of ``_FORMATS`` that this build of Pillow knows; it fails on names that it doesn't."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where there is none or the EXIF data is damaged."""
    try:
        value = image.getexif().get(_ORIENTATION)
    except _EXIF_ERRORS:
        return 1  # the pixels are none the worse for it
    return value if isinstance(value, int) and value in _UPRIGHT else 1


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit or floating-point grey to 8 bits: by its format's range where it has one, else its own."""
    values = np.nan_to_num(np.asarray(image, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    np.clip(values, -1e37, 1e37, out=values)  # so that differences stay finite
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I") and low >= 0 and high <= 65535:
        low = 0.0
        high = 255.0 if image.mode == "I" and high <= 255 else 65535.0  # 32 bits may well hold 8-bit values
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    values -= low
    values *= 255 / max(high - low, 1e-12)
    return Image.fromarray(values.round(out=values).clip(0, 255, out=values).astype(np.uint8)).convert("RGB")


def _resize(image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float] | None) -> Image.Image:
    return image.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=_REDUCING_GAP)


def _laid_on(image: Image.Image, side: int, fill: tuple[int, int, int], place: tuple[int, int]) -> Image.Image:
    square = Image.new("RGB", (side, side), fill)
    square.paste(image, place)
    return square


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
