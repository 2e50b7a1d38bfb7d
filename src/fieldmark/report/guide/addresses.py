"""The names of a guide's files, safe on every file system and in every address, whatever the classes are called."""

import re
import unicodedata
from collections.abc import Callable, Sequence

from fieldmark.guide_results import LookalikePair

#: The longest stem of a class; a pair's name holds two, and file systems allow 255 bytes.
_LONGEST = 80


def slug(name: str) -> str:
    """Return a name in small letters without accents, digits and single hyphens: ``"Élan (young)"`` → ``"elan-young"``.

    It is empty where nothing of the name can be written so.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST].strip("-")


class Addresses:
    """Which file each page of a guide is in, seen from the guide's folder.

    Args:
        classes: the class names, each once.
        pairs: the lookalikes.
        readable: class → its name as a person would write it.
    """

    def __init__(self, classes: Sequence[str], pairs: Sequence[LookalikePair], readable: Callable[[str], str]) -> None:
        stems = _distinct([slug(readable(name)) for name in classes])
        self._stems = dict(zip(classes, stems, strict=True))
        # A stem never holds two hyphens in a row, so no two pairs get the same name.
        self._pairs = {
            frozenset((pair.first, pair.second)): f"pair-{self._stems[pair.first]}--{self._stems[pair.second]}.html"
            for pair in pairs
        }

    def of_class(self, name: str) -> str:
        """Return the page of a class."""
        return f"class-{self._stems[name]}.html"

    def of_pair(self, first: str, second: str) -> str | None:
        """Return the page of two classes, in whatever order; ``None`` where they have none."""
        return self._pairs.get(frozenset((first, second)))


def _distinct(stems: Sequence[str]) -> list[str]:
    """Number stems that occur before, and those that are empty."""
    taken: set[str] = set()
    found = []
    for place, stem in enumerate(stems, start=1):
        wanted, number = stem or str(place), 1
        while wanted in taken:
            number += 1
            wanted = f"{stem or place}-{number}"
        taken.add(wanted)
        found.append(wanted)
    return found
