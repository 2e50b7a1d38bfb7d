"""Read WAV files of plain samples, without a library.

Sources: *Multimedia Programming Interface and Data Specifications 1.0* (IBM and Microsoft, 1991), chapter 3, and
*Multiple Channel Audio Data and WAVE Files* (Microsoft, 2001) for the extensible format. Python's own ``wave`` reads
whole numbers only, and takes a file that ends too early for a shorter one.
"""

import struct

import numpy as np
import numpy.typing as npt

from fieldmark.errors import BrokenSoundError

_WHOLE_NUMBERS = 1
_FLOATING_POINT = 3
_EXTENSIBLE = 0xFFFE

#: Sizes of the data that a program writes when it doesn't know them yet: the data reach to the file's end.
_UNKNOWN_SIZES = frozenset({0xFFFFFFFF, 0x7FFFFFFF, 0x80000000})

#: (encoding, bytes a sample) → how numpy calls it, the value of silence, the value of full loudness. Samples of three
#: bytes are widened first.
_ENCODINGS: dict[tuple[int, int], tuple[str, float, float]] = {
    (_WHOLE_NUMBERS, 1): ("u1", 128.0, 128.0),
    (_WHOLE_NUMBERS, 2): ("<i2", 0.0, 2.0**15),
    (_WHOLE_NUMBERS, 3): ("<i4", 0.0, 2.0**31),
    (_WHOLE_NUMBERS, 4): ("<i4", 0.0, 2.0**31),
    (_FLOATING_POINT, 4): ("<f4", 0.0, 1.0),
    (_FLOATING_POINT, 8): ("<f8", 0.0, 1.0),
}


def read_wav(data: bytes) -> tuple[npt.NDArray[np.float32], int] | None:
    """Read a WAV file of whole or floating-point numbers.

    Args:
        data: the file's bytes.

    Returns:
        Samples (T, channels), full loudness at ±1, and how many there are a second; ``None`` where it isn't a WAV file
        or its samples are encoded otherwise.

    Raises:
        BrokenSoundError: it is a WAV file that is damaged.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return None
    layout, body = _chunks(data)
    encoding, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", layout)
    if encoding == _EXTENSIBLE and len(layout) >= 26:
        (encoding,) = struct.unpack_from("<H", layout, 24)
    known = _ENCODINGS.get((encoding, (bits + 7) // 8))
    if known is None:
        return None
    width = (bits + 7) // 8
    if not channels or frame_bytes != channels * width:
        raise BrokenSoundError("its header contradicts itself")
    usable = memoryview(body)[: len(body) // frame_bytes * frame_bytes]
    kind, silence, loudest = known
    values = (_widened(usable) if width == 3 else np.frombuffer(usable, kind)).astype(np.float64)
    return ((values - silence) / loudest).astype(np.float32).reshape(-1, channels), rate


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    """Return the chunks that say how samples are laid out, and that hold them."""
    place, layout = 12, b""
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        place += 8
        if name == b"fmt ":
            layout = data[place : place + size]
            if len(layout) < 16:
                raise BrokenSoundError("its header ends too early")
        elif name == b"data" and layout:
            if size not in _UNKNOWN_SIZES and place + size > len(data):
                raise BrokenSoundError(f"ends too early: {len(data) - place:,} of {size:,} bytes of sound are there")
            return layout, data[place : place + size]
        place += size + size % 2
    raise BrokenSoundError("ends before its sound begins")


def _widened(body: memoryview) -> npt.NDArray[np.int32]:
    """Put each number of three bytes into the upper three of four."""
    wide = np.zeros((len(body) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
    return wide.view("<i4").reshape(-1)
