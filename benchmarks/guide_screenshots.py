"""Take the pictures of the field guide that the documentation shows.

    python benchmarks/guide_screenshots.py GUIDE
    python benchmarks/guide_screenshots.py GUIDE --prefix named-guide --views pair

GUIDE is what ``fieldmark guide`` wrote of a run of generated birds. Needs playwright and Chromium (CHROMIUM names it,
where it has another name). Writes docs/images/guide-*.png, at the widths of a desk and of a phone; --out names another
folder, --prefix another beginning of the names.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser

from record import ROOT
from screenshots import PATIENCE, open_browser, shrink


@dataclass(frozen=True)
class View:
    """One way to look at the guide: name of the picture, which page, width and height, colours."""

    name: str
    page: str
    size: tuple[int, int]
    scheme: str = "light"


VIEWS = (
    View("index", "index.html", (1280, 900)),
    View("pair", "pair-*.html", (1280, 1000)),
    View("class-phone", "class-*.html", (390, 844)),
    View("pair-phone", "pair-*.html", (390, 844)),
    View("key-phone", "key.html", (390, 844), "dark"),
)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guide", type=Path)
    parser.add_argument("--prefix", default="guide")
    parser.add_argument("--views", nargs="+", choices=[view.name for view in VIEWS], help="take some pictures only")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        for view in VIEWS:
            if arguments.views and view.name not in arguments.views:
                continue
            file = arguments.out / f"{arguments.prefix}-{view.name}.png"
            take(browser, first(arguments.guide, view.page), view, file)
            print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


def first(guide: Path, pattern: str) -> Path:
    """Return the first page of a kind.

    Raises:
        SystemExit: there is none.
    """
    found = next(iter(sorted(guide.glob(pattern))), None)
    if found is None:
        raise SystemExit(f"There is no {pattern} in {guide}; write the guide with: fieldmark guide RUN")
    return found


def take(browser: Browser, page: Path, view: View, file: Path) -> None:
    """Take one picture."""
    width, height = view.size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=view.scheme)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    opened.goto(page.resolve().as_uri(), wait_until="networkidle")
    opened.screenshot(path=file)
    context.close()
    shrink(file)


if __name__ == "__main__":
    main()
