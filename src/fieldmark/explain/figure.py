"""An explanation as one picture: the parts on the left, what each says for A and against it on the right."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from fieldmark.data.thumbnails import from_data_address
from fieldmark.explain.drawing import badge, part_colour
from fieldmark.explanations import FOR_A, FOR_B, TOP, Explanation, PartMark, in_words, signed

#: Width in px of the right-hand side, and of the margin around everything.
_PANEL, _MARGIN = 620, 28

#: Height in px of a part's row, of its bar, and of a line of the sentence.
_ROW, _BAR, _LINE = 58, 18, 27

#: For A green, for B orange; their luminance differs as well as their hue, and so do their sides.

_PAPER, _INK, _SOFT, _RULE = (255, 255, 255), (28, 34, 31), (92, 100, 96), (214, 214, 208)


def draw_explanation(explanation: Explanation, *, top: int = TOP) -> Image.Image:
    """Draw an explanation.

    Args:
        explanation: what to draw; where it holds no picture, the left-hand side is left out.
        top: how many parts get a row; at least 1.
    """
    marks = explanation.marks[: max(1, top)]
    photo = from_data_address(explanation.picture) if explanation.picture else None
    left = _MARGIN + (photo.width + _MARGIN if photo else 0)
    head = _Text(26), _Text(17)
    words = [line for note in (in_words(explanation), *explanation.notes) for line in head[1].wrapped(note, _PANEL)]
    rows = 150 + len(marks) * _ROW + 70
    height = max(rows + _LINE * len(words), photo.height if photo else 0) + 2 * _MARGIN
    drawn = Image.new("RGB", (left + _PANEL + _MARGIN, height), _PAPER)
    draw = ImageDraw.Draw(drawn)
    if photo:
        drawn.paste(photo, (_MARGIN, _MARGIN))
    y = _headline(draw, explanation, left, head)
    scale = max([abs(mark.difference) for mark in marks] + [abs(explanation.bias_difference), 1e-9])
    for place, mark in enumerate(marks):
        _row(draw, mark, place, (left, y), scale)
        y += _ROW
    y = _total(draw, explanation, marks, (left, y))
    for line in words:
        head[1].draw(draw, (left, y), line, _INK)
        y += _LINE
    return drawn


def _headline(draw: ImageDraw.ImageDraw, explanation: Explanation, left: int, text: Sequence["_Text"]) -> int:
    large, small = text
    large.draw(draw, (left, _MARGIN), explanation.label, FOR_A, width=_PANEL)
    large.draw(draw, (left, _MARGIN + 34), f"and not {explanation.rival}", _INK, width=_PANEL)
    first, second = 100 * explanation.probability, 100 * explanation.rival_probability
    chances = f"probability {first:.1f} % and {second:.1f} %"
    how = "the parts add up to it" if explanation.exact else "measured by covering places; not exact"
    small.draw(draw, (left, _MARGIN + 72), f"{chances}; log-odds {signed(explanation.log_odds)}: {how}", _SOFT, _PANEL)
    small.draw(draw, (left, _MARGIN + 104), f"for {explanation.rival}", _SOFT, width=_PANEL // 2 - 20)
    ahead = small.cut(f"for {explanation.label}", _PANEL // 2 - 20)
    small.draw(draw, (left + _PANEL - small.length(ahead), _MARGIN + 104), ahead, _SOFT)
    return _MARGIN + 136


def _row(draw: ImageDraw.ImageDraw, mark: PartMark, place: int, corner: tuple[int, int], scale: float) -> None:
    """Draw a part's number, name and figures, and below them a bar from the middle: right for A, left for B."""
    left, y = corner
    small = _Text(17)
    if mark.box is not None:  # else there is no such number on the picture
        badge(draw, (left, y - 2), str(place + 1), part_colour(place), within=(10**6, 10**6))
    said = f"{signed(mark.difference)} log-odds"
    if mark.removal is not None:
        said += f", {signed(mark.removal.measured)} when removed"
    small.draw(draw, (left + 34, y), mark.part, _INK, width=_PANEL - 44 - small.length(said))
    small.draw(draw, (left + _PANEL - small.length(said), y), said, _INK)
    middle, reach = left + _PANEL // 2, round(abs(mark.difference) / scale * (_PANEL // 2 - 4))
    top = y + 27
    draw.line((left, top + _BAR // 2, left + _PANEL, top + _BAR // 2), fill=_RULE)
    if reach:
        start, end = (middle, middle + reach) if mark.difference > 0 else (middle - reach, middle)
        draw.rectangle((start, top, end, top + _BAR), fill=FOR_A if mark.difference > 0 else FOR_B)
    draw.line((middle, top - 5, middle, top + _BAR + 5), fill=_INK, width=2)


def _total(
    draw: ImageDraw.ImageDraw, explanation: Explanation, marks: Sequence[PartMark], corner: tuple[int, int]
) -> int:
    """Draw what the parts that are not shown, the bias and the rest come to, so that the sum can be checked."""
    left, y = corner
    others = explanation.marks[len(marks) :]
    terms = [f"bias {signed(explanation.bias_difference)}"]
    if others:
        terms.insert(0, f"{len(others)} other parts {signed(sum(mark.difference for mark in others))}")
    if not explanation.exact:
        terms.append(f"unexplained {signed(explanation.unexplained)}")
    draw.line((left, y + 2, left + _PANEL, y + 2), fill=_RULE)
    _Text(17).draw(draw, (left, y + 10), f"Besides: {', '.join(terms)}.", _SOFT, width=_PANEL)
    return y + 50


class _Text:
    """Text of one size, cut with an ellipsis where it would be too long."""

    def __init__(self, size: int) -> None:
        self._font = ImageFont.load_default(size)

    def length(self, text: str) -> int:
        return round(self._font.getlength(text))

    def draw(
        self,
        draw: ImageDraw.ImageDraw,
        corner: tuple[int, int],
        text: str,
        colour: tuple[int, int, int],
        width: int = 10**6,
    ) -> None:
        draw.text(corner, self.cut(text, width), font=self._font, fill=colour)

    def cut(self, text: str, width: int) -> str:
        while text and self.length(text) > width:
            text = text[:-2].rstrip() + "…" if len(text) > 1 else ""
        return text

    def wrapped(self, text: str, width: int) -> list[str]:
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.length(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines
