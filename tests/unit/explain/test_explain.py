from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import fieldmark
from fieldmark.data.table import Table
from fieldmark.data.thumbnails import from_data_address
from fieldmark.errors import BrokenImageError, ConfigError, DataError
from fieldmark.explain import EvidenceReader, explain_picture, field_marks, load_reader
from fieldmark.explain.explain import EXAMPLES
from fieldmark.explanations import Explanation
from fieldmark.models.recognizer import REST, Recognizer
from fieldmark.predict import load_predictor
from part_stand_ins import CLASSES, QUADRANTS, SIDE, Colours, Quadrants, Summed, bundle_info, colour_reader


def noise(width: int = 90, height: int = 40, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("picture", [noise(), noise(33, 120), noise(SIDE, SIDE)], ids=["wide", "tall", "square"])
def test_the_marks_and_the_bias_add_up_to_the_log_odds(quadrant_run: Path, picture: np.ndarray) -> None:
    found = field_marks(quadrant_run, picture)
    assert found.exact
    assert {mark.part for mark in found.marks} == {*QUADRANTS, REST}
    assert sum(mark.difference for mark in found.marks) + found.bias_difference == pytest.approx(
        found.log_odds, abs=1e-4
    )
    assert abs(found.unexplained) < 1e-4
    for mark in found.marks:
        assert mark.difference == pytest.approx(mark.evidence - mark.rival_evidence, abs=1e-9)


def test_the_picture_is_coloured_where_the_evidence_comes_from(quadrant_run: Path) -> None:
    found = field_marks(quadrant_run, noise())
    coloured = np.asarray(from_data_address(found.cells).convert("RGB")).astype(int)
    assert coloured.shape[1] / coloured.shape[0] == pytest.approx(90 / 40, abs=0.01)
    assert (coloured.max(2) - coloured.min(2)).max() > 60  # not grey everywhere
    assert found.without_pictures().cells == ""


def test_what_is_explained_is_what_is_predicted(quadrant_run: Path) -> None:
    prediction = load_predictor(quadrant_run)([noise()])[0]
    found = field_marks(quadrant_run, noise())
    assert (found.label, found.rival) == (prediction.label, prediction.top[1][0])
    assert (found.probability, found.rival_probability) == pytest.approx([value for _, value in prediction.top[:2]])
    # the temperature is 2
    assert np.log(found.probability / found.rival_probability) == pytest.approx(found.log_odds / 2, abs=1e-5)


def test_marks_are_sorted_and_in_pixels_of_the_original(quadrant_run: Path) -> None:
    found = field_marks(quadrant_run, noise(90, 40))
    sizes = [abs(mark.difference) for mark in found.marks]
    assert sizes == sorted(sizes, reverse=True)
    boxes = {mark.part: mark.box for mark in found.marks}
    assert found.size == (90, 40)
    assert boxes["top left"] == pytest.approx((0, 0, 45, 20), abs=1)
    assert boxes["bottom right"] == pytest.approx((45, 20, 45, 20), abs=1)
    assert boxes[REST] is None


def test_another_class_can_be_compared_with(quadrant_run: Path) -> None:
    first = field_marks(quadrant_run, noise())
    (third,) = set(CLASSES) - {first.label, first.rival}
    found = field_marks(quadrant_run, noise(), third)
    assert (found.label, found.rival) == (first.label, third)
    assert found.log_odds > first.log_odds
    assert sum(mark.difference for mark in found.marks) + found.bias_difference == pytest.approx(
        found.log_odds, abs=1e-4
    )


def test_the_flip_is_minimal_in_a_constructed_case() -> None:
    """Quadrants of one grey give 4, 2, 1 and -1 log-odds; with the bias against it, 5 remain."""
    weight = torch.zeros(4, 3, 3)
    weight[:, 0, 0] = torch.tensor([4.0, 2.0, 1.0, -1.0]) / 0.9
    reader = colour_reader(weight)
    white = np.full((SIDE, SIDE, 3), 255, np.uint8)

    def flip(bias: float) -> tuple[str, ...] | None:
        with torch.no_grad():
            reader._recognizer.bias.copy_(torch.tensor([0.0, bias, -9.0]))
        found = explain_picture(reader, white, verify=False)
        assert (found.label, found.rival) == (CLASSES[0], CLASSES[1])
        assert found.log_odds == pytest.approx(6 - bias, abs=1e-5)
        return found.flip

    assert flip(5.0) == ("top left",)
    assert flip(1.5) == ("top left", "top right")
    assert flip(-0.5) == ("top left", "top right", "bottom left")
    assert flip(-1.5) is None


def test_claims_are_verified_and_hold_where_cells_see_only_themselves() -> None:
    """Only the top left speaks, by its red; blurring it from its black surroundings takes nearly all of that away."""
    weight = torch.zeros(4, 3, 3)
    weight[0, 0, 0] = 5.0
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[:32, :32, 0] = 255
    reader = colour_reader(weight)
    with torch.no_grad():
        reader._recognizer.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    found = explain_picture(reader, picture, CLASSES[1])
    first = found.marks[0]
    assert first.part == "top left"
    assert first.removal is not None
    assert first.removal.claimed == pytest.approx(-4.5, abs=1e-5)
    assert first.removal.measured == pytest.approx(-4.5, abs=0.3)
    assert first.removal.elsewhere is None or abs(first.removal.elsewhere) < 1
    assert found.flip == ("top left",)
    assert all(mark.removal is None for mark in explain_picture(colour_reader(), picture, verify=False).marks)


def test_a_picture_goes_through_the_network_once_for_its_own_cells(
    quadrant_run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[int] = []
    read_cells = EvidenceReader.cell_evidence

    def counted(reader: EvidenceReader, pixels: np.ndarray, direction: np.ndarray) -> np.ndarray | None:
        asked.append(len(pixels))
        return read_cells(reader, pixels, direction)

    monkeypatch.setattr(EvidenceReader, "cell_evidence", counted)
    found = field_marks(quadrant_run, noise(), cache=tmp_path)
    assert found.beside
    assert asked == [1, len(found.alike)]  # its own cells, and those of the pictures that it is set beside


def test_what_nobody_looks_at_is_not_drawn(quadrant_run: Path) -> None:
    reader = load_reader(quadrant_run)
    drawn, plain = (explain_picture(reader, noise(), drawn=wanted) for wanted in (True, False))
    assert drawn.picture
    assert drawn.cells
    assert plain == replace(drawn, picture="", cells="")


def test_the_rest_of_the_picture_is_neither_removed_nor_part_of_a_flip(quadrant_run: Path) -> None:
    found = field_marks(quadrant_run, noise())
    by_name = {mark.part: mark for mark in found.marks}
    assert by_name[REST].removal is None
    assert all(by_name[name].removal is not None for name in QUADRANTS)
    assert REST not in (found.flip or ())


@pytest.mark.parametrize("kind", ["not additive", "whole picture"])
def test_an_explanation_that_is_measured_says_so(kind: str, tiny_run: Path) -> None:
    if kind == "whole picture":
        found = field_marks(tiny_run, noise())
        assert "the whole picture as one part" in found.notes[0]
    else:
        torch.manual_seed(1)
        recognizer = Recognizer(Colours(), Quadrants(), Summed(len(CLASSES)), len(CLASSES))
        found = explain_picture(EvidenceReader(recognizer, bundle_info(names=recognizer.evidence_names)), noise())
        assert "not additive" in found.notes[0]
    assert not found.exact
    assert found.notes[0].startswith("Not exact")
    assert len(found.marks) == 36
    assert {mark.part for mark in found.marks} >= {"row 1, column 1", "row 6, column 6"}
    total = sum(mark.difference for mark in found.marks) + found.bias_difference + found.unexplained
    assert total == pytest.approx(found.log_odds, abs=1e-9)
    left, top, width, height = found.marks[0].box or (0, 0, 0, 0)
    assert 0 <= left < left + width <= 90.001
    assert 0 <= top < top + height <= 40.001


def test_examples_are_the_nearest_training_pictures_of_the_rival(quadrant_run: Path, tmp_path: Path) -> None:
    table = Table.load(quadrant_run / "table.parquet")
    first = field_marks(quadrant_run, noise())
    known = table.frame.filter((table.frame["label"] == first.rival) & (table.frame["split"] == "train"))
    seen: list[tuple[int, int]] = []
    found = field_marks(quadrant_run, noise(), cache=tmp_path, progress=lambda done, all_: seen.append((done, all_)))
    assert found.notes == ()
    assert seen
    for mark in found.marks:
        assert len(mark.examples) == EXAMPLES
        assert {example.id for example in mark.examples} <= set(known["id"])
        assert {example.label for example in mark.examples} == {found.rival}
        near = [example.similarity for example in mark.examples]
        assert near == sorted(near, reverse=True)
        for example in mark.examples:
            assert max(from_data_address(example.thumbnail).size) == 112
            assert (example.box is None) == (mark.part == REST)


def test_the_picture_itself_is_its_own_nearest_example(quadrant_run: Path, tmp_path: Path) -> None:
    table = Table.load(quadrant_run / "table.parquet")
    for row in table.split("train").frame.iter_rows(named=True):
        path = table.root / row["path"]
        called = field_marks(quadrant_run, path, verify=False)
        if called.label != row["label"]:
            break
    found = field_marks(quadrant_run, path, row["label"], cache=tmp_path, verify=False)
    for mark in found.marks:
        assert mark.examples[0].id == row["id"]
        assert mark.examples[0].similarity == pytest.approx(1, abs=1e-5)


def test_a_run_without_its_table_explains_without_examples(tiny_run: Path, tmp_path: Path) -> None:
    found = field_marks(tiny_run, noise(), cache=tmp_path)
    assert found.examples == ()
    assert any("No training pictures" in note and "trained on" in note for note in found.notes)


def test_the_drawing_shows_the_picture_with_outlines(quadrant_run: Path) -> None:
    drawn = from_data_address(field_marks(quadrant_run, Image.new("RGB", (300, 100), "white")).picture)
    assert drawn.size == (640, 213)
    pixels = np.asarray(drawn).astype(int)
    coloured = (pixels.max(2) - pixels.min(2) > 60).mean()
    assert 0.01 < coloured < 0.5


def test_mistakes_name_the_cure(quadrant_run: Path, tmp_path: Path) -> None:
    called = field_marks(quadrant_run, noise(), verify=False)
    with pytest.raises(ConfigError, match="no class 'Rufous Thornfnch'") as unknown:
        field_marks(quadrant_run, noise(), "Rufous Thornfnch")
    assert "'Rufous Thornfinch'" in unknown.value.cure
    with pytest.raises(ConfigError, match="with itself") as same:
        field_marks(quadrant_run, noise(), called.label)
    assert called.rival in same.value.cure
    with pytest.raises(ConfigError, match="fill"):
        field_marks(quadrant_run, noise(), fill="paint")
    with pytest.raises(ConfigError, match="0 parts"):
        field_marks(quadrant_run, noise(), top=0)
    (tmp_path / "cut.jpg").write_bytes(b"no picture")
    with pytest.raises(BrokenImageError, match=r"cut\.jpg can't be explained: not a picture"):
        field_marks(quadrant_run, tmp_path / "cut.jpg")
    with pytest.raises(DataError, match="is no picture"):
        field_marks(quadrant_run, 7)  # type: ignore[arg-type]


def test_one_class_can_not_be_explained() -> None:
    from dataclasses import replace

    reader = colour_reader()
    reader.info = replace(reader.info, classes=CLASSES[:1])
    with pytest.raises(ConfigError, match="one class"):
        explain_picture(reader, noise())


def test_it_is_public() -> None:
    assert fieldmark.field_marks is field_marks
    assert field_marks.__annotations__["return"] is Explanation
