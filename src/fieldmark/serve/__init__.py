"""A service and a page around bundles. HTTP is in ``application``, ``routes``, ``gate`` and ``server`` alone.

The names are loaded when they are first used: making a key or reading corrections needs neither FastAPI nor torch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fieldmark.serve.application import create_app
    from fieldmark.serve.feedback import FeedbackStore
    from fieldmark.serve.settings import ServiceSettings

__all__ = ["FeedbackStore", "ServiceSettings", "create_app"]

#: Public name → the module that defines it.
_HOMES = {
    "FeedbackStore": "fieldmark.serve.feedback",
    "ServiceSettings": "fieldmark.serve.settings",
    "create_app": "fieldmark.serve.application",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
