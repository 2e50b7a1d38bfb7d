"""Seeds that belong to pictures, so that a picture is corrupted alike in whatever company it is evaluated."""

import hashlib

#: Seeds of torch's generators stay below 2 to this power.
_BITS = 63


def picture_seed(identity: str, purpose: str, seed: int = 0) -> int:
    """Return the seed of one picture for one purpose.

    Args:
        identity: the picture's id in its table.
        purpose: what is drawn, such as the name of an occluder; each purpose draws for itself.
        seed: another one gives another draw of everything.
    """
    text = f"{seed}\0{purpose}\0{identity}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> (64 - _BITS)
