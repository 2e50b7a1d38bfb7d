"""Make a folder of hostile picture files: damaged, misnamed, unusual or out to do harm.

Every file is made here, byte by byte or by Pillow, so the tests carry no binary files.
"""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

BROKEN, FINE = "broken", "fine"

#: The EXIF tag of the orientation (1 to 8).
ORIENTATION = 0x0112


def make_hostile_files(folder: Path) -> dict[str, str]:
    """Fill a folder with hostile files.

    What the file system or the user's rights don't allow (pipes, odd names, files without read permission for root)
    is left out. No two fine pictures look alike. Nothing is larger than 100 kB.

    Args:
        folder: where to; made where it is missing.

    Returns:
        File name → ``"fine"`` where its picture can be decoded, else ``"broken"``. A name that is not valid text is
        among them (as Python spells it, with surrogates): its picture is fine, but it can't be a row of a table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, str] = {}
    for expected, files in ((BROKEN, _damaged() | _foreign() | _bombs()), (FINE, _unusual() | _odd_metadata())):
        for name, data in files.items():
            (folder / name).write_bytes(data)
            made[name] = expected
    for name in _odd_names():
        try:
            (folder / name).write_bytes(encoded("JPEG", seed=len(made)))
        except OSError:
            continue  # macOS and Windows refuse some of them
        made[name] = FINE
    return made | _no_files(folder)


def picture(seed: int, size: tuple[int, int] = (48, 36)) -> Image.Image:
    """Draw a smooth random RGB picture; different seeds look different."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(kind: str, *, seed: int = 0, image: Image.Image | None = None, **options: object) -> bytes:
    """Encode a picture, by default a random one, with Pillow."""
    file = io.BytesIO()
    (image or picture(seed)).save(file, kind, **options)
    return file.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """Write a small, valid PNG header of any size, with next to no pixels behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(bytes(64)))
        + _chunk(b"IEND", b"")
    )


def tiff_rgb16(pixels: np.ndarray) -> bytes:
    """Write (H, W, 3) uint16 as an uncompressed TIFF, which Pillow itself can't."""
    height, width = pixels.shape[:2]
    data = pixels.astype("<u2").tobytes()
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 8 + len(data)), (259, 3, 1, 1), (262, 3, 1, 2)]
    tags += [(273, 4, 1, 8), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, len(data)), (284, 3, 1, 1)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data) + 6) + data + struct.pack("<HHH", 16, 16, 16) + directory


