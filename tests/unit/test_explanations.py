"""The saved explanation, and how it is put into words."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fieldmark.errors import DataError
from fieldmark.explanations import Explanation, PartMark, Removal, beside_rival, in_words, named, signed
from fieldmark.similar_pictures import SimilarPicture

ADDRESS = "data:image/jpeg;base64,/9j/4AAQ=="


def mark(part: str, difference: float) -> PartMark:
    return PartMark(part, (1.0, 2.0, 3.0, 4.0), 0.9, difference, 0.0, difference)


def explanation() -> Explanation:
    crown = replace(
        mark("crown", 3.1),
        removal=Removal("blur", -3.1, -2.9, None),
        examples=(SimilarPicture("7", "images/7.jpg", "Plain Thornfinch", 0.91, (0.0, 0.0, 5.0, 5.0), ADDRESS),),
    )
    rest = replace(mark("rest of the picture", -0.6), box=None)
    return Explanation(
        source="bird.jpg",
        label="Rufous Thornfinch",
        rival="Plain Thornfinch",
        probability=0.9,
        rival_probability=0.08,
        log_odds=4.0,
        bias_difference=0.5,
        marks=(crown, mark("bill", 1.0), rest),
        flip=("crown", "bill"),
        exact=True,
        size=(640, 480),
        fieldmark_version="0.1.0",
        picture=ADDRESS,
        notes=("mind the gap",),
    )


def test_what_is_saved_is_what_is_read(tmp_path: Path) -> None:
    path = explanation().save(tmp_path / "deep" / "why.json")
    assert Explanation.load(path) == explanation()
    assert [entry.name for entry in path.parent.iterdir()] == ["why.json"]
    keys = list(json.loads(path.read_text(encoding="utf-8")))
    assert keys == sorted(keys)
    bare = replace(explanation(), flip=None, marks=(), picture="")
    assert Explanation.from_json(bare.to_json()) == bare


def test_without_pictures_only_pictures_are_missing() -> None:
    found = explanation().without_pictures()
    assert "base64" not in found.to_json()
    assert found.marks[0].examples[0].similarity == 0.91
    assert replace(found, picture=ADDRESS, marks=explanation().marks) == explanation()


def test_the_unexplained_is_what_is_left_over() -> None:
    assert explanation().unexplained == pytest.approx(4.0 - 0.5 - 3.1 - 1.0 + 0.6)


@pytest.mark.parametrize("address", ["https://example.org/x.jpg", "data:text/html;base64,AAAA", "data:image/svg+xml,x"])
def test_nothing_but_pictures_inside_the_file_is_taken_for_one(address: str) -> None:
    text = explanation().to_json().replace(ADDRESS, address)
    with pytest.raises(DataError, match="JPEG or PNG") as caught:
        Explanation.from_json(text)
    assert "fieldmark explain" in caught.value.cure


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1}', '{"format": 1, "flip": 3}'])
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="can't be read"):
        Explanation.from_json(text)


def test_another_format_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="format 99"):
        Explanation.from_json('{"format": 99}')
    with pytest.raises(DataError, match="can't be read"):
        Explanation.load(tmp_path / "nonesuch.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="no text"):
        Explanation.load(tmp_path / "bytes.json")


def test_figures_must_be_finite() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(explanation(), log_odds=float("nan")).to_json()


def test_words_of_one_part_that_decides() -> None:
    found = replace(explanation(), flip=("crown",))
    assert in_words(found) == (
        "Rufous Thornfinch and not Plain Thornfinch: the crown decides (+3.1 of +4.0 log-odds). "
        "Without the crown it would be Plain Thornfinch."
    )


def test_words_of_several_parts_and_of_none() -> None:
    assert "the crown and the bill decide together (+4.1 of +4.0 log-odds)." in in_words(explanation())
    assert "Without the crown and the bill it would be" in in_words(explanation())
    stays = in_words(replace(explanation(), flip=None))
    assert "the crown says most of it (+3.1 of +4.0 log-odds); no part's absence would turn it." in stays
    assert "the bias says most of it (+3.2 of" in in_words(replace(explanation(), flip=None, bias_difference=3.2))
    biased = replace(explanation(), marks=(mark("bill", -1.0),), flip=None, bias_difference=5.0)
    assert "no part speaks for it; the bias decides (+5.0 of +4.0)." in in_words(biased)


def test_of_many_parts_the_first_are_named() -> None:
    marks = tuple(mark(f"part {number}", 9.0 - number) for number in range(1, 6))
    many = replace(explanation(), marks=marks, flip=tuple(each.part for each in marks))
    assert "part 1, part 2, part 3 and 2 others decide together (+30.0 of +4.0 log-odds)." in in_words(many)
    assert "Without part 1, part 2, part 3 and 2 others it would be" in in_words(many)
    four = replace(many, marks=marks[:4], flip=many.flip[:4])
    assert "part 1, part 2, part 3 and part 4 decide together" in in_words(four)


def test_words_of_what_was_measured_say_so() -> None:
    measured = replace(
        explanation(), exact=False, marks=(mark("row 2, column 3", 2.1), mark("row 1, column 1", -1)), flip=None
    )
    assert "covering row 2, column 3 costs most (+2.1 of +4.0 log-odds, measured)." in in_words(measured)
    turned = replace(measured, flip=("row 2, column 3",))
    assert in_words(turned).endswith("With row 2, column 3 covered it would be Plain Thornfinch.")


def test_words_of_what_sets_it_apart() -> None:
    assert beside_rival(explanation()) == ""  # no picture of the other class was looked at
    marks = (replace(mark("crown", 3.1), contrast=0.4), replace(mark("bill", 0.0), presence=0.1, contrast=2.5))
    found = replace(explanation(), marks=marks)
    assert beside_rival(found) == "Beside pictures of Plain Thornfinch in the same pose, the bill differs most (+2.5)."
    there = replace(found, marks=(marks[0], replace(marks[1], contrast=0.1)))
    assert (
        beside_rival(there) == "Beside pictures of Plain Thornfinch in the same pose, the crown differs most (+0.40)."
    )
    assert beside_rival(replace(found, marks=(replace(marks[0], contrast=-1.0),))) == ""


def test_figures_have_a_sign_and_names_an_article_where_they_should() -> None:
    assert [signed(value) for value in (3.14, -2.96, 0.314, -0.05, 0.0, -0.001, 12.0)] == [
        "+3.1",
        "-3.0",
        "+0.31",
        "-0.05",
        "0.00",
        "0.00",
        "+12.0",
    ]
    assert (named("crown"), named("part 3")) == ("the crown", "part 3")
