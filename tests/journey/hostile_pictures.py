"""Forty files that a folder of pictures may hold and that a careless program stumbles over."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

#: What becomes of a file: it is read, it is named as broken, or it is named as left out of a table.
READ, BROKEN, LEFT_OUT = "read", "broken", "left out"


#: A link to its own folder, in addition to the forty: a table names it as left out, nothing is lost by it.
LOOP = "loop"


def noise(seed: int, width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    """Return a picture of noise in any mode."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def _deep(seed: int, form: str) -> bytes:
    return encoded(Image.fromarray(np.random.default_rng(seed).integers(0, 65536, (30, 40), dtype=np.uint16)), form)


def _floats(seed: int) -> bytes:
    return encoded(Image.fromarray(np.random.default_rng(seed).random((30, 40)).astype(np.float32)), "TIFF")


def _turned(orientation: int) -> bytes:
    image = noise(orientation)
    exif = image.getexif()
    exif[0x0112] = orientation
    return encoded(image, "JPEG", exif=exif)


def _animated() -> bytes:
    frames = [noise(seed, mode="P") for seed in (60, 61, 62)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose head claims billions of pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(b"\0" * 64)) + _chunk(b"IEND")


def _chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _spoilt(data: bytes, place: float) -> bytes:
    """Overwrite sixteen bytes at a place, given as a share of the length."""
    start = int(len(data) * place)
    return data[:start] + b"\0" * 16 + data[start + 16 :]


_JPEG, _PNG, _GIF = (encoded(noise(1), form) for form in ("JPEG", "PNG", "GIF"))

#: Name → (content, what becomes of it).
CONTENTS: dict[str, tuple[bytes, str]] = {
    "one-pixel.png": (encoded(noise(2, 1, 1), "PNG"), READ),
    "very-wide.png": (encoded(noise(3, 20000, 1), "PNG"), READ),
    "very-high.png": (encoded(noise(4, 1, 20000), "PNG"), READ),
    "cmyk.jpg": (encoded(noise(5, mode="CMYK"), "JPEG"), READ),
    "grey.jpg": (encoded(noise(6, mode="L"), "JPEG"), READ),
    "sixteen-bit.png": (_deep(7, "PNG"), READ),
    "sixteen-bit.tif": (_deep(8, "TIFF"), READ),
    "floats.tiff": (_floats(9), READ),
    "one-bit.png": (encoded(noise(10, mode="1"), "PNG"), READ),
    "palette.png": (encoded(noise(11, mode="P"), "PNG", transparency=3), READ),
    "alpha.png": (encoded(noise(12, mode="RGBA"), "PNG"), READ),
    "grey-alpha.png": (encoded(noise(13, mode="LA"), "PNG"), READ),
    "animated.gif": (_animated(), READ),
    "lossless.webp": (encoded(noise(15), "WEBP", lossless=True), READ),
    "progressive.jpg": (encoded(noise(16), "JPEG", progressive=True), READ),
    "turned.jpg": (_turned(6), READ),
    "turned-nowhere.jpg": (_turned(99), READ),
    "really-a-jpeg.png": (encoded(noise(17), "JPEG"), READ),
    "really-a-png.JPG": (encoded(noise(18), "PNG"), READ),
    "rubbish-after-the-end.jpg": (encoded(noise(19), "JPEG") + b"rubbish" * 50, READ),
    "with spaces [and] #1.png": (encoded(noise(20), "PNG"), READ),
    "new\nline.png": (encoded(noise(21), "PNG"), READ),
    "-r.png": (encoded(noise(22), "PNG"), READ),
    "象🐘é.png": (encoded(noise(23), "PNG"), READ),
    "empty.jpg": (b"", BROKEN),
    "text.png": (b"not a picture", BROKEN),
    "page.jpg": (b"<!doctype html><title>404</title>", BROKEN),
    "random.jpg": (np.random.default_rng(24).bytes(2000), BROKEN),
    "archive.jpg": (b"PK\x03\x04" + b"\0" * 200, BROKEN),
    "cut.jpg": (_JPEG[: len(_JPEG) // 2], BROKEN),
    "head-only.jpg": (_JPEG[:20], BROKEN),
    "cut.png": (_PNG[: len(_PNG) // 2], BROKEN),
    "head-only.png": (_PNG[:33], BROKEN),
    "spoilt.png": (_spoilt(_PNG, 0.4), BROKEN),
    "cut.gif": (_GIF[:30], BROKEN),
    "bomb.png": (_bomb(60_000, 60_000), BROKEN),
}


def write_hostile_pictures(folder: Path) -> dict[str, str]:
    """Write the files into a folder.

    Returns:
        Name → ``READ``, ``BROKEN`` or ``LEFT_OUT``; names that are no text are in Python's surrogate escapes.
    """
    for name, (content, _) in CONTENTS.items():
        (folder / name).write_bytes(content)
    outcomes = {name: outcome for name, (_, outcome) in CONTENTS.items()}
    special: dict[str, tuple[Callable[[Path], object], str]] = {
        "gone.jpg": (lambda path: path.symlink_to("nowhere.jpg"), BROKEN),
        "loop.jpg": (lambda path: path.symlink_to("loop.jpg"), BROKEN),
        "pipe.jpg": (lambda path: os.mkfifo(path), BROKEN),
        os.fsdecode(b"caf\xe9.png"): (lambda path: path.write_bytes(encoded(noise(25), "PNG")), LEFT_OUT),
    }
    for name, (write, outcome) in special.items():
        write(folder / name)
        outcomes[name] = outcome
    (folder / LOOP).symlink_to(".")
    (folder / "notes.txt").write_text("no picture, and nothing lost")
    return outcomes