def png_16(pixels: np.ndarray) -> bytes:
    """Write (H, W, 3 or 4) uint16 as PNG, which Pillow itself can't."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    ends = _chunk(b"IHDR", header), _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + ends[0] + _chunk(b"IDAT", zlib.compress(rows)) + ends[1]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _damaged() -> dict[str, bytes]:
    jpeg, png = encoded("JPEG", image=picture(100, (96, 72)), quality=95), encoded("PNG", seed=101)
    gif, webp, tiff = encoded("GIF", seed=102), encoded("WEBP", seed=103), encoded("TIFF", seed=104)
    spoiled = bytearray(png)
    start = png.index(b"IDAT") + 40
    spoiled[start : start + 200] = bytes(200)
    return {
        "empty.jpg": b"",
        "header only.jpg": jpeg[:20],
        "header only.png": png[:8],
        "no pixels.png": png[:33] + _chunk(b"IEND", b""),
        "no frame.gif": gif[:13] + b"\x3b",
        "truncated.jpg": jpeg[: len(jpeg) // 2],
        "truncated.png": png[: len(png) // 2],
        "truncated.gif": gif[: len(gif) // 2],
        "truncated.webp": webp[: len(webp) // 2],
        "truncated.tif": tiff[: len(tiff) // 2],
        "spoiled pixels.png": bytes(spoiled),
        "directory without end.tif": struct.pack("<2sHIHI", b"II", 42, 8, 0, 8),
        "nulls.jpg": bytes(1000),
        "noise.jpg": np.random.default_rng(7).bytes(1000),
    }


def _foreign() -> dict[str, bytes]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("picture.txt", "no picture")
    return {
        "text.jpg": b"This is not a picture.\n" * 20,
        "page.png": b"<!doctype html><html><body>404 Not Found</body></html>",
        "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>',
        "document.jpg": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n",
        "archive.jpg": archive.getvalue(),
        # Pillow would hand a PostScript program to Ghostscript, which runs it.
        "program.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n%%EOF\n",
    }


def _bombs() -> dict[str, bytes]:
    gif = bytearray(encoded("GIF", seed=110))
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    jpeg = bytearray(encoded("JPEG", seed=111))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 65500, 65500)
    bitmap = bytearray(encoded("BMP", seed=112))
    bitmap[18:26] = struct.pack("<ii", -5, 2**31 - 1)
    text = zlib.compress(bytes(50_000_000))
    return {
        "bomb.png": png_claiming(60_000, 60_000),
        "bomb below Pillow's own bound.png": png_claiming(12_000, 12_000),
        "bomb.gif": bytes(gif),
        "bomb.jpg": bytes(jpeg),
        "bomb.bmp": bytes(bitmap),
        "bomb of text.png": png_claiming(8, 8)[:33] + _chunk(b"zTXt", b"k\0\0" + text) + png_claiming(8, 8)[33:],
        "no width.png": png_claiming(0, 8),
    }


def _unusual() -> dict[str, bytes]:
    ramp = np.linspace(0, 65535, 48 * 36).reshape(36, 48)
    frames = [picture(seed) for seed in (200, 201, 202)]
    moving: dict[str, object] = {"save_all": True, "append_images": frames[1:], "duration": 50}
    clear = picture(203).quantize(32)
    grey_alpha = Image.merge("LA", (picture(204).convert("L"), picture(205).convert("L")))
    see_through = picture(206)
    see_through.putalpha(picture(207).convert("L"))
    return {
        "png.jpg": encoded("PNG", seed=208),
        "jpeg.png": encoded("JPEG", seed=209),
        "webp.gif": encoded("WEBP", seed=210),
        "one pixel.png": encoded("PNG", image=picture(211, (1, 1))),
        "wide.png": encoded("PNG", image=picture(212, (20_000, 1))),
        "tall.png": encoded("PNG", image=picture(213, (1, 20_000))),
        "cmyk.jpg": encoded("JPEG", image=picture(214).convert("CMYK")),
        "grey.jpg": encoded("JPEG", image=picture(215).convert("L")),
        "grey 16 bit.png": encoded("PNG", image=Image.fromarray(ramp.astype(np.uint16))),
        "rgb 16 bit.tif": tiff_rgb16(np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1)),
        "rgb 16 bit.png": png_16(np.stack([ramp[:, ::-1], ramp, ramp[::-1]], axis=-1)),
        "alpha 16 bit.png": png_16(np.stack([ramp[::-1], ramp[::-1, ::-1], ramp, ramp[:, ::-1]], axis=-1)),
        "float.tif": encoded("TIFF", image=Image.fromarray((ramp[::-1] / 65535).astype(np.float32))),
        "lab.tif": encoded("TIFF", image=Image.merge("LAB", picture(216).split())),
        "one bit.png": encoded("PNG", image=picture(217).convert("1")),
        "palette.png": encoded("PNG", image=clear, transparency=3),
        "grey alpha.png": encoded("PNG", image=grey_alpha),
        "alpha.png": encoded("PNG", image=see_through),
        "animated.gif": encoded("GIF", image=frames[0], **moving),
        "animated.webp": encoded("WEBP", image=frames[1], **moving),
        "animated.png": encoded("PNG", image=frames[2], **moving),
        "stereo.jpg": encoded("MPO", image=picture(218), save_all=True, append_images=[picture(219)]),
        "progressive.jpg": encoded("JPEG", seed=220, progressive=True),
        "bitmap.bmp": encoded("BMP", seed=221),
        "size unknown.bmp": encoded("BMP", seed=222)[:2] + b"\xff" * 4 + encoded("BMP", seed=222)[6:],
        "directory in a ring.tif": _ring(),
    }


def _odd_metadata() -> dict[str, bytes]:
    jpeg = encoded("JPEG", image=picture(300, (96, 72)), quality=95)
    spoiled = bytearray(jpeg)
    scan = jpeg.index(b"\xff\xda") + 600
    spoiled[scan : scan + 40] = b"\x5a" * 40
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("payload.txt", "hidden")
    turned = {f"turned {value}.jpg": _turned(value) for value in range(1, 9)}
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", "x" * 60_000)
    return turned | {
        "spoiled scan.jpg": bytes(spoiled),
        "trailing.jpg": encoded("JPEG", seed=301) + bytes(5000),
        "page inside.gif": encoded("GIF", seed=321) + b"<html><script>alert(1)</script>",
        "zip inside.jpg": encoded("JPEG", seed=302) + archive.getvalue(),
        "broken exif.jpg": encoded("JPEG", seed=303, exif=b"Exif\x00\x00" + b"\xff" * 40),
        "broken exif.png": encoded("PNG", seed=319, exif=b"Exif\x00\x00" + b"\xff" * 40),
        "broken exif.webp": encoded("WEBP", seed=320, exif=b"Exif\x00\x00" + b"\xff" * 40),
        "cut exif.jpg": encoded("JPEG", seed=304, exif=_exif(6)[:20]),
        "orientation of text.jpg": encoded("JPEG", seed=305, exif=_exif_of_text()),
        "orientation 99.jpg": encoded("JPEG", seed=306, exif=_exif(99)),
        "huge exif.jpg": encoded("JPEG", seed=307, exif=b"Exif\x00\x00" + bytes(65_000)),
        "broken profile.jpg": encoded("JPEG", seed=308, icc_profile=b"no profile" * 50),
        "long comment.png": encoded("PNG", seed=309, pnginfo=note),
    }


def _ring() -> bytes:
    """Write a TIFF whose only directory names itself as the next."""
    data = bytearray(encoded("TIFF", seed=223))
    (start,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[start : start + 2])
    data[start + 2 + 12 * count : start + 6 + 12 * count] = struct.pack("<I", start)
    return bytes(data)


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif.tobytes()


def _exif_of_text() -> bytes:
    """Write an orientation of the wrong type: a word."""
    directory = struct.pack("<HHHI4sI", 1, ORIENTATION, 2, 3, b"up\0\0", 0)
    return b"Exif\x00\x00" + struct.pack("<2sHI", b"II", 42, 8) + directory


def _turned(orientation: int) -> bytes:
    return encoded("JPEG", seed=310 + orientation, exif=_exif(orientation))


def _odd_names() -> list[str]:
    return [
        "new\nline.jpg",
        "escape\x1b[31m.jpg",
        "duck 🦆 é.jpg",
        "-rf.jpg",
        "<b>&amp;'\".jpg",
        "shot#1.jpg",
        "100%s {0}.jpg",
        "UPPER.JPG",
        "l" * 251 + ".jpg",
        os.fsdecode(b"not text \xff\xfe.jpg"),
    ]


def _no_files(folder: Path) -> dict[str, str]:
    """Make what is named like a picture and is no file that can be read."""
    made = {}
    (folder / "folder.jpg").mkdir()
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "dangling.jpg").symlink_to("missing.jpg")
    (folder / "around").symlink_to(".", target_is_directory=True)
    (folder / "device.jpg").symlink_to(os.devnull)  # not an endless one: a regression would fill the memory
    for name in ("folder.jpg", "loop.jpg", "dangling.jpg", "around", "device.jpg"):
        made[name] = BROKEN
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.jpg")
        made["pipe.jpg"] = BROKEN
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        (folder / "forbidden.jpg").write_bytes(encoded("JPEG", seed=400))
        (folder / "forbidden.jpg").chmod(0)
        made["forbidden.jpg"] = BROKEN
    return made
