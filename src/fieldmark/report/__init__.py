"""The reports: saved results → one self-contained HTML file. Reads JSON, CSV and pictures only."""

from fieldmark.report.audit_page import write_audit_page
from fieldmark.report.explanation_page import write_explanation
from fieldmark.report.neighbours_page import write_neighbours
from fieldmark.report.page import write_report
from fieldmark.report.pretraining_page import write_pretraining_report
from fieldmark.report.seeds_page import write_seeds_report

__all__ = [
    "write_audit_page",
    "write_explanation",
    "write_neighbours",
    "write_pretraining_report",
    "write_report",
    "write_seeds_report",
]
