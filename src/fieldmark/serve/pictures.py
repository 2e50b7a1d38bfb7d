"""From an uploaded file to the network's square of pixels: the service's first two steps."""

import re
import unicodedata
from dataclasses import dataclass

from fieldmark.data.images import FittedImage, decode, fit_image
from fieldmark.errors import BrokenImageError
from fieldmark.records import Preprocessing

#: Letters of a file's name that are kept.
_LONGEST_NAME = 120

#: What a picture's file begins with → its ending.
_ENDINGS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"GIF8", ".gif"),
    (b"II*\x00", ".tif"),
    (b"MM\x00*", ".tif"),
    (b"BM", ".bmp"),
    (b"\x00\x00\x00\x0cjP  ", ".jp2"),
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent.

    Attributes:
        name: what it is shown as; never a path.
        data: its bytes.
    """

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class DecodedUpload:
    """A file that was sent, decoded.

    Attributes:
        upload: the file.
        fitted: the picture in the network's square; ``None`` where it can't be decoded.
        error: why it can't be; ``None`` where it can.
    """

    upload: Upload
    fitted: FittedImage | None
    error: str | None


def decode_upload(upload: Upload, preprocessing: Preprocessing, max_pixels: int) -> DecodedUpload:
    """Decode a file and fit it; what can't be decoded says why.

    Args:
        upload: the file.
        preprocessing: how the network wants it.
        max_pixels: pictures of more pixels are refused before they are decoded.
    """
    try:
        image = decode(upload.data, at_least=preprocessing.resolution, max_pixels=max_pixels)
        return DecodedUpload(upload, fit_image(image, preprocessing), None)
    except BrokenImageError as error:
        return DecodedUpload(upload, None, error.message)


def shown_name(name: str | None, number: int) -> str:
    """Return what an uploaded file is called: the last part of its name, without what can't be shown.

    Args:
        name: what the sender calls it; anything at all.
        number: its place among the files, from 1, which names it where nothing is left.
    """
    last = re.split(r"[\\/]", name or "")[-1]
    kept = "".join(char for char in last if unicodedata.category(char)[0] != "C").strip()[:_LONGEST_NAME]
    return kept if kept.strip(".") else f"picture {number}"


def ending_of(data: bytes) -> str:
    """Return the ending of a picture's file by what it begins with; ``".img"`` of a rarer format."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return ".avif"
    return next((ending for start, ending in _ENDINGS if data.startswith(start)), ".img")
