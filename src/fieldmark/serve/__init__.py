"""A service and a page around bundles. HTTP is in ``application``, ``routes``, ``gate`` and ``server`` alone."""

from fieldmark.serve.application import create_app
from fieldmark.serve.settings import ServiceSettings

__all__ = ["ServiceSettings", "create_app"]
