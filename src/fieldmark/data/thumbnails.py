"""Small pictures: parts cut out, and pictures as text that a file can hold."""

import base64
import io

from PIL import Image

from fieldmark.records import Box

#: Longer side in px of a part that is cut out.
THUMBNAIL = 112

#: What is shown around a cut-out part, as a share of its width and height on each side.
_AROUND = 0.25


def cut_out(picture: Image.Image, box: Box | None, size: tuple[int, int]) -> Image.Image:
    """Return a part with a little around it, its longer side ``THUMBNAIL``.

    Args:
        picture: the original, perhaps decoded smaller than it is.
        box: the part in px of the original; ``None`` keeps the whole picture.
        size: width and height of the original in px.
    """
    across, down = picture.width / size[0], picture.height / size[1]
    left, top, width, height = box or (0.0, 0.0, float(size[0]), float(size[1]))
    if box is not None:
        left, top = left - _AROUND * width, top - _AROUND * height
        width, height = (1 + 2 * _AROUND) * width, (1 + 2 * _AROUND) * height
    x, y = max(0, int(left * across)), max(0, int(top * down))
    right = min(picture.width, max(x + 1, round((left + width) * across)))
    bottom = min(picture.height, max(y + 1, round((top + height) * down)))
    part = picture.convert("RGB").crop((min(x, right - 1), min(y, bottom - 1), right, bottom))
    scale = THUMBNAIL / max(part.size)
    wanted = max(1, round(part.width * scale)), max(1, round(part.height * scale))
    return part.resize(wanted, Image.Resampling.LANCZOS)


def data_address(picture: Image.Image) -> str:
    """Return a picture as a data address: text that a JSON file and a page can hold."""
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, "JPEG", quality=85, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def from_data_address(address: str) -> Image.Image:
    """Return the picture of a data address that ``data_address`` made."""
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
        return picture.convert("RGB")
