import stat
from pathlib import Path

import pytest

from fieldmark.errors import ConfigError
from fieldmark.serve.keys import ApiKeys, add_key, load_keys
from fieldmark.serve.refusals import KeyMissing


def test_a_key_that_was_made_opens_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    anna, ben = add_key(file, "anna"), add_key(file, "ben")
    keys = load_keys(file)
    assert (keys.owner(anna), keys.owner(ben)) == ("anna", "ben")
    assert anna not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for wrong in (anna[:-1], anna + "x", "", None, anna.upper(), "\udcff"):
        with pytest.raises(KeyMissing):
            keys.owner(wrong)


def test_comments_and_empty_lines_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"# ours\n\nanna {'0' * 64}\n")
    assert len(load_keys(file)) == 1


@pytest.mark.parametrize("text", ["", "# none\n", "anna\n", "anna secret\n", f"an/na {'0' * 64}\n"])
def test_a_file_that_holds_no_keys_or_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(text)
    with pytest.raises(ConfigError):
        load_keys(file)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_keys(tmp_path / "none.txt")
    assert "fieldmark serve-key" in caught.value.cure


def test_names_are_plain_and_used_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    add_key(file, "anna")
    for name in ("anna", "a b", "", "x" * 65, "a\nb"):
        with pytest.raises(ConfigError):
            add_key(file, name)
    assert len(load_keys(file)) == 1


def test_no_keys_at_all_let_nobody_in() -> None:
    with pytest.raises(KeyMissing):
        ApiKeys({}).owner("anything")
