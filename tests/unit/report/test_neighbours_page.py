"""The page of the nearest pictures, from a record made by hand."""

import re
from dataclasses import replace
from pathlib import Path

from fieldmark.neighbour_results import NearestByPart, NearestPictures
from fieldmark.report import write_neighbours
from fieldmark.similar_pictures import SimilarPicture

ADDRESS = "data:image/jpeg;base64,/9j/4AAQ=="
EVIL = '<script>alert("x")</script>'


def neighbour(label: str, similarity: float, thumbnail: str = ADDRESS) -> SimilarPicture:
    return SimilarPicture("7", f"/photos/{label}/7.jpg", label, similarity, None, thumbnail)


def nearest(part: str = "crown") -> NearestPictures:
    rufous, plain = neighbour("001.Rufous_Thornfinch", 0.914), neighbour("002.Plain_Thornfinch", 0.87)
    whole = NearestByPart("whole picture", 1.0, None, (rufous, plain), ADDRESS)
    crown = NearestByPart(part, 0.91, (1.0, 2.0, 3.0, 4.0), (replace(rufous, similarity=0.955),), ADDRESS)
    bill = NearestByPart("bill", 0.05, None, ())
    return NearestPictures(
        "photos/bird.jpg", "001.Rufous_Thornfinch", 0.9, (whole, crown, bill), 1200, True, "0.1.0", ("mind the gap",)
    )


def write(folder: Path, found: NearestPictures) -> str:
    return write_neighbours(found, folder / "deep" / "near.html").read_text(encoding="utf-8")


def words(page: str) -> str:
    body = page[page.index("<body") :]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_the_page_shows_each_comparison_in_its_order(tmp_path: Path) -> None:
    text = words(write(tmp_path, nearest()))
    told = [
        "Rufous Thornfinch and what is like it",
        "whole picture 1 of 2",
        "crown 1 of 1",
        "mind the gap",
        "nearest of 1,200 training pictures",
        "whole picture this picture Rufous Thornfinch 0.91 Plain Thornfinch 0.87",
        "sure that it is there this picture Rufous Thornfinch 0.95",
        "Nothing to compare",
    ]
    places = [text.index(each) for each in told]
    assert places == sorted(places)


def test_pictures_of_the_same_class_are_framed_and_missing_ones_say_so(tmp_path: Path) -> None:
    found = nearest()
    lost = replace(found.compared[0], nearest=(neighbour("002.Plain_Thornfinch", 0.8, ""),))
    page = write(tmp_path, replace(found, compared=(lost, *found.compared[1:])))
    assert page.count('<figure class="same">') == 1  # the crown's
    assert '<span class="lost">missing</span>' in page


def test_what_a_name_holds_is_shown_and_not_run(tmp_path: Path) -> None:
    page = write(tmp_path, replace(nearest(EVIL), label=EVIL, source=EVIL))
    assert EVIL not in page
    assert "&lt;script&gt;" in page


def test_the_page_needs_no_other_file(tmp_path: Path) -> None:
    page = write(tmp_path, nearest())
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)


def test_an_index_that_may_miss_some_is_named(tmp_path: Path) -> None:
    assert "that an index found" in words(write(tmp_path, replace(nearest(), exact=False)))
