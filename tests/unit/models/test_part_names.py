"""Names that people give to parts, kept in the bundle."""

import json
from pathlib import Path

import pytest

from fieldmark.errors import BundleError, ConfigError
from fieldmark.models.bundle import read_info, record_part_names
from fieldmark.models.part_names import MOST_LETTERS, is_placeholder, name_part, nameable_parts

PARTS = ("part 1", "part 2", "part 3", "rest of the picture")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of three parts and the rest of the picture, without weights."""
    data = {
        "format": 1,
        "classes": ["ant", "bee"],
        "preprocessing": {"resolution": 48},
        "model": {"rest": True},
        "lineage": {},
        "part_names": PARTS,
        "results": {"test top1": 0.5},
    }
    folder = tmp_path / "run" / "bundle"
    folder.mkdir(parents=True)
    (folder / "bundle.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def test_a_name_is_kept_for_good_and_everything_else_stays(bundle: Path) -> None:
    before = read_info(bundle)
    assert name_part(bundle.parent, "3", " wing bar ") == ("part 1", "part 2", "wing bar", "rest of the picture")
    after = read_info(bundle)
    assert after.part_names == ("part 1", "part 2", "wing bar", "rest of the picture")
    assert after.results == before.results
    assert "part 1, part 2, wing bar" in (bundle / "README.md").read_text(encoding="utf-8")
    assert not list(bundle.glob("*.partial"))


def test_a_part_is_found_by_its_number_or_its_present_name(bundle: Path) -> None:
    name_part(bundle, "part 2", "eye ring")
    name_part(bundle, "eye ring", "anneau œil")
    name_part(bundle, "2", "Anneau œil")  # its own name in other letters
    assert read_info(bundle).part_names[1] == "Anneau œil"
    name_part(bundle, "2", "part 2")  # takes the name away again
    assert is_placeholder(read_info(bundle).part_names[1])


@pytest.mark.parametrize("part", ["0", "4", "-1", "wing", "rest of the picture", ""])
def test_a_part_that_is_not_there_is_an_error_that_lists_them(bundle: Path, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        name_part(bundle, part, "wing bar")
    assert all(name in caught.value.cure for name in PARTS[:3])
    assert read_info(bundle).part_names == PARTS


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("wing\nbar", "can't be seen"),
        ("wing\x1b[31m", "can't be seen"),
        ("\u202ewing", "can't be seen"),
        ("x" * (MOST_LETTERS + 1), "letters"),
        ("7", "another part's number"),
        ("Part 2", "another part's number"),
        ("REST of the picture", "is called"),
    ],
)
def test_a_name_that_can_not_be_given_is_an_error_with_a_cure(bundle: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        name_part(bundle, "1", name)
    assert message in caught.value.message
    assert caught.value.cure
    assert read_info(bundle).part_names == PARTS


def test_two_parts_can_not_have_one_name(bundle: Path) -> None:
    name_part(bundle, "1", "wing bar")
    with pytest.raises(ConfigError, match="Part 1 is called 'wing bar'"):
        name_part(bundle, "2", "Wing Bar")


def test_every_slot_has_its_name(bundle: Path) -> None:
    with pytest.raises(BundleError, match="4 parts, not 1"):
        record_part_names(bundle, ["wing bar"])
    with pytest.raises(BundleError):
        name_part(bundle.parent / "nonesuch", "1", "wing bar")
    assert nameable_parts(read_info(bundle)) == PARTS[:3]


def test_only_a_number_is_a_placeholder() -> None:
    assert is_placeholder("part 12")
    assert not any(map(is_placeholder, ("wing bar", "part", "part 3 of the wing", "spare part 3")))
