"""Render the documentation as a static site: `make docs`, or python scripts/render_docs.py [--out site].

README, docs/*.md and what they belong to become HTML pages with a navigation; pictures and files that pages link to are
copied beside them. Every link inside the site is followed; one that leads nowhere is an error, and nothing is written.
"""

import argparse
import html
import posixpath
import re
import shutil
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent

#: Page of the repository → page of the site, where it isn't called the same.
RENAMED = {"README.md": "index.html", "README.zh-CN.md": "index.zh-CN.html"}

#: Pages outside docs/, with what the navigation calls them; the pages of docs/ come after the first two, in the order
#: of docs/index.md.
FIRST = {"README.md": "Fieldmark", "README.zh-CN.md": "中文"}
LAST = {"CONTRIBUTING.md": "Contributing", "CHANGELOG.md": "Changes"}

LANGUAGES = {"README.zh-CN.md": "zh-CN"}

STYLE = "style.css"


@dataclass
class Page:
    """One page: its source, its title, its HTML, and what it links to (from the site's root)."""

    source: str
    title: str
    body: str
    sections: list[tuple[str, str]] = field(default_factory=list)
    files: set[str] = field(default_factory=set)

    @property
    def target(self) -> str:
        """The page's path in the site."""
        return target_of(self.source)


class Found(HTMLParser):
    """Collects the ids of a page and the addresses that it uses."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element's id, and its href or src."""
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name in ("href", "src") and value is not None:
                self.addresses.append(value)


def main() -> None:
    """Render the site, or say which links are broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "site", help="folder of the site; it is replaced")
    arguments = parser.parse_args()
    broken = render(ROOT, arguments.out)
    if broken:
        sys.exit("Links that lead nowhere:\n" + "\n".join(f"  {line}" for line in broken))
    print(
        f"{arguments.out / 'index.html'}: {len(list(arguments.out.rglob('*.html')))} pages, every link leads somewhere"
    )


def render(root: Path, out: Path) -> list[str]:
    """Render the site of a repository.

    Args:
        root: the repository.
        out: the site's folder; it is replaced once all is well.

    Returns:
        The links that lead nowhere, as "page: address"; where there are any, nothing is written.
    """
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    sources = sources_of(root)
    pages = [read_page(root, source, sources) for source in sources]
    for page in pages:
        write(partial / page.target, whole_page(page, pages, sources))
        for name in page.files:
            if (root / name).is_file():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / name, partial / name)
    write(partial / STYLE, (root / "scripts" / "docs.css").read_text(encoding="utf-8"))
    broken = broken_links(partial)
    if not broken:
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    shutil.rmtree(partial, ignore_errors=True)
    return broken


def sources_of(root: Path) -> dict[str, str]:
    """Return source → what the navigation calls it: the pages of docs/ as their index lists them, then the others."""
    index = (root / "docs" / "index.md").read_text(encoding="utf-8")
    listed = {f"docs/{name}": title for title, name in re.findall(r"^\* \[([^\]]+)\]\((\w[\w-]*\.md)\)", index, re.M)}
    missing = sorted({f"docs/{file.name}" for file in (root / "docs").glob("*.md")} - set(listed) - {"docs/index.md"})
    if missing:
        sys.exit(f"docs/index.md doesn't list {', '.join(missing)}.")
    return {**FIRST, "docs/index.md": "Documentation", **listed, **LAST}


def target_of(source: str) -> str:
    """Return the site's page that a page of the repository becomes."""
    return RENAMED.get(source, source.removesuffix(".md") + ".html")


def read_page(root: Path, source: str, sources: dict[str, str]) -> Page:
    """Render one page, its links turned into the site's."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = markdown.parse((root / source).read_text(encoding="utf-8"))
    page = Page(source, sources[source], "")
    seen: dict[str, int] = {}
    for token, inline in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and inline is not None:
            text = heading_text(inline)
            slug = anchor(text, seen)
            token.attrSet("id", slug)
            if token.tag == "h2":
                page.sections.append((slug, text))
        for child in token.children or []:
            turn_link(child, page, sources)
    body = markdown.renderer.render(tokens, markdown.options, {})
    page.body = body.replace("<table>", '<div class="wide" tabindex="0"><table>').replace("</table>", "</table></div>")
    return page


def heading_text(inline: Token) -> str:
    """Return a heading's words, without its marks."""
    return "".join(child.content for child in inline.children or [])


def anchor(text: str, seen: dict[str, int]) -> str:
    """Return a heading's anchor, made as GitHub makes them; the same words again get a number."""
    slug = re.sub(r"[^\w\- ]", "", text).lower().replace(" ", "-")
    count = seen.get(slug, 0)
    seen[slug] = count + 1
    return f"{slug}-{count}" if count else slug


def turn_link(token: Token, page: Page, sources: dict[str, str]) -> None:
    """Turn an address between files of the repository into one between files of the site."""
    name = {"link_open": "href", "image": "src"}.get(token.type)
    address = str(token.attrGet(name) or "") if name else ""
    parts = urlsplit(address)
    if not name or parts.scheme or not parts.path:
        return
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(page.source), unquote(parts.path)))
    if wanted in sources:
        place = target_of(wanted)
    else:
        place = wanted
        if not wanted.startswith(".."):
            page.files.add(wanted)
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    token.attrSet(name, quote(relative(page.target, place)) + fragment)


def relative(page: str, target: str) -> str:
    """Return a target's address as seen from a page, both from the site's root."""
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def whole_page(page: Page, pages: list[Page], sources: dict[str, str]) -> str:
    """Return a page's HTML with head and navigation."""
    entries = []
    for other in pages:
        here = ' aria-current="page"' if other is page else ""
        link = f'<a href="{relative(page.target, other.target)}"{here}>{html.escape(sources[other.source])}</a>'
        inner = "".join(f'<li><a href="#{slug}">{html.escape(text)}</a></li>' for slug, text in page.sections)
        entries.append(f"<li>{link}{f'<ul>{inner}</ul>' if other is page and inner else ''}</li>")
    title = page.title if page.source in FIRST else f"{page.title} · Fieldmark"
    return f"""<!doctype html>
<html lang="{LANGUAGES.get(page.source, "en")}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<link rel="stylesheet" href="{relative(page.target, STYLE)}">
</head>
<body>
<a class="skip" href="#content">Skip to the text</a>
<details class="pages"><summary>Pages</summary><nav aria-label="Pages"><ul>{"".join(entries)}</ul></nav></details>
<nav class="side" aria-label="Pages"><ul>{"".join(entries)}</ul></nav>
<main id="content">
{page.body}</main>
</body>
</html>
"""


def broken_links(site: Path) -> list[str]:
    """Follow every link inside a site, and return those that lead nowhere, as "page: address"."""
    found: dict[Path, Found] = {}
    for file in sorted(site.rglob("*.html")):
        found[file] = Found()
        found[file].feed(file.read_text(encoding="utf-8"))
    broken = []
    for file, here in found.items():
        for address in here.addresses:
            parts = urlsplit(address)
            if parts.scheme:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            lacks = parts.fragment and (target not in found or unquote(parts.fragment) not in found[target].ids)
            if not target.is_file() or not target.is_relative_to(site.resolve()) or lacks:
                broken.append(f"{file.relative_to(site).as_posix()}: {address}")
    return broken


def write(file: Path, text: str) -> None:
    """Write a text below the site's folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
