"""The page's files: small, complete in both languages, and asking for nothing from elsewhere."""

import re

import pytest

from fieldmark.serve.application import STATIC

FILES = sorted(STATIC.iterdir())
MOST_BYTES = 200_000


def test_the_page_is_small() -> None:
    assert sum(path.stat().st_size for path in FILES) < MOST_BYTES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_names_an_outside_address_or_carries_its_own_script_or_style(path) -> None:  # type: ignore[no-untyped-def]
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"(?:https?:)?//[\w-]+\.\w+", text) == []
    if path.suffix == ".html":
        assert re.findall(r"<style|<script(?![^>]*src=)|\son\w+=|\sstyle=", text) == []
    if path.suffix == ".js":
        assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text) == []


def test_every_link_between_the_files_leads_to_one() -> None:
    names = {path.name for path in FILES}
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"/static/([\w.-]+)", text)) <= names
        assert set(re.findall(r'from "\./([\w.-]+)"', text)) <= names


def test_both_languages_say_the_same_things() -> None:
    text = (STATIC / "words.js").read_text(encoding="utf-8")
    english, chinese = text.split("const zh = {")
    english_keys, chinese_keys = (
        set(re.findall(r"[{,]\s*(\w+):", "{" + block)) for block in (english.partition("const en = {")[2], chinese)
    )
    assert len(english_keys) > 60
    assert english_keys == chinese_keys
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'data-word="(\w+)"', page)) <= english_keys
    used = {
        name
        for path in FILES
        if path.suffix == ".js"
        for name in re.findall(r"(?:chosen|words\(\))\.(\w+)", path.read_text())
    }
    assert used <= english_keys
