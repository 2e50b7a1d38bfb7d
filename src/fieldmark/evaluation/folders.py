"""Folders that are put in place as a whole."""

import shutil
from pathlib import Path


def replace_folder(partial: Path, folder: Path) -> None:
    """Put a finished folder in the place of an older one."""
    retired = folder.with_name(folder.name + ".retired")
    shutil.rmtree(retired, ignore_errors=True)
    if folder.exists():
        folder.rename(retired)
    partial.rename(folder)
    shutil.rmtree(retired, ignore_errors=True)
