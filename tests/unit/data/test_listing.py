import os
import sys
from pathlib import Path

import pytest

from fieldmark.data.listing import list_pictures

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the test folders are no packages
from format_examples import write

ODD = os.fsdecode(b"\xff")


def touch(folder: Path, *names: str) -> Path:
    return write(folder, dict.fromkeys(names, b""))


def test_pictures_by_their_ending_sorted_with_forward_slashes(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.JPG", "b/1.png", "a.webp", "c.txt", "d", "b/deep/er/3.tiff")
    found = list_pictures(tmp_path)
    assert found.files == ("a.webp", "b/1.png", "b/2.JPG", "b/deep/er/3.tiff")
    assert found.skipped == ()
    assert found.others == 2


def test_hidden_files_and_litter_are_neither_listed_nor_counted(tmp_path: Path) -> None:
    touch(tmp_path, ".a.jpg", "._a.jpg", "Thumbs.db", ".git/a.jpg", "__MACOSX/a.jpg", "ok.jpg")
    found = list_pictures(tmp_path)
    assert (found.files, found.skipped, found.others) == (("ok.jpg",), (), 0)


def test_a_link_gives_way_to_the_real_folder_wherever_it_comes_first(tmp_path: Path) -> None:
    touch(tmp_path, "b/real/1.jpg")
    (tmp_path / "a").symlink_to("b/real")
    found = list_pictures(tmp_path)
    assert found.files == ("b/real/1.jpg",)
    assert [(row.path, row.reason) for row in found.skipped] == [("a", "a link to a folder that is listed already")]


def test_a_link_to_another_place_is_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "far", "1.jpg", "in/2.jpg")
    (tmp_path / "data" / "x").mkdir(parents=True)
    (tmp_path / "data" / "x" / "first").symlink_to(tmp_path / "far")
    (tmp_path / "data" / "second").symlink_to(tmp_path / "far")
    found = list_pictures(tmp_path / "data")
    assert len(found.files) == 2
    assert len(found.skipped) == 1


def test_loops_of_links_end(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "self").symlink_to("self")
    (tmp_path / "b").symlink_to("c")
    (tmp_path / "c").symlink_to("b")
    assert list_pictures(tmp_path).files == ("a/1.jpg",)


def test_names_that_are_not_text_are_skipped_and_spelt_out(tmp_path: Path) -> None:
    touch(tmp_path, f"{ODD}.jpg", f"{ODD}/1.jpg", "new\nline.jpg")
    found = list_pictures(tmp_path)
    assert found.files == ("new\nline.jpg",)
    assert {row.path for row in found.skipped} == {"\\udcff.jpg", "\\udcff/1.jpg"}
    assert all("not valid text" in row.reason for row in found.skipped)


def test_the_name_of_the_folder_itself_does_not_matter(tmp_path: Path) -> None:
    assert list_pictures(touch(tmp_path / ODD, "a/1.jpg")).files == ("a/1.jpg",)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_may_not_be_listed_is_skipped(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a").chmod(0)
    found = list_pictures(tmp_path)
    (tmp_path / "a").chmod(0o700)
    assert found.files == ("b/2.jpg",)
    assert "Permission denied" in found.skipped[0].reason
