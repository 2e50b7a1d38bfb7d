"""From anything that holds a picture to the network's square of pixels."""

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fieldmark.data.images import MAX_PIXELS, FittedImage, as_rgb, decode, fit_image
from fieldmark.errors import BrokenImageError, DataError
from fieldmark.predict.contract import ImageSource
from fieldmark.records import Preprocessing

#: Two threads must not load one Pillow image at once, and a list may hold the same image twice.
_PILLOW_LOCK = threading.Lock()


def fitted_pixels(source: ImageSource, preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Decode and fit one picture.

    Args:
        source: whatever holds the picture.
        preprocessing: its resolution R, fit and fill are used.

    Returns:
        The picture (R, R, 3) in RGB.

    Raises:
        BrokenImageError: the picture can't be decoded.
        DataError: it is nothing that could hold a picture.
    """
    return fitted_image(source, preprocessing).pixels


def fitted_image(source: ImageSource, preprocessing: Preprocessing) -> FittedImage:
    """Decode and fit one picture, and tell where in the square it lies.

    Args:
        source: whatever holds the picture.
        preprocessing: its resolution, fit and fill are used.

    Raises:
        BrokenImageError: the picture can't be decoded.
        DataError: it is nothing that could hold a picture.
    """
    return fit_image(open_picture(source, at_least=preprocessing.resolution), preprocessing)


def source_name(source: ImageSource, number: int) -> str:
    """Return what a picture is called: its path or name, or its place among the pictures."""
    if isinstance(source, Path | str):
        return str(source)
    if isinstance(source, tuple):
        return source[0]
    return str(getattr(source, "filename", "")) or f"picture {number}"


def open_picture(source: ImageSource, *, at_least: int) -> Image.Image:
    """Decode one picture, upright and in RGB.

    Args:
        source: whatever holds the picture.
        at_least: smallest shorter side in px that is wanted; a JPEG may be decoded smaller than it is.

    Raises:
        BrokenImageError: the picture can't be decoded.
        DataError: it is nothing that could hold a picture.
    """
    if isinstance(source, Path | str):
        return decode(Path(source), at_least=at_least)
    if isinstance(source, tuple):
        return decode(source[1], at_least=at_least)
    if isinstance(source, bytes):
        return decode(source, at_least=at_least)
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_pillow(source)
    raise DataError(
        f"A {type(source).__name__} is no picture.",
        "Give a path, the bytes of a file, (name, bytes), a Pillow image or a uint8 array.",
    )


def _from_pillow(image: Image.Image) -> Image.Image:
    width, height = image.size
    if width < 1 or height < 1:
        raise BrokenImageError("has no pixels")
    if width * height > MAX_PIXELS:
        raise BrokenImageError(f"has {width:,} × {height:,} pixels; at most {MAX_PIXELS:,} are read")
    try:
        with _PILLOW_LOCK:
            return as_rgb(image)
    except Exception as error:  # Pillow decodes only now, and its parsers raise whatever they stumble over
        raise BrokenImageError(f"can't be decoded: {error or type(error).__name__}") from error


def _from_array(array: npt.NDArray[np.uint8]) -> Image.Image:
    grey = array.ndim == 2
    if array.dtype != np.uint8 or not (grey or (array.ndim == 3 and array.shape[2] == 3)):
        raise DataError(
            f"An array {array.shape} of {array.dtype} is no picture.",
            "Give uint8 values as (height, width, 3) in RGB or (height, width) in grey.",
        )
    if 0 in array.shape:
        raise BrokenImageError("has no pixels")
    return Image.fromarray(array).convert("RGB")
