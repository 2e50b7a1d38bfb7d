"""Libraries that only exporting needs, and that may be missing."""

import importlib
from types import ModuleType

from fieldmark.errors import ExportError


def import_library(name: str, extra: str) -> ModuleType:
    """Import a library that comes with one of Fieldmark's extras.

    Raises:
        ExportError: it isn't installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ExportError(
            f"{error.name or name} isn't installed.", f"Install it: pip install 'fieldmark[{extra}]'."
        ) from error
