import numpy as np
import pytest
from PIL import Image

from fieldmark.data.thumbnails import data_address
from fieldmark.explain.drawing import DRAWN, outlined, part_colour, tinted
from fieldmark.explain.figure import draw_explanation
from fieldmark.explanations import FOR_A, FOR_B, PART_COLOURS, Explanation, PartMark, Removal


def explanation(count: int = 9, *, picture: bool = True) -> Explanation:
    marks = tuple(
        PartMark(f"part {place + 1}", (0, 0, 9, 9), 1.0, 1.0, 0.0, (3.0 - place) / 2, Removal("blur", -1, -0.9, 0.1))
        for place in range(count)
    )
    return Explanation(
        source="bird.jpg",
        label="Rufous Thornfinch",
        rival="Plain Thornfinch",
        probability=0.9,
        rival_probability=0.05,
        log_odds=4.0,
        bias_difference=-0.2,
        marks=marks,
        flip=("part 1",),
        exact=True,
        size=(60, 40),
        fieldmark_version="0",
        picture=data_address(Image.new("RGB", (60, 40), "white")) if picture else "",
    )


def share(image: Image.Image, colour: tuple[int, int, int]) -> float:
    return float((np.abs(np.asarray(image).astype(int) - colour).max(2) < 12).mean())


def test_regions_are_outlined_where_they_are_in_the_picture() -> None:
    """A region of the padded square, over the right half of a wide picture."""
    mask = np.zeros((64, 64), np.bool_)
    mask[16:48, 32:] = True
    drawn = outlined(Image.new("RGB", (200, 100), "white"), [mask], (0, 16, 64, 32), [(0.5, 0.0)])
    assert drawn.size == (DRAWN, DRAWN // 2)
    pixels = np.asarray(drawn).astype(int)
    is_line = np.abs(pixels - part_colour(0)).max(2) < 30
    columns = np.flatnonzero(is_line[200:].any(0))
    assert columns.min() == pytest.approx(320, abs=4)
    assert (pixels[:, :300] == 255).all()
    middle = pixels[160, 480]
    assert (middle == 255).all()  # the inside stays as it is


def test_what_has_no_place_is_not_drawn() -> None:
    mask = np.ones((64, 64), np.bool_)
    drawn = outlined(Image.new("RGB", (64, 64), "white"), [mask], (0, 0, 64, 64), [None])
    assert (np.asarray(drawn) == 255).all()


def test_the_figure_has_a_bar_for_every_part_that_is_asked_for() -> None:
    few, many = draw_explanation(explanation(), top=2), draw_explanation(explanation(), top=9)
    assert many.height > few.height
    assert share(few, FOR_A) > 0.01
    assert share(few, FOR_B) == pytest.approx(0, abs=1e-4)  # of the two largest none speaks against it
    assert share(many, FOR_B) > 0.005


def test_the_figure_does_without_a_picture_and_with_very_long_names() -> None:
    assert draw_explanation(explanation(picture=False)).width < draw_explanation(explanation()).width
    from dataclasses import replace

    long = replace(explanation(2), label="x" * 500, rival="y " * 300, notes=("z " * 400,))
    assert draw_explanation(long).width == draw_explanation(explanation(2)).width


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_of_parts_are_distinct_and_carry_dark_letters() -> None:
    """Badges on the page have dark letters: WCAG 2.2, contrast of at least 4.5."""
    assert len(set(PART_COLOURS)) == len(PART_COLOURS)
    for colour in PART_COLOURS:
        assert (luminance(colour) + 0.05) / (luminance("#1e2421") + 0.05) >= 3, colour


def test_cells_are_coloured_by_the_class_that_they_speak_for() -> None:
    cells = np.zeros((8, 8), np.float32)
    cells[3:5, 1:3], cells[3:5, 5:7] = 2.0, -1.0
    drawn = tinted(Image.new("RGB", (200, 100), "red"), cells, (0, 0.25, 1, 0.5))
    assert drawn.size == (DRAWN, DRAWN // 2)
    pixels = np.asarray(drawn).astype(int)
    for_a, for_b, nothing = pixels[160, 160], pixels[160, 480], pixels[20, 20]
    assert len(set(nothing)) == 1  # grey
    assert for_a[1] > for_a[0]  # green
    assert for_b[0] > for_b[2] + 40  # orange
    opacity = [
        (side - nothing) @ (colour - nothing) / ((colour - nothing) @ (colour - nothing))
        for side, colour in ((for_a, np.array(FOR_A)), (for_b, np.array(FOR_B)))
    ]
    assert opacity[0] == pytest.approx(2 * opacity[1], rel=0.05)  # the grey shows through B, which says half as much
