"""The report: saved results → one self-contained HTML file. Reads JSON, CSV and pictures only."""

from fieldmark.report.page import write_report
from fieldmark.report.pretraining_page import write_pretraining_report

__all__ = ["write_pretraining_report", "write_report"]
