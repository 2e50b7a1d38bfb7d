"""The field guide as a static site: pages, one style sheet, one script, all in one folder. Never imports torch."""

from fieldmark.report.guide.site import INDEX, write_guide_site

__all__ = ["INDEX", "write_guide_site"]
