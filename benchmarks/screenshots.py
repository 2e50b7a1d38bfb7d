"""What takes pictures of pages: a browser, and files that stay small."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

#: Milliseconds to wait for a page.
PATIENCE = 120_000

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

#: Colours of a committed picture: few enough that it stays small.
_COLOURS = 256


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium without a screen.

    Raises:
        SystemExit: there is none.
    """
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("Chromium isn't installed; install it, or name it: CHROMIUM=/path/to/it")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=_FLAGS)
        yield browser
        browser.close()


def shrink(file: Path) -> None:
    """Save a picture anew with few colours."""
    with Image.open(file) as taken:
        small = taken.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    small.save(file, optimize=True)
