"""Take the pictures of the service's page that the documentation shows.

    python benchmarks/serve_screenshots.py RUN PICTURE

RUN is a run of generated birds, PICTURE one of its pictures, such as

    fieldmark demo --out demo
    python benchmarks/serve_screenshots.py demo/run demo/birds/images/008.Osmere_Reedchat/Osmere_Reedchat_0061.jpg

Needs playwright and Chromium (CHROMIUM names it, where it has another name). Writes docs/images/serve-*.png, at the
widths of a desk and of a phone, light and dark, in both languages; --out names another folder.
"""

import argparse
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from playwright.sync_api import Browser, Page

from fieldmark.serve import FeedbackStore, ServiceSettings, create_app
from record import ROOT
from screenshots import PATIENCE, open_browser, shrink


@dataclass(frozen=True)
class View:
    """One way to look at the page: name of the file, width and height, colours, language, and how far to go."""

    name: str
    size: tuple[int, int]
    scheme: str
    language: str
    state: str


VIEWS = (
    View("start", (1280, 800), "light", "en-GB", "start"),
    View("result", (1280, 960), "light", "en-GB", "result"),
    View("why", (1280, 1100), "light", "en-GB", "why"),
    View("part", (1280, 800), "dark", "zh-CN", "part"),
    View("phone", (390, 844), "light", "en-GB", "result"),
    View("phone-zh", (390, 844), "dark", "zh-CN", "why"),
)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--cache", type=Path, help="folder of decoded pictures (default: cache beside the run)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    cache = arguments.cache or arguments.run.parent / "cache"
    with served(arguments.run, cache) as address, open_browser() as browser:
        for view in VIEWS:
            file = arguments.out / f"serve-{view.name}.png"
            take(browser, address, view, arguments.picture, file)
            print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


@contextmanager
def served(run: Path, cache: Path) -> Iterator[str]:
    """Serve a run in this process; yield its address once training pictures are at hand."""
    settings = ServiceSettings(watch_s=0, timeout_s=120)
    app = create_app(run, settings=settings, cache=cache, feedback=FeedbackStore(cache / "screenshots-feedback"))
    for model in app.state.service._registry.models():
        model._shelf.wait()
        model._near.wait()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


def take(browser: Browser, address: str, view: View, picture: Path, file: Path) -> None:
    """Take one picture."""
    width, height = view.size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=view.scheme, locale=view.language
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector("#known-count:not(:empty)")
    if view.state != "start":
        show(page, view, picture)
    page.screenshot(path=file)
    context.close()
    shrink(file)


def show(page: Page, view: View, picture: Path) -> None:
    """Bring the page into a view's state."""
    page.set_input_files("#file", picture)
    page.wait_for_selector("#why .versus")
    if view.state == "part":
        page.hover("#marks .part")
    elif view.state == "why":
        page.locator("#why").scroll_into_view_if_needed()
        page.evaluate("document.getElementById('why').scrollIntoView()")
    page.wait_for_timeout(300)


if __name__ == "__main__":
    main()
