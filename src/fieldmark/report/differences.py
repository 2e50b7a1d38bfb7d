"""A text and what was rebuilt of it, side by side with their differences marked."""

import difflib
import re
from dataclasses import dataclass

#: Letters of a text that are shown; comparing takes longer than in proportion.
MOST_LETTERS = 1000

#: Words, blanks, and every other sign by itself.
_PIECES = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; ``mark`` is ``"del"``, ``"ins"``, ``"mark"`` (replaced), or empty where both agree."""

    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class ComparedTexts:
    """Two texts in pieces; ``equal`` where they are the same."""

    before: tuple[Piece, ...]
    after: tuple[Piece, ...]
    equal: bool


def compare_texts(before: str, after: str) -> ComparedTexts:
    """Compare two texts word by word; long ones are cut after ``MOST_LETTERS``.

    Args:
        before: the text that went in; its missing words are marked ``"del"``.
        after: the text that came out; its added words are marked ``"ins"``.
    """
    left, right = (_PIECES.findall(_cut(text)) for text in (before, after))
    first: list[Piece] = []
    second: list[Piece] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        replaced = "mark" if kind == "replace" else ""
        if a < b:
            first.append(Piece("".join(left[a:b]), replaced or ("del" if kind == "delete" else "")))
        if c < d:
            second.append(Piece("".join(right[c:d]), replaced or ("ins" if kind == "insert" else "")))
    return ComparedTexts(tuple(first), tuple(second), equal=before == after)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[:MOST_LETTERS] + "…"
