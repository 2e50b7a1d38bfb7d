import sys
from pathlib import Path

import pytest

from fieldmark.cli.terminal import Terminal, cache_folder, printable


def test_the_given_cache_folder_wins() -> None:
    assert cache_folder(Path("here")) == Path("here")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/fieldmark"),
        ("linux", {"XDG_CACHE_HOME": ""}, "/home/me/.cache/fieldmark"),
        ("darwin", {}, "/home/me/Library/Caches/fieldmark"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/fieldmark"),
    ],
)
def test_the_cache_goes_where_the_system_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder(None) == Path(expected)


def test_names_can_not_move_the_cursor() -> None:
    assert printable("Élan 象\x1b[2J\n\udce9") == "Élan 象\\x1b[2J\\n\\udce9"
    assert printable("a\nb\r", lines=True) == "a\nb\\r"


def test_a_table_that_is_piped_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(quiet=False).table(["name", "count"], [["x" * 300, "1"], ["y", "1,000"]])
    lines = capsys.readouterr().out.splitlines()
    assert any("x" * 300 + "       1" in line for line in lines)
