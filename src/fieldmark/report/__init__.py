"""The report: saved results → one self-contained HTML file. Reads JSON, CSV and pictures only."""

from fieldmark.report.page import write_report

__all__ = ["write_report"]
