"""The page of an explanation: which parts decided, put into the template."""

from dataclasses import dataclass, replace
from pathlib import Path

from fieldmark.explanations import PART_COLOURS, TOP, Explanation, PartMark, beside_rival, in_words, signed
from fieldmark.report.rendering import write_file
from fieldmark.report.wording import readable_names


@dataclass(frozen=True, slots=True)
class ShownMark:
    """A part ready to be shown.

    Attributes:
        mark: the part.
        number: its number on the picture; ``None`` where it is not outlined.
        colour: the colour of its outline.
        width: length of its bar, in 0..1 of a side.
    """

    mark: PartMark
    number: int | None
    colour: str
    width: float


def write_explanation(explanation: Explanation, path: Path, *, top: int = TOP) -> Path:
    """Write an explanation as one HTML file that needs nothing else, atomically.

    Args:
        explanation: what to show.
        path: the file; its folder is made where it is missing.
        top: how many parts are shown at once, at least 1; the others unfold.

    Returns:
        The file.
    """
    return write_file(path, "explanation.html.j2", _content(explanation, max(1, top)))


def _content(explanation: Explanation, top: int) -> dict[str, object]:
    names = readable_names([explanation.label, explanation.rival])
    label, rival = names[explanation.label], names[explanation.rival]
    shown = _shown(explanation, top)
    return {
        "result": explanation,
        "source": "an explanation",
        "label": label,
        "rival": rival,
        "words": in_words(replace(explanation, label=label, rival=rival)),
        "apart": beside_rival(replace(explanation, label=label, rival=rival)),
        "signed": signed,
        "picture_name": Path(explanation.source).name or explanation.source,
        "shown": shown[:top],
        "further": shown[top:],
        "verified": any(mark.removal for mark in explanation.marks),
        "total": sum(mark.difference for mark in explanation.marks),
    }


def _shown(explanation: Explanation, top: int) -> list[ShownMark]:
    largest = max([abs(mark.difference) for mark in explanation.marks], default=0.0) or 1.0
    return [
        ShownMark(
            mark,
            place + 1 if place < top and mark.box is not None else None,
            PART_COLOURS[place % len(PART_COLOURS)],
            round(abs(mark.difference) / largest, 4),
        )
        for place, mark in enumerate(explanation.marks)
    ]
