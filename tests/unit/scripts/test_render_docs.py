"""The script that renders the documentation: on this repository, and on a small one with faults."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("markdown_it", reason="needs markdown-it-py (extra dev)")

ROOT = Path(__file__).resolve().parents[3]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render_docs", ROOT / "scripts" / "render_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SCRIPT = load()


def repository(folder: Path, page: str) -> Path:
    files = {
        "README.md": "# Small\n\n[the page](docs/page.md#two-words) ![a picture](docs/a%20b.png)\n",
        "README.zh-CN.md": "# 小\n",
        "CONTRIBUTING.md": "# Contributing\n",
        "CHANGELOG.md": "# Changes\n",
        "docs/index.md": "# Documentation\n\n* [A page](page.md): it is.\n",
        "docs/page.md": page,
        "docs/a b.png": "picture",
        "results.json": "{}",
        "scripts/docs.css": "body {}",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_pages_of_this_repository_render_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert SCRIPT.render(ROOT, site) == []
    pages = {file.relative_to(site).as_posix() for file in site.rglob("*.html")}
    assert pages >= {f"docs/{file.stem}.html" for file in (ROOT / "docs").glob("*.md")}
    assert {"index.html", "index.zh-CN.html"} <= pages
    assert (site / "docs" / "images" / "report.png").read_bytes() == (ROOT / "docs/images/report.png").read_bytes()
    home = (site / "index.html").read_text(encoding="utf-8")
    assert '<html lang="en">' in home
    assert '<html lang="zh-CN">' in (site / "index.zh-CN.html").read_text(encoding="utf-8")
    for page in pages - {"index.html"}:
        assert f'href="{page}"' in home, f"the navigation lacks {page}"
    assert not re.search(r'(?:src|href)="(?:https?:)?//[^"]*\.(?:js|css)"', home)


def test_links_become_the_site_s_and_files_come_along(tmp_path: Path) -> None:
    links = "[home](../README.md) [r](../results.json) [out](https://example.org/x.md) [here](#two-words)"
    root = repository(
        tmp_path / "root", f"# A page\n\n## Two words\n\n{links}\n\n| a | b |\n|---|---|\n| 1 | <script> |\n"
    )
    assert SCRIPT.render(root, tmp_path / "site") == []
    home = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'href="docs/page.html#two-words"' in home
    assert 'src="docs/a%20b.png"' in home
    assert (tmp_path / "site" / "docs" / "a b.png").read_text() == "picture"
    page = (tmp_path / "site" / "docs" / "page.html").read_text(encoding="utf-8")
    assert '<h2 id="two-words">' in page
    assert 'href="../index.html"' in page
    assert 'href="../results.json"' in page
    assert (tmp_path / "site" / "results.json").is_file()
    assert 'href="https://example.org/x.md"' in page
    assert '<a href="page.html" aria-current="page">' in page
    assert '<div class="wide" tabindex="0"><table>' in page
    assert "<script>" not in page


@pytest.mark.parametrize("link", ["nonesuch.md", "#nonesuch", "index.md#nonesuch", "nonesuch.json", "../../outside.md"])
def test_a_link_that_leads_nowhere_is_told_and_nothing_is_written(tmp_path: Path, link: str) -> None:
    (tmp_path / "outside.md").write_text("# Outside\n")
    root = repository(tmp_path / "root", f"# A page\n\n## Two words\n\n[x]({link})\n")
    (told,) = SCRIPT.render(root, tmp_path / "site")
    assert told.startswith("docs/page.html: ")
    assert link.removesuffix(".md").rpartition("/")[2].partition(".md")[0] in told
    assert not (tmp_path / "site").exists()
    assert not (tmp_path / "site.partial").exists()


def test_a_page_that_the_index_forgets_is_an_error(tmp_path: Path) -> None:
    root = repository(tmp_path / "root", "# A page\n\n## Two words\n")
    (root / "docs" / "forgotten.md").write_text("# Forgotten\n")
    with pytest.raises(SystemExit, match=r"docs/forgotten\.md"):
        SCRIPT.render(root, tmp_path / "site")


def test_headings_of_the_same_words_get_their_own_anchors() -> None:
    seen: dict[str, int] = {}
    assert [SCRIPT.anchor(text, seen) for text in ("One & two", "One & two", "中文")] == [
        "one--two",
        "one--two-1",
        "中文",
    ]
