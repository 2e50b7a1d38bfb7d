"""Thumbnails of a table's pictures, for reports."""

import hashlib
from pathlib import Path

from PIL import Image

from fieldmark.data.images import decode, sample_source
from fieldmark.errors import BrokenImageError

#: Longer side of a thumbnail in pixels.
THUMBNAIL = 224

#: Pictures with a longer side below this are enlarged pixel by pixel, so that they can be seen at all.
_TINY = 80


class ThumbnailWriter:
    """Writes thumbnails into a folder, each picture once.

    Args:
        root: the folder that the table's paths are relative to.
        folder: where the thumbnails go.
        place: the folder's place in what ``write`` returns, such as its name seen from the report.
    """

    def __init__(self, root: Path, folder: Path, place: str) -> None:
        self._root = root
        self._folder = folder
        self._place = place
        self._written: dict[str, str] = {}

    def write(self, path: str) -> str:
        """Write the thumbnail of a picture and return its place; empty where it is broken."""
        if path not in self._written:
            self._written[path] = self._draw(path)
        return self._written[path]

    def _draw(self, path: str) -> str:
        name = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:16] + ".jpg"
        try:
            image = decode(sample_source(self._root, path), at_least=THUMBNAIL)
        except BrokenImageError:
            return ""  # the picture went missing since it was cached; the entry stays, without a thumbnail
        _fit(image).save(self._folder / name, quality=82, optimize=True)
        return f"{self._place}/{name}"


def _fit(image: Image.Image) -> Image.Image:
    if max(image.size) < _TINY:
        factor = THUMBNAIL // max(image.size)
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    small = image.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return small
