"""The browser that pages are tested in."""

import os
import shutil

import pytest

_NAMES = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")

#: The program, or ``None`` where there is none.
CHROMIUM = next((found for name in _NAMES if name and (found := shutil.which(name))), None)

#: Chromium as root, without a screen and without asking anything of the network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: Milliseconds to wait for what should happen at once, on a machine that is busy.
PATIENCE = 120_000

#: The marks of a module of browser tests.
BROWSER_TESTS = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium isn't installed (apt-get install chromium)"),
]
