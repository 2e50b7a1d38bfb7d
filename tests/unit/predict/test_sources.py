import os
import sys
from pathlib import Path

import pytest

from fieldmark.errors import DataError
from fieldmark.predict.sources import displayable, expand_sources


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def names(paths: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_a_folder_stands_for_the_pictures_below_it(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a/z.png", "a/notes.txt", ".hidden.jpg", "c.webp")
    assert names(expand_sources([tmp_path]), tmp_path) == ["a/z.png", "b.JPG", "c.webp"]


def test_a_named_file_is_always_taken(tmp_path: Path) -> None:
    touch(tmp_path, "picture.dat", ".hidden.jpg")
    assert expand_sources([tmp_path / "picture.dat", str(tmp_path / ".hidden.jpg")]) == [
        tmp_path / "picture.dat",
        tmp_path / ".hidden.jpg",
    ]


def test_globs(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.txt", "deep/er/c.png", "d.dat")
    assert names(expand_sources([tmp_path / "*"]), tmp_path) == ["a.jpg", "deep/er/c.png"]
    assert names(expand_sources([f"{tmp_path}/**/*.png"]), tmp_path) == ["deep/er/c.png"]
    assert names(expand_sources([tmp_path / "*.dat"]), tmp_path) == ["d.dat"]


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(tmp_path: Path) -> None:
    touch(tmp_path, "a[1].jpg", "a1.jpg")
    assert names(expand_sources([tmp_path / "a[1].jpg"]), tmp_path) == ["a[1].jpg"]


def test_every_picture_comes_once_in_the_order_of_the_patterns(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.jpg", "b.jpg")
    found = expand_sources([tmp_path / "x", tmp_path / "b.jpg", tmp_path])
    assert names(found, tmp_path) == ["x/a.jpg", "b.jpg"]


def test_nothing_found_names_the_nearest(tmp_path: Path) -> None:
    touch(tmp_path, "robins/a.jpg", "empty/notes.txt")
    with pytest.raises(DataError, match="Nothing is called") as caught:
        expand_sources([tmp_path / "robin" / "a.jpg"])
    assert str(tmp_path / "robins") in caught.value.cure
    with pytest.raises(DataError, match="no pictures in"):
        expand_sources([tmp_path / "empty"])
    with pytest.raises(DataError, match="Nothing matches"):
        expand_sources([tmp_path / "*.bmp"])


def test_nul_and_far_too_long_names_are_not_found() -> None:
    for name in ("a\0b.jpg", "x" * 5000):
        with pytest.raises(DataError, match="Nothing is called"):
            expand_sources([name])


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_loops_end_and_looping_links_are_tried(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "deep/b.jpg")
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    (tmp_path / "deep" / "beyond").symlink_to(tmp_path.parent)
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert names(expand_sources([tmp_path]), tmp_path) == ["a.jpg", "deep/b.jpg", "gone.jpg", "loop.jpg"]
    assert expand_sources([tmp_path / "loop.jpg"]) == [tmp_path / "loop.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are not UTF-8")
def test_names_that_are_not_utf8_are_found_and_can_be_printed(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"")
    (found,) = expand_sources([tmp_path])
    assert found.exists()
    assert displayable(found.name) == "caf\ufffd.jpg"
    displayable(str(found)).encode("utf-8")


def test_displayable_keeps_good_names() -> None:
    assert displayable("Élan – 象.jpg") == "Élan – 象.jpg"
