"""The Chinese README says what the English one says: the same commands and outputs, figures and links."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, CHINESE = (ROOT / name for name in ("README.md", "README.zh-CN.md"))

_FENCE = re.compile(r"^```\w*\n.*?^```$", re.M | re.S)
_FIGURE = re.compile(r"(?<![\w.-])\d[\d,.]*(?<![.,])(?: ?%)?")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def blocks(text: str) -> list[str]:
    return _FENCE.findall(text)


def prose(text: str) -> str:
    return _FENCE.sub("", text)


def figures(text: str) -> Counter[str]:
    """Count the figures outside code and addresses."""
    words = _LINK.sub("]", _CODE.sub("", prose(text)))
    return Counter(_FIGURE.findall(words))


@pytest.fixture(scope="module")
def texts() -> tuple[str, str]:
    return ENGLISH.read_text(encoding="utf-8"), CHINESE.read_text(encoding="utf-8")


def test_commands_and_their_outputs_are_the_same(texts: tuple[str, str]) -> None:
    english, chinese = map(blocks, texts)
    assert len(english) > 5
    assert chinese == english


def test_figures_are_the_same(texts: tuple[str, str]) -> None:
    english, chinese = map(figures, texts)
    assert sum(english.values()) > 20
    assert chinese == english


def test_links_are_the_same_and_each_leads_to_the_other(texts: tuple[str, str]) -> None:
    english, chinese = (Counter(_LINK.findall(text)) for text in texts)
    assert english.pop("README.zh-CN.md") == 1
    assert chinese.pop("README.md") == 1
    assert chinese == english


def test_pieces_of_code_are_the_same(texts: tuple[str, str]) -> None:
    english, chinese = (Counter(_CODE.findall(prose(text))) for text in texts)
    assert chinese == english


def test_it_has_the_same_sections_and_rows_in_chinese(texts: tuple[str, str]) -> None:
    english, chinese = (re.findall(r"^(#+|\*|\|) ", prose(text), re.M) for text in texts)
    assert chinese == english
    paragraphs = [part for part in prose(texts[1]).split("\n\n") if len(part) > 60]
    assert len(paragraphs) > 10
    assert [part for part in paragraphs if not _CHINESE.search(part)] == []
    headings = re.findall(r"^## (.+)$", texts[1], re.M)
    assert all(_CHINESE.search(heading) for heading in headings)


def test_no_line_ends_between_chinese_characters_where_a_blank_would_show(texts: tuple[str, str]) -> None:
    chinese = r"[\u3001\u3002\u4e00-\u9fff\uff00-\uffef]"
    assert re.findall(rf".*{chinese}\n *(?:{chinese}|[\w\[`]).*", prose(texts[1])) == []


def test_these_checks_find_differences() -> None:
    assert figures("12 birds, 4.2 % in 1,000 and `x --top 3` of [a](b-7.json), CUB-200 and MobileNetV2.") == Counter(
        {"12": 1, "4.2 %": 1, "1,000": 1}
    )
    assert figures("4.2 %") != figures("4.3 %")
