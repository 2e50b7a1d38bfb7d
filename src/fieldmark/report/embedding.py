"""Pictures inside a page, so that it needs no other file."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

#: Format, as Pillow calls it → media type; pictures of other formats are not embedded.
MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png"}

#: A grey pixel, shown where a picture went missing.
_GREY = "data:image/gif;base64,R0lGODlhAQABAIAAAKqqqv///ywAAAAAAQABAAACAkQBADs="


@dataclass(frozen=True, slots=True)
class EmbeddedPicture:
    """A picture inside the page: its data address, its size in pixels, and whether it only stands in."""

    address: str
    width: int
    height: int
    missing: bool = False


def embedding(folder: Path, stand_in: tuple[int, int] = (224, 224)) -> Callable[[str], EmbeddedPicture]:
    """Return what embeds a folder's pictures by file name; nothing outside the folder is ever read.

    Args:
        folder: where the pictures are.
        stand_in: width and height of the grey area that takes the place of a picture that went missing or can't be
            read, so that the page keeps its shape.
    """

    def embed(file: str) -> EmbeddedPicture:
        path = folder / Path(file).name
        missing = EmbeddedPicture(_GREY, *stand_in, missing=True)
        if not file or not path.is_file():
            return missing
        try:
            with Image.open(path) as image:
                (width, height), media = image.size, MEDIA_TYPES.get(image.format or "")
        except OSError:  # what Pillow raises for a file that is no picture
            return missing
        if media is None:
            return missing
        encoded = base64.b64encode(path.read_bytes()).decode("ascii")
        return EmbeddedPicture(f"data:{media};base64,{encoded}", width, height)

    return embed
