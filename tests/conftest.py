"""Fixtures that several test folders use."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights; the test skips where it is missing."""
    folder = Path(os.environ.get("FIELDMARK_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"real data not found at {folder}; set FIELDMARK_SHARED to its place")
    return folder
